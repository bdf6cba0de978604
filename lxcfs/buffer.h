/* A buffer for each thread, in which texts of files and directories are made: nothing is allocated for a usual one. */
#ifndef SYSCT_LXCFS_BUFFER_H
#define SYSCT_LXCFS_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
	char *bytes;
	size_t size;
};

/* The calling thread's; it lives as long as the thread. */
struct buffer *buffer_of_thread(void);

/* Twice as large, its bytes are lost. false: no text is that long. */
bool buffer_grow(struct buffer *buffer);

/* Gives back what a long text needed. */
void buffer_shrink(struct buffer *buffer);

#endif
