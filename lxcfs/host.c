#include "lxcfs/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"

const char *const host_controllers[CONTROLLER_COUNT] = {
	[CONTROLLER_CPU] = "cpu",	[CONTROLLER_CPUACCT] = "cpuacct",
	[CONTROLLER_CPUSET] = "cpuset", [CONTROLLER_MEMORY] = "memory",
	[CONTROLLER_PIDS] = "pids",	[CONTROLLER_BLKIO] = "blkio",
};

static bool has_word(const char *words, const char *word)
{
	size_t length = strlen(word);
	for (; words && *words; words = strchr(words, ','), words = words ? words + 1 : NULL)
		if (strncmp(words, word, length) == 0 &&
		    (words[length] == ',' || words[length] == '\0'))
			return true;
	return false;
}

static int open_directory(const char *root, const char *path)
{
	cleanup_free char *whole = memory_printf("%s/%s", root, path);
	return open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A line of proc_pid_mountinfo(5): "31 23 0:28 ROOT POINT OPTIONS ... - TYPE SOURCE SUPER-OPTIONS". */
static void take_mount(struct host *host, const char *root, char *line)
{
	char *fields[6] = {0}, *rest = strstr(line, " - ");
	if (!rest)
		return;
	*rest = '\0';
	char *at = line;
	for (size_t i = 0; i < 6 && (fields[i] = strsep(&at, " "));)
		i++;
	const char *type = (rest = rest + 3, strsep(&rest, " "));
	strsep(&rest, " ");
	/* Paths of /proc/PID/cgroup begin at the root of the hierarchy: a part of it that is
	 * mounted somewhere is of no use. */
	if (!type || !rest || !fields[4] || strcmp(fields[3], "/") != 0)
		return;
	bool v2 = strcmp(type, "cgroup2") == 0;
	if (!v2 && strcmp(type, "cgroup") != 0)
		return;
	int directory = -1;
	for (int i = 0; i < CONTROLLER_COUNT; i++) {
		bool here = v2 ? i == CONTROLLER_UNIFIED
			       : i != CONTROLLER_UNIFIED && has_word(rest, host_controllers[i]);
		if (!here || host->hierarchies[i] >= 0)
			continue;
		if (directory < 0)
			directory = open_directory(root, fields[4]);
		host->hierarchies[i] = directory;
		host->v2[i] = v2;
	}
}

static int find_hierarchies(struct host *host, const char *root, struct error **error)
{
	cleanup_free char *mounts = file_read_at(host->proc, "self/mountinfo", NULL, error);
	if (!mounts)
		return -1;
	char *rest = mounts;
	for (char *line; (line = strsep(&rest, "\n"));)
		take_mount(host, root, line);
	for (int i = 0; i < CONTROLLER_UNIFIED; i++)
		if (host->hierarchies[i] < 0) {
			host->hierarchies[i] = host->hierarchies[CONTROLLER_UNIFIED];
			host->v2[i] = true;
		}
	return 0;
}

static void read_size(struct host *host)
{
	cleanup_free char *meminfo = file_try_read_at(host->proc, "meminfo");
	if (meminfo && source_field(meminfo, "MemTotal", &host->memory))
		host->memory *= 1024;
	cleanup_free char *possible = file_try_read_at(host->sys, "devices/system/cpu/possible");
	uint64_t bits[HOST_CPU_WORDS];
	host_parse_list(possible ? possible : "0", bits);
	for (unsigned i = 0; i < HOST_MAX_CPUS; i++)
		if (bits[i / 64] >> i % 64 & 1)
			host->cpus = i + 1;
}

int host_open(struct host *host, const char *root, struct error **error)
{
	*host = (struct host){.proc = -1, .sys = -1};
	cpuinfo_open(&host->cpuinfo);
	host->online.fd = host->meminfo.fd = host->swaps.fd = SOURCE_UNOPENED;
	pthread_mutex_init(&host->devices_lock, NULL);
	for (int i = 0; i < CONTROLLER_COUNT; i++)
		host->hierarchies[i] = -1;
	host->proc = open_directory(root, "proc");
	host->sys = open_directory(root, "sys");
	if (host->proc < 0 || host->sys < 0)
		return error_errno(error, errno, "opening /proc and /sys");
	struct stat status;
	if (fstatat(host->proc, "self/ns/pid", &status, 0) == 0)
		host->process_ids = status.st_ino;
	read_size(host);
	return find_hierarchies(host, root, error);
}

void host_close(struct host *host)
{
	source_close(&host->online);
	cpuinfo_close(&host->cpuinfo);
	source_close(&host->meminfo);
	source_close(&host->swaps);
	for (int i = 0; i < HOST_FORM_COUNT; i++)
		form_release(&host->forms[i]);
	for (int i = 0; i < CONTROLLER_COUNT; i++) {
		int fd = host->hierarchies[i];
		for (int other = i; other < CONTROLLER_COUNT; other++)
			if (host->hierarchies[other] == fd)
				host->hierarchies[other] = -1;
		if (fd >= 0)
			close(fd);
	}
	if (host->proc >= 0)
		close(host->proc);
	if (host->sys >= 0)
		close(host->sys);
	host->proc = host->sys = -1;
	pthread_mutex_destroy(&host->devices_lock);
}

static uint64_t clock_nanoseconds(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void host_now(const struct host *host, struct moment *moment)
{
	*moment = host->fixed;
	if (moment->boottime == 0) {
		moment->boottime = clock_nanoseconds(CLOCK_BOOTTIME);
		moment->realtime = clock_nanoseconds(CLOCK_REALTIME);
	}
}

void host_memory(struct host *host, uint64_t *total, uint64_t *available)
{
	char text[4096];
	uint64_t kib = 0;
	*total = host->memory;
	*available = UINT64_MAX;
	if (source_read(&host->meminfo, host->proc, "meminfo", text, sizeof(text)) < 0)
		return;
	if (source_field(text, "MemTotal", &kib))
		*total = kib * 1024;
	if (source_field(text, "MemAvailable", &kib))
		*available = kib * 1024;
}

/* Lines "NAME TYPE SIZE USED PRIORITY" in kB; blanks in a name are written as \040. */
uint64_t host_swap(struct host *host)
{
	char text[4096];
	uint64_t total = 0;
	if (source_read(&host->swaps, host->proc, "swaps", text, sizeof(text)) < 0)
		return 0;
	for (char *line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
		const char *at = line + 1 + strcspn(line + 1, " \t\n");
		at += strspn(at, " \t");
		at += strcspn(at, " \t\n");
		total += source_number(at + strspn(at, " \t"), NULL);
	}
	return total * 1024;
}

unsigned host_online(struct host *host, uint64_t bits[HOST_CPU_WORDS])
{
	char text[HOST_LIST_BYTES];
	if (source_read(&host->online, host->sys, "devices/system/cpu/online", text, sizeof(text)) <
	    0)
		strcpy(text, "0");
	return host_parse_list(text, bits);
}

int host_directory(const struct host *host, const char **path)
{
	bool proc = strncmp(*path, "proc/", 5) == 0;
	*path = strchr(*path, '/') + 1;
	return proc ? host->proc : host->sys;
}

ssize_t host_read(const struct host *host, const char *path, char *buffer, size_t size)
{
	int directory = host_directory(host, &path);
	struct source source = SOURCE_INIT;
	ssize_t length = source_read(&source, directory, path, buffer, size);
	source_close(&source);
	return length;
}

unsigned host_read_list(const struct host *host, const char *path, uint64_t bits[HOST_CPU_WORDS])
{
	char text[HOST_LIST_BYTES];
	if (host_read(host, path, text, sizeof(text)) < 0)
		text[0] = '\0';
	return host_parse_list(text, bits);
}

unsigned host_parse_list(const char *text, uint64_t bits[HOST_CPU_WORDS])
{
	unsigned count = 0;
	memset(bits, 0, HOST_CPU_WORDS * sizeof(bits[0]));
	while (*text >= '0' && *text <= '9') {
		uint64_t first = source_number(text, &text), last = first;
		if (*text == '-')
			last = source_number(text + 1, &text);
		for (uint64_t i = first; i <= last && i < HOST_MAX_CPUS; i++) {
			count += !(bits[i / 64] >> i % 64 & 1);
			bits[i / 64] |= UINT64_C(1) << i % 64;
		}
		if (*text == ',')
			text++;
	}
	return count;
}

static bool read_device_name(const struct host *host, unsigned major, unsigned minor,
			     char name[HOST_DEVICE_NAME])
{
	static const char key[] = "DEVNAME=";
	char path[64], text[1024];
	snprintf(path, sizeof(path), "dev/block/%u:%u/uevent", major, minor);
	cleanup_close int fd = openat(host->sys, path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (length <= 0)
		return false;
	text[length] = '\0';
	const char *at = strstr(text, key);
	size_t letters = at ? strcspn(at + strlen(key), "\n") : 0;
	if (letters == 0 || letters >= HOST_DEVICE_NAME)
		return false;
	memcpy(name, at + strlen(key), letters);
	name[letters] = '\0';
	return true;
}

bool host_device_name(struct host *host, unsigned major, unsigned minor,
		      char name[HOST_DEVICE_NAME])
{
	static const uint64_t kept_for = UINT64_C(10000000000);
	struct device_name *device = &host->devices[(major * 31 + minor) % HOST_DEVICES];
	struct moment now;
	host_now(host, &now);
	pthread_mutex_lock(&host->devices_lock);
	bool known = device->read_at && device->major == major && device->minor == minor &&
		     now.boottime < device->read_at + kept_for;
	if (!known) {
		device->read_at = 0;
		known = read_device_name(host, major, minor, device->name);
		if (known) {
			device->major = major;
			device->minor = minor;
			device->read_at = now.boottime;
		}
	}
	memcpy(name, device->name, HOST_DEVICE_NAME);
	pthread_mutex_unlock(&host->devices_lock);
	return known;
}
