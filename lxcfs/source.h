/*
 * Files of the kernel that are read again and again: the descriptor stays open and each reading is one pread(2)
 * at offset 0, for which proc, sysfs and the control groups make the text anew. Several threads may read one source.
 */
#ifndef SYSCT_LXCFS_SOURCE_H
#define SYSCT_LXCFS_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct source {
	_Atomic int fd; /* SOURCE_UNOPENED, SOURCE_ABSENT, or open */
};

enum { SOURCE_UNOPENED = -1, SOURCE_ABSENT = -2 };

/* clang-format off */
#define SOURCE_INIT { SOURCE_UNOPENED }
/* clang-format on */

/**
 * source_read - the text of @path, terminated, opened at the first call.
 * What does not fit into @size - 1 bytes is left out. A file that is not there is not looked for again.
 * Returns the length, or -1 (errno) when there is no such file or what it belongs to is gone (ENODEV).
 */
ssize_t source_read(struct source *source, int dirfd, const char *path, char *buffer, size_t size);

/* For who must know whether it is there before it reads. -1: it is not. */
int source_open(struct source *source, int dirfd, const char *path);
void source_close(struct source *source);

/* The number at the start of a text; "max" and what does not fit are UINT64_MAX. *end may be NULL. */
uint64_t source_number(const char *text, const char **end);

/**
 * source_field - the number after @name at the start of a line of a text like memory.stat or /proc/meminfo
 * ("name 12", "Name:    12 kB").
 * Returns false, and leaves *value, when there is no such line.
 */
bool source_field(const char *text, const char *name, uint64_t *value);

#endif
