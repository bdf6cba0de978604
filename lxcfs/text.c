#include "lxcfs/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_add_bytes(struct text *text, const char *bytes, size_t length)
{
	if (length > text->size - text->length) {
		text->full = true;
		return;
	}
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
}

void text_add(struct text *text, const char *string)
{
	text_add_bytes(text, string, strlen(string));
}

void text_add_number(struct text *text, uint64_t number, int width)
{
	enum { LONGEST = 40 };
	char digits[LONGEST];
	char *at = digits + LONGEST;
	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	while (digits + LONGEST - at < width && at > digits)
		*--at = ' ';
	text_add_bytes(text, at, (size_t)(digits + LONGEST - at));
}

void text_add_hundredths(struct text *text, uint64_t hundredths)
{
	char fraction[] = {'.', (char)('0' + hundredths / 10 % 10), (char)('0' + hundredths % 10)};
	text_add_number(text, hundredths / 100, 0);
	text_add_bytes(text, fraction, sizeof(fraction));
}

void text_printf(struct text *text, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	size_t room = text->size - text->length;
	int length = vsnprintf(text->bytes + text->length, room, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= room)
		text->full = true; /* the terminator needs a byte that is given back */
	else
		text->length += (size_t)length;
}

static bool has(const uint64_t *bits, size_t number)
{
	return bits[number / 64] >> number % 64 & 1;
}

void text_add_list(struct text *text, const uint64_t *bits, size_t count)
{
	const char *separator = "";
	for (size_t first = 0; first < count; first++) {
		if (!(bits[first / 64] >> first % 64)) { /* as most words of a small host */
			first |= 63;
			continue;
		}
		first += (size_t)__builtin_ctzll(bits[first / 64] >> first % 64);
		if (first >= count)
			break;
		size_t last = first;
		while (last + 1 < count && has(bits, last + 1))
			last++;
		text_add(text, separator);
		text_add_number(text, first, 0);
		if (last > first) {
			text_add_bytes(text, "-", 1);
			text_add_number(text, last, 0);
		}
		separator = ",";
		first = last;
	}
}
