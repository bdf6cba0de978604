#include "lxcfs/formats.h"
#include "lxcfs/values_cpus.h"

#include <string.h>

enum {
	PAGE = 4096, /* what a file of sysfs has at most, but lists and masks */
	MASK_BYTES = HOST_MAX_CPUS / 4 + HOST_MAX_CPUS / 32 + 2,
};

bool format_cpuinfo(struct instance *instance, unsigned number, struct text *text)
{
	(void)number;
	struct cpus cpus;
	cpus_read(instance, &cpus);
	return cpuinfo_write(instance->host, cpus.bits, cpus.end, text);
}

bool format_cpu_list(struct instance *instance, unsigned number, struct text *text)
{
	(void)number;
	struct cpus cpus;
	cpus_read(instance, &cpus);
	text_add_list(text, cpus.bits, cpus.end);
	text_add_bytes(text, "\n", 1);
	return true;
}

bool format_empty_list(struct instance *instance, unsigned number, struct text *text)
{
	(void)instance;
	(void)number;
	text_add_bytes(text, "\n", 1);
	return true;
}

bool format_copied(struct instance *instance, const char *path, struct text *text)
{
	char bytes[PAGE + 1];
	ssize_t length = host_read(instance->host, path, bytes, sizeof(bytes));
	if (length < 0)
		return false;
	text_add_bytes(text, bytes, (size_t)length);
	return true;
}

bool format_cut_list(struct instance *instance, const char *path, struct text *text)
{
	char bytes[HOST_LIST_BYTES];
	uint64_t bits[HOST_CPU_WORDS];
	struct cpus cpus;
	if (host_read(instance->host, path, bytes, sizeof(bytes)) < 0)
		return false;
	host_parse_list(bytes, bits);
	cpus_read(instance, &cpus);
	for (unsigned word = 0; word < HOST_CPU_WORDS; word++)
		bits[word] &= cpus.bits[word];
	text_add_list(text, bits, cpus.end);
	text_add_bytes(text, "\n", 1);
	return true;
}

static char cut_digit(char digit, unsigned bits)
{
	unsigned value = (unsigned)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
	return "0123456789abcdef"[value & bits];
}

/* Hexadecimal, with a comma before every 32 bits; it is as wide as the host's. */
bool format_cut_mask(struct instance *instance, const char *path, struct text *text)
{
	char bytes[MASK_BYTES];
	struct cpus cpus;
	ssize_t length = host_read(instance->host, path, bytes, sizeof(bytes));
	if (length < 0)
		return false;
	cpus_read(instance, &cpus);
	size_t digits = strspn(bytes, "0123456789abcdefABCDEF,");
	unsigned bit = 0;
	for (size_t at = digits; at-- > 0 && bit < HOST_MAX_CPUS;) {
		if (bytes[at] == ',')
			continue;
		bytes[at] = cut_digit(bytes[at], cpus.bits[bit / 64] >> bit % 64 & 0xf);
		bit += 4;
	}
	text_add_bytes(text, bytes, (size_t)length);
	return true;
}
