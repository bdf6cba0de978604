/* See memory.h. */
#include "memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *checked(void *pointer)
{
	if (!pointer) {
		static const char text[] = "out of memory\n";
		if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
			_exit(70);
		abort();
	}
	return pointer;
}

void *memory_alloc(size_t size)
{
	return checked(calloc(1, size ? size : 1));
}

void *memory_realloc(void *old, size_t size)
{
	return checked(realloc(old, size ? size : 1));
}

char *memory_strdup(const char *text)
{
	return checked(strdup(text));
}

char *memory_strndup(const char *text, size_t length)
{
	return checked(strndup(text, length));
}

char *memory_printf(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = NULL;
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return checked(text);
}
