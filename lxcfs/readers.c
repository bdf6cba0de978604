#include "lxcfs/readers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* Linux 6.9 */
#endif

enum { SETS = 256, WAYS = 4 };

struct reader {
	pid_t id; /* 0: free */
	int fd;	  /* its pidfd */
	bool path; /* its directory in /proc instead: a thread, on a kernel that has pidfds of processes alone */
	struct instance *instance; /* referenced; NULL: the host */
	uint32_t used_at;
};

struct set {
	pthread_mutex_t lock;
	uint32_t clock;
	struct reader ways[WAYS];
};

struct readers {
	struct host *host;
	struct instances *instances;
	struct set sets[SETS];
};

static bool alive(const struct reader *reader)
{
	if (reader->path)
		return faccessat(reader->fd, "stat", F_OK, 0) == 0;
	struct pollfd poll_fd = {.fd = reader->fd, .events = POLLIN};
	return poll(&poll_fd, 1, 0) == 0;
}

static bool known(const struct reader *reader)
{
	return alive(reader) && !(reader->instance && reader->instance->forgotten);
}

static void empty(struct reader *reader)
{
	if (reader->id) {
		close(reader->fd);
		if (reader->instance)
			instance_unref(reader->instance);
	}
	*reader = (struct reader){0};
}

static int hold(const struct host *host, pid_t id, bool *path)
{
	int fd = (int)syscall(SYS_pidfd_open, id, PIDFD_THREAD);
	*path = false;
	if (fd < 0 && errno == EINVAL)
		fd = (int)syscall(SYS_pidfd_open, id, 0);
	if (fd < 0 && (errno == EINVAL || errno == ENOENT)) {
		char name[32];
		snprintf(name, sizeof(name), "%d", (int)id);
		fd = openat(host->proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		*path = true;
	}
	return fd;
}

/* Its pid namespace never changes: pid_namespaces(7). */
static void look(const struct readers *readers, struct reader *reader, pid_t id)
{
	char path[64];
	struct stat status;
	reader->fd = hold(readers->host, id, &reader->path);
	if (reader->fd < 0)
		return;
	reader->id = id;
	snprintf(path, sizeof(path), "%d/ns/pid", (int)id);
	if (fstatat(readers->host->proc, path, &status, 0) == 0 &&
	    status.st_ino != readers->host->process_ids)
		reader->instance = instances_get(readers->instances, id, status.st_ino);
	/* If it ended meanwhile, what was looked at may be another process. */
	if (!alive(reader))
		empty(reader);
}

static struct reader *choose(struct set *set, pid_t id)
{
	struct reader *oldest = &set->ways[0];
	for (int i = 0; i < WAYS; i++) {
		struct reader *reader = &set->ways[i];
		if (reader->id == id)
			return reader;
		if (reader->used_at < oldest->used_at)
			oldest = reader;
	}
	return oldest;
}

struct instance *readers_instance(struct readers *readers, pid_t id)
{
	struct instance *instance = NULL;
	if (id <= 0)
		return NULL;
	struct set *set = &readers->sets[(unsigned)id % SETS];
	pthread_mutex_lock(&set->lock);
	struct reader *reader = choose(set, id);
	if (reader->id != id || !known(reader)) {
		empty(reader);
		look(readers, reader, id);
	}
	reader->used_at = ++set->clock;
	instance = reader->instance;
	if (instance)
		instance_ref(instance);
	pthread_mutex_unlock(&set->lock);
	return instance;
}

struct readers *readers_open(struct host *host, struct instances *instances)
{
	struct readers *readers = memory_alloc(sizeof(*readers));
	readers->host = host;
	readers->instances = instances;
	for (int i = 0; i < SETS; i++)
		pthread_mutex_init(&readers->sets[i].lock, NULL);
	return readers;
}
