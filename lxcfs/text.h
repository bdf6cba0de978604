/*
 * Text of a file, written into a buffer that is there already: nothing is allocated while a file is read. What
 * does not fit is dropped and `full` set; the server then tries again with a larger buffer.
 */
#ifndef SYSCT_LXCFS_TEXT_H
#define SYSCT_LXCFS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *bytes; /* not terminated */
	size_t size, length;
	bool full;
};

void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_add(struct text *text, const char *string);

/* A number, with spaces before it until it has @width characters (0: none). */
void text_add_number(struct text *text, uint64_t number, int width);

/* 1234 as "12.34". */
void text_add_hundredths(struct text *text, uint64_t hundredths);

/* For what is not written often: printf(3) is some five times slower than the functions above. */
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A list of the kernel's kind: "0-3,8". @bits: one bit for each number, the lowest first. */
void text_add_list(struct text *text, const uint64_t *bits, size_t count);

#endif
