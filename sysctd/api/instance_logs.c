/* /1.0/instances/NAME/logs: the files about an instance that sysct keeps. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "api/instance_render.h"
#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "instance/instance.h"
#include "memory.h"

/* The monitor's own log lives as long as the monitor, the console's as long as the instance.
 * "lxc.log" is what LXD's client asks for with `info --show-log`. */
static const struct {
	const char *name;
	bool of_monitor;
	const char *file;
} logs[] = {
	{"console.log", false, "console.log"},
	{"lxc.log", true, "monitor.log"},
	{"monitor.log", true, "monitor.log"},
};

static char *log_path(const struct instance *instance, size_t which)
{
	cleanup_free char *directory = logs[which].of_monitor ? instance_run_directory(instance)
							      : instance_log_directory(instance);
	return memory_printf("%s/%s", directory, logs[which].file);
}

static struct response *list(struct request *request, struct error **error)
{
	const char *name = request_parameter(request, "name");
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	struct stat status;
	if (!instance)
		return NULL;
	json_t *urls = json_array();
	for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
		cleanup_free char *path = log_path(instance, i);
		cleanup_free char *url = memory_printf(
			"%s/%s/logs/%s", request_instances_path(request), name, logs[i].name);
		if (stat(path, &status) == 0)
			json_array_append_new(urls, json_string(url));
	}
	return response_sync(urls);
}

static struct response *get(struct request *request, struct error **error)
{
	const char *file = request_parameter(request, "file");
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	struct stat status;
	for (size_t i = 0; instance && i < sizeof(logs) / sizeof(logs[0]); i++) {
		if (strcmp(file, logs[i].name) != 0)
			continue;
		cleanup_free char *path = log_path(instance, i);
		cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && fstat(fd, &status) == 0)
			return response_fd(steal_fd(&fd), 0, (uint64_t)status.st_size,
					   "text/plain");
	}
	if (instance)
		error_set(error, ERROR_NOT_FOUND, "%s has no log \"%s\"", instance->name, file);
	return NULL;
}

const struct route instance_log_routes[] = {
	{.method = "GET", .path = "/1.0/instances/{name}/logs", .handler = list},
	{.method = "GET", .path = "/1.0/instances/{name}/logs/{file}", .handler = get},
	{0},
};
