/* GET /1.0/resources: processors and memory of the host; other hardware is told as none. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "file.h"
#include "memory.h"

/* "key : value" of the first processor in /proc/cpuinfo, or "". */
static char *cpuinfo_value(const char *text, const char *key)
{
	const char *line = text ? strstr(text, key) : NULL;
	const char *value = line ? strchr(line, ':') : NULL;
	if (!value)
		return memory_strdup("");
	value += 1 + strspn(value + 1, " \t");
	return memory_strndup(value, strcspn(value, "\n"));
}

/* The object in @list whose @key is @number, made when it is not there. */
static json_t *find_or_add(json_t *list, const char *key, json_int_t number, const char *members)
{
	size_t i;
	json_t *object;
	json_array_foreach (list, i, object)
		if (json_integer_value(json_object_get(object, key)) == number)
			return object;
	object = json_pack("{s:I, s:[]}", key, number, members);
	json_array_append_new(list, object);
	return object;
}

static void add_cpu(json_t *sockets, int cpus, const char *name, const char *vendor,
		    const char *model)
{
	cleanup_close int fd = openat(cpus, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	bool online = file_read_number_at(fd, "online", 1) != 0;
	int package = (int)file_read_number_at(fd, "topology/physical_package_id", 0);
	int die = (int)file_read_number_at(fd, "topology/die_id", 0);
	int core_id = (int)file_read_number_at(fd, "topology/core_id", 0);
	json_t *socket = find_or_add(sockets, "socket", package < 0 ? 0 : package, "cores");
	json_object_set_new(socket, "name", json_string(model));
	json_object_set_new(socket, "vendor", json_string(vendor));
	json_t *core = find_or_add(json_object_get(socket, "cores"), "core", core_id, "threads");
	json_object_set_new(core, "die", json_integer(die < 0 ? 0 : die));
	json_t *threads = json_object_get(core, "threads");
	json_array_append_new(threads, json_pack("{s:i, s:i, s:b, s:i, s:b}", "id",
						 atoi(name + strlen("cpu")), "thread",
						 (int)json_array_size(threads), "online", online,
						 "numa_node", 0, "isolated", 0));
}

static json_t *cpu_to_json(void)
{
	struct utsname kernel;
	uname(&kernel);
	cleanup_free char *info = file_try_read_at(-1, "/proc/cpuinfo");
	cleanup_free char *model = cpuinfo_value(info, "model name");
	cleanup_free char *vendor = cpuinfo_value(info, "vendor_id");
	json_t *sockets = json_array();
	struct dirent **entries = NULL;
	int count = scandir("/sys/devices/system/cpu", &entries, NULL, versionsort);
	cleanup_close int cpus =
		open("/sys/devices/system/cpu", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < count; i++) {
		int number, length = 0;
		if (sscanf(entries[i]->d_name, "cpu%d%n", &number, &length) == 1 &&
		    !entries[i]->d_name[length])
			add_cpu(sockets, cpus, entries[i]->d_name, vendor, model);
		free(entries[i]);
	}
	free(entries);
	return json_pack("{s:s, s:o, s:i}", "architecture", kernel.machine, "sockets", sockets,
			 "total", get_nprocs());
}

/* A line of /proc/meminfo in bytes ("HugePages_Total" is a plain number). */
static json_int_t meminfo_value(const char *text, const char *key)
{
	size_t length = strlen(key);
	for (const char *line = text; line && *line;) {
		if (strncmp(line, key, length) == 0 && line[length] == ':') {
			char *unit;
			json_int_t value = strtoll(line + length + 1, &unit, 10);
			return strncmp(unit, " kB", 3) == 0 ? value * 1024 : value;
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return 0;
}

static json_t *memory_to_json(void)
{
	cleanup_free char *info = file_try_read_at(-1, "/proc/meminfo");
	json_int_t total = meminfo_value(info, "MemTotal");
	json_int_t page = meminfo_value(info, "Hugepagesize");
	json_int_t pages = meminfo_value(info, "HugePages_Total");
	json_int_t free_pages = meminfo_value(info, "HugePages_Free");
	return json_pack("{s:[], s:I, s:I, s:I, s:I, s:I}", "nodes", "total", total, "used",
			 total - meminfo_value(info, "MemAvailable"), "hugepages_total",
			 pages * page, "hugepages_used", (pages - free_pages) * page,
			 "hugepages_size", page);
}

static json_t *load_to_json(void)
{
	double averages[3] = {0};
	struct sysinfo info = {0};
	sysinfo(&info);
	if (getloadavg(averages, 3) < 3)
		memset(averages, 0, sizeof(averages));
	return json_pack("{s:f, s:f, s:f, s:i}", "Average1Min", averages[0], "Average5Min",
			 averages[1], "Average10Min", averages[2], "Processes", (int)info.procs);
}

static struct response *get_resources(struct request *request, struct error **error)
{
	(void)request;
	(void)error;
	return response_sync(json_pack(
		"{s:o, s:o, s:o, s:{s:[], s:i}, s:{s:[], s:i}, s:{s:[], s:i}, s:{s:[], s:i}, "
		"s:{s:[], s:i}, s:{s:s}}",
		"cpu", cpu_to_json(), "memory", memory_to_json(), "load", load_to_json(), "gpu",
		"cards", "total", 0, "network", "cards", "total", 0, "storage", "disks", "total", 0,
		"usb", "devices", "total", 0, "pci", "devices", "total", 0, "system", "type",
		"unknown"));
}

const struct route resources_routes[] = {
	{.method = "GET", .path = "/1.0/resources", .handler = get_resources},
	{0},
};
