#include "lxcfs/files.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lxcfs/formats.h"

/* clang-format off */
const struct file files[] = {
	{.path = "proc/meminfo", .write = format_meminfo},
	{.path = "proc/slabinfo", .write = format_slabinfo},
	{.path = "proc/swaps", .write = format_swaps},
	{.path = "proc/uptime", .write = format_uptime},
	{.path = "proc/vmstat", .write = format_vmstat},
	{.path = "proc/zoneinfo", .write = format_zoneinfo},
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
