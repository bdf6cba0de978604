#include "lxcfs/formats.h"

/*
 * The control group's own file has the kernel's format. Where pressure is not accounted the kernel has no
 * /proc/pressure either. Never that of a group above: it would tell of others.
 */
static bool add_pressure(struct instance *instance, enum group_file file, struct text *text)
{
	char lines[512];
	ssize_t length = instance_read_level(instance, file, 0, lines, sizeof(lines));
	if (length <= 0)
		return false;
	text_add_bytes(text, lines, (size_t)length);
	return true;
}

bool format_pressure_cpu(struct instance *instance, unsigned number, struct text *text)
{
	(void)number;
	return add_pressure(instance, GROUP_CPU_PRESSURE, text);
}

bool format_pressure_io(struct instance *instance, unsigned number, struct text *text)
{
	(void)number;
	return add_pressure(instance, GROUP_IO_PRESSURE, text);
}

bool format_pressure_memory(struct instance *instance, unsigned number, struct text *text)
{
	(void)number;
	return add_pressure(instance, GROUP_MEMORY_PRESSURE, text);
}
