/* A growable string. Zero-initialised is empty; text is always terminated. */
#ifndef SYSCT_STRBUF_H
#define SYSCT_STRBUF_H

#include <stdarg.h>
#include <stddef.h>

struct strbuf {
	char *text; /* NULL until the first append */
	size_t length;
	size_t size;
};

#define cleanup_strbuf __attribute__((cleanup(strbuf_free)))

void strbuf_append(struct strbuf *buffer, const char *text);
void strbuf_append_bytes(struct strbuf *buffer, const void *bytes, size_t length);
void strbuf_append_char(struct strbuf *buffer, char c);
void strbuf_printf(struct strbuf *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* "1.50GiB": bytes for people. */
void strbuf_append_size(struct strbuf *buffer, double bytes);

/* Removes @count bytes from the front. */
void strbuf_consume(struct strbuf *buffer, size_t count);

/* Empties the buffer and keeps its memory. */
void strbuf_clear(struct strbuf *buffer);

/* Gives the text to the caller ("" when empty) and leaves the buffer empty. */
char *strbuf_steal(struct strbuf *buffer);
void strbuf_free(struct strbuf *buffer);

#endif
