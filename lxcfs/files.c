#include "lxcfs/files.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lxcfs/formats.h"

/* clang-format off */
const struct file files[] = {
	{.path = "proc/diskstats", .write = format_diskstats},
	{.path = "proc/loadavg", .write = format_loadavg},
	{.path = "proc/pressure/cpu", .write = format_pressure_cpu},
	{.path = "proc/pressure/io", .write = format_pressure_io},
	{.path = "proc/pressure/memory", .write = format_pressure_memory},
	{.path = "proc/stat", .write = format_stat},
	{.path = "proc/uptime", .write = format_uptime},
};
/* clang-format on */
const unsigned files_count = sizeof(files) / sizeof(files[0]);

/* The row's path with the number in it. */
static void put_number(const struct file *file, unsigned number, char path[FILE_MAX_PATH])
{
	const char *star = strchr(file->path, '*');
	if (star)
		snprintf(path, FILE_MAX_PATH, "%.*s%u%s", (int)(star - file->path), file->path,
			 number, star + 1);
	else
		snprintf(path, FILE_MAX_PATH, "%s", file->path);
}

bool file_write(const struct file *file, struct instance *instance, unsigned number,
		struct text *text)
{
	char path[FILE_MAX_PATH];
	if (file->write)
		return file->write(instance, number, text);
	put_number(file, number, path);
	return file->write_path(instance, path, text);
}

bool file_exists(const struct file *file, struct host *host, unsigned number)
{
	char path[FILE_MAX_PATH];
	put_number(file, number, path);
	bool proc = strncmp(path, "proc/", 5) == 0;
	return faccessat(proc ? host->proc : host->sys, strchr(path, '/') + 1, F_OK, 0) == 0;
}
