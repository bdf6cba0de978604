/* See percent.h. */
#include "api/percent.h"

#include <stdlib.h>

#include "memory.h"

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

char *percent_decode(const char *text, size_t length, bool plus)
{
	char *result = memory_alloc(length + 1);
	char *out = result;
	for (size_t i = 0; i < length; i++) {
		if (text[i] != '%') {
			*out++ = (char)(plus && text[i] == '+' ? ' ' : text[i]);
			continue;
		}
		int high = length - i > 2 ? digit(text[i + 1]) : -1;
		int low = high >= 0 ? digit(text[i + 2]) : -1;
		if (low < 0 || (high == 0 && low == 0)) {
			free(result);
			return NULL;
		}
		*out++ = (char)(high * 16 + low);
		i += 2;
	}
	return result;
}
