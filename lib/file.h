/* Small files, directories and descriptors. Every descriptor is O_CLOEXEC. */
#ifndef SYSCT_FILE_H
#define SYSCT_FILE_H

#include <stdbool.h>
#include <dirent.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"

/**
 * file_read_at - whole content of a file (also of /proc and cgroup files).
 * @dirfd: directory descriptor or AT_FDCWD.
 * Returns a string that the caller frees, terminated; *length may be NULL.
 */
char *file_read_at(int dirfd, const char *path, size_t *length, struct error **error);

/* Like file_read_at, without an error object: NULL with errno set. */
char *file_try_read_at(int dirfd, const char *path);

/* The unsigned number at the start of a file, or @fallback ("max" too). */
unsigned long long file_read_number_at(int dirfd, const char *path, unsigned long long fallback);

/* One write(2) of @text into an existing file (cgroup and proc files). */
int file_poke_at(int dirfd, const char *path, const char *text, struct error **error);

/**
 * file_replace_at - write a file whole, or leave the old one: temporary file,
 * fsync when @durable, rename.
 */
int file_replace_at(int dirfd, const char *path, const void *bytes, size_t length, mode_t mode,
		    bool durable, struct error **error);

/* mkdir -p; a directory that exists is fine. */
int file_make_directories(const char *path, mode_t mode, struct error **error);

/* The entries of a directory, which is not a link; the caller closes it. NULL with errno. */
DIR *file_open_directory_at(int dirfd, const char *path);

/**
 * file_remove_tree_at - remove a file or a whole tree without following
 * symbolic links or crossing into another mount. Missing is no error.
 */
int file_remove_tree_at(int dirfd, const char *path, struct error **error);

/* Writes all of it, also to pipes and sockets; -1 with errno. */
int file_write_all(int fd, const void *bytes, size_t length);

/* Reads until @length bytes or the end; the count, or -1 with errno. */
ssize_t file_read_all(int fd, void *bytes, size_t length);

#endif
