/*
 * Allocation that does not return NULL: a program of this project that runs
 * out of memory ends with a message. State is on disk and in the monitors, so
 * a restart finds everything again; half-handled allocation failures do not
 * give that.
 */
#ifndef SYSCT_MEMORY_H
#define SYSCT_MEMORY_H

#include <stddef.h>

void *memory_alloc(size_t size) __attribute__((malloc, returns_nonnull)); /* zeroed */
void *memory_realloc(void *old, size_t size) __attribute__((returns_nonnull));
char *memory_strdup(const char *text) __attribute__((malloc, returns_nonnull));
char *memory_strndup(const char *text, size_t length) __attribute__((malloc, returns_nonnull));
char *memory_printf(const char *format, ...)
	__attribute__((format(printf, 1, 2), malloc, returns_nonnull));

#endif
