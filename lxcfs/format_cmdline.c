#include "lxcfs/formats.h"

#include <stdio.h>

enum { LONGEST = 4096 }; /* the kernel's own has less: COMMAND_LINE_SIZE */

/*
 * What its first process was started with, in place of the kernel's parameters, which would tell of the host and,
 * by "console=", of terminals that the instance does not have. systemd takes its options from there in a container.
 */
bool format_cmdline(struct instance *instance, unsigned number, struct text *text)
{
	(void)number;
	char path[64], line[LONGEST];
	snprintf(path, sizeof(path), "proc/%d/cmdline", (int)instance->init);
	ssize_t length = host_read(instance->host, path, line, sizeof(line));
	if (length < 0)
		return false;
	while (length > 0 && line[length - 1] == '\0')
		length--;
	/* Arguments may hold anything; this is one line. */
	for (ssize_t i = 0; i < length; i++)
		if (line[i] == '\0' || line[i] == '\n')
			line[i] = ' ';
	text_add_bytes(text, line, (size_t)length);
	text_add_bytes(text, "\n", 1);
	return true;
}
