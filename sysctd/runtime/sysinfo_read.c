/* See sysinfo_read.h. */
#include "sysinfo_read.h"

#include <fcntl.h>
#include <linux/sysinfo.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "file.h"
#include "strbuf.h"

static char *read_file(int directory, const char *path)
{
	return directory < 0 ? NULL : file_try_read_at(directory, path);
}

/* "NAME:   12 kB" of meminfo, in bytes. */
static unsigned long size_of(const char *meminfo, const char *name)
{
	size_t length = strlen(name);
	for (const char *line = meminfo; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			return strtoul(line + length + 1, NULL, 10) * 1024;
	}
	return 0;
}

static void take_memory(const char *meminfo, struct sysinfo *info)
{
	info->mem_unit = 1;
	info->totalram = size_of(meminfo, "MemTotal");
	info->freeram = size_of(meminfo, "MemFree");
	info->sharedram = size_of(meminfo, "Shmem");
	info->bufferram = size_of(meminfo, "Buffers");
	info->totalswap = size_of(meminfo, "SwapTotal");
	info->freeswap = size_of(meminfo, "SwapFree");
}

/* "0.25" as a fixed point number. */
static unsigned long fixed_point(const char **at)
{
	char *end;
	unsigned long whole = strtoul(*at, &end, 10), hundredths = 0;
	if (*end == '.')
		hundredths = strtoul(end + 1, &end, 10);
	*at = end;
	return (whole << SI_LOAD_SHIFT) + (hundredths << SI_LOAD_SHIFT) / 100;
}

/* "0.25 0.10 0.04 1/80 1234": there, running of all threads. */
static void take_load(const char *loadavg, struct sysinfo *info)
{
	const char *at = loadavg;
	for (int i = 0; i < 3; i++)
		info->loads[i] = fixed_point(&at);
	const char *slash = strchr(at, '/');
	unsigned long threads = slash ? strtoul(slash + 1, NULL, 10) : 0;
	info->procs = (unsigned short)threads; /* cut off as in the kernel */
}

bool sysinfo_read(const char *lxcfs, struct sysinfo *info)
{
	cleanup_close int directory = open(lxcfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *meminfo = read_file(directory, "proc/meminfo");
	cleanup_free char *loadavg = read_file(directory, "proc/loadavg");
	cleanup_free char *uptime = read_file(directory, "proc/uptime");
	if (!meminfo || !loadavg || !uptime)
		return false;
	*info = (struct sysinfo){.uptime = strtol(uptime, NULL, 10)};
	take_memory(meminfo, info);
	take_load(loadavg, info);
	return true;
}
