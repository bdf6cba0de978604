/* The first process of a pid namespace (instances_find_init()). */
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "lxcfs/instances.h"

#ifndef NS_GET_TGID_FROM_PIDNS
#define NS_GET_TGID_FROM_PIDNS _IOR(NSIO, 0x7, int) /* Linux 6.11 */
#endif

static bool in_namespace(const struct host *host, pid_t process, uint64_t process_ids)
{
	char path[64];
	struct stat status;
	snprintf(path, sizeof(path), "%d/ns/pid", (int)process);
	return fstatat(host->proc, path, &status, 0) == 0 && status.st_ino == process_ids;
}

/* The kernel translates pid 1 of the namespace. */
static pid_t ask_kernel(const struct host *host, pid_t process)
{
	char path[64];
	snprintf(path, sizeof(path), "%d/ns/pid", (int)process);
	cleanup_close int fd = openat(host->proc, path, O_RDONLY | O_CLOEXEC);
	int init = fd < 0 ? -1 : ioctl(fd, NS_GET_TGID_FROM_PIDNS, 1);
	return init > 0 ? init : 0;
}

/* Its number in its own namespace, the last of the line NSpid, and its parent's in ours. */
static uint64_t number_inside(const struct host *host, pid_t process, pid_t *parent)
{
	char path[64];
	uint64_t number = 0, above = 0;
	snprintf(path, sizeof(path), "%d/status", (int)process);
	cleanup_free char *status = file_try_read_at(host->proc, path);
	char *numbers = status ? strstr(status, "\nNSpid:") : NULL;
	if (!numbers)
		return 0;
	source_field(status, "PPid", &above);
	*parent = (pid_t)above;
	numbers += strlen("\nNSpid:");
	*strchrnul(numbers, '\n') = '\0';
	const char *last = strrchr(numbers, '\t');
	if (last)
		number = source_number(last + 1, NULL);
	return number;
}

/* Orphans become children of the first process, so most have it above them. */
static pid_t walk_up(const struct host *host, pid_t process, uint64_t process_ids)
{
	for (int bound = 0; bound < 1000 && process > 0; bound++) {
		pid_t parent = 0;
		if (!in_namespace(host, process, process_ids))
			return 0;
		if (number_inside(host, process, &parent) == 1)
			return process;
		process = parent;
	}
	return 0;
}

/* Who came from outside (exec) has other parents. Once for a namespace, and only before Linux 6.11. */
static pid_t search_all(const struct host *host, uint64_t process_ids)
{
	cleanup_dir DIR *all = file_open_directory_at(host->proc, ".");
	for (const struct dirent *entry; all && (entry = readdir(all));) {
		pid_t process = atoi(entry->d_name), parent;
		if (process > 0 && in_namespace(host, process, process_ids) &&
		    number_inside(host, process, &parent) == 1)
			return process;
	}
	return 0;
}

pid_t instances_find_init(const struct host *host, pid_t process, uint64_t process_ids)
{
	pid_t init = ask_kernel(host, process);
	if (init == 0)
		init = walk_up(host, process, process_ids);
	if (init == 0)
		init = search_all(host, process_ids);
	return init;
}
