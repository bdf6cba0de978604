/*
 * Scope-bound ownership (see STYLE): `cleanup_free char *path = NULL;`
 * releases at the end of the scope; steal_pointer()/steal_fd() hand it on.
 * Every cleanup function keeps errno.
 */
#ifndef SYSCT_CLEANUP_H
#define SYSCT_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "error.h"

static inline void cleanup_free_pointer(void *pointer)
{
	int saved = errno;
	free(*(void **)pointer);
	errno = saved;
}

static inline void cleanup_close_fd(const int *fd)
{
	int saved = errno;
	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void cleanup_close_dir(DIR **dir)
{
	int saved = errno;
	if (*dir)
		closedir(*dir);
	errno = saved;
}

static inline void cleanup_close_file(FILE **file)
{
	int saved = errno;
	if (*file)
		fclose(*file);
	errno = saved;
}

static inline void cleanup_error_pointer(struct error **error)
{
	error_free(*error);
}

#define cleanup_free  __attribute__((cleanup(cleanup_free_pointer)))
#define cleanup_close __attribute__((cleanup(cleanup_close_fd)))
#define cleanup_dir   __attribute__((cleanup(cleanup_close_dir)))
#define cleanup_file  __attribute__((cleanup(cleanup_close_file)))
#define cleanup_error __attribute__((cleanup(cleanup_error_pointer)))

static inline int steal_fd(int *fd)
{
	int value = *fd;
	*fd = -1;
	return value;
}

static inline void *steal_any(void *pointer)
{
	void *value = *(void **)pointer;
	*(void **)pointer = NULL;
	return value;
}

#define steal_pointer(p) ((__typeof__(*(p)))steal_any(p))

#endif
