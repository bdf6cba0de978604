#include "lxcfs/buffer.h"

#include <stdlib.h>

#include "memory.h"

enum { USUAL = 128 << 10, LONGEST = 16 << 20 };

static _Thread_local struct buffer own;

static void set_size(struct buffer *buffer, size_t size)
{
	free(buffer->bytes);
	buffer->bytes = memory_alloc(size);
	buffer->size = size;
}

struct buffer *buffer_of_thread(void)
{
	if (!own.bytes)
		set_size(&own, USUAL);
	return &own;
}

bool buffer_grow(struct buffer *buffer)
{
	if (buffer->size >= LONGEST)
		return false;
	set_size(buffer, buffer->size * 2);
	return true;
}

void buffer_shrink(struct buffer *buffer)
{
	if (buffer->size > USUAL)
		set_size(buffer, USUAL);
}
