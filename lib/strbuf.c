/* See strbuf.h. Memory that cannot be had ends the program (memory.h). */
#include "strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

static void reserve(struct strbuf *buffer, size_t more)
{
	size_t needed = buffer->length + more + 1;
	if (needed <= buffer->size)
		return;
	size_t size = buffer->size ? buffer->size : 64;
	while (size < needed)
		size *= 2;
	buffer->text = memory_realloc(buffer->text, size);
	buffer->size = size;
}

void strbuf_append_bytes(struct strbuf *buffer, const void *bytes, size_t length)
{
	reserve(buffer, length);
	if (length)
		memcpy(buffer->text + buffer->length, bytes, length);
	buffer->length += length;
	buffer->text[buffer->length] = '\0';
}

void strbuf_append(struct strbuf *buffer, const char *text)
{
	strbuf_append_bytes(buffer, text, strlen(text));
}

void strbuf_append_char(struct strbuf *buffer, char c)
{
	strbuf_append_bytes(buffer, &c, 1);
}

void strbuf_printf(struct strbuf *buffer, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	va_list again;
	va_copy(again, args);
	int length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length > 0) {
		reserve(buffer, (size_t)length);
		vsnprintf(buffer->text + buffer->length, (size_t)length + 1, format, again);
		buffer->length += (size_t)length;
	}
	va_end(again);
}

void strbuf_consume(struct strbuf *buffer, size_t count)
{
	if (count >= buffer->length) {
		strbuf_clear(buffer);
		return;
	}
	memmove(buffer->text, buffer->text + count, buffer->length - count + 1);
	buffer->length -= count;
}

void strbuf_clear(struct strbuf *buffer)
{
	buffer->length = 0;
	if (buffer->text)
		buffer->text[0] = '\0';
}

char *strbuf_steal(struct strbuf *buffer)
{
	char *text = buffer->text ? buffer->text : memory_strdup("");
	*buffer = (struct strbuf){0};
	return text;
}

void strbuf_free(struct strbuf *buffer)
{
	free(buffer->text);
	*buffer = (struct strbuf){0};
}

void strbuf_append_size(struct strbuf *buffer, double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	size_t unit = 0;
	while (bytes >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1024;
		unit++;
	}
	strbuf_printf(buffer, unit ? "%.2f%s" : "%.0f%s", bytes, units[unit]);
}
