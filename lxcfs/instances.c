#include "lxcfs/instances.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lxcfs/load.h"
#include "memory.h"
#include "process.h"

enum { BUCKETS = 1024 };

#define SECOND	 UINT64_C(1000000000)
#define IDLE_FOR (60 * SECOND)

struct instances {
	struct host *host;
	struct shared *shared;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* there is one again */
	unsigned count;
	struct instance *buckets[BUCKETS];
};

static bool ended(const struct instance *instance)
{
	struct pollfd poll_fd = {.fd = instance->init_pidfd, .events = POLLIN};
	return poll(&poll_fd, 1, 0) != 0;
}

static struct instance **find(struct instances *instances, uint64_t process_ids)
{
	struct instance **link = &instances->buckets[process_ids % BUCKETS];
	while (*link && (*link)->process_ids != process_ids)
		link = &(*link)->next;
	return link;
}

static void forget(struct instances *instances, struct instance **link)
{
	struct instance *instance = *link;
	*link = instance->next;
	instances->count--;
	instance->forgotten = true;
	instance_unref(instance);
}

static struct instance *open_instance(struct instances *instances, pid_t process,
				      uint64_t process_ids)
{
	struct moment now;
	pid_t init = instances_find_init(instances->host, process, process_ids);
	int pidfd = init ? process_pidfd_open(init) : -1;
	if (pidfd < 0)
		return NULL;
	struct instance *instance = instance_open(instances->host, init, process_ids, NULL);
	if (!instance) {
		close(pidfd);
		return NULL;
	}
	instance->init_pidfd = pidfd;
	host_now(instances->host, &now);
	instance->last_read = now.boottime;
	return instance;
}

struct instance *instances_get(struct instances *instances, pid_t process, uint64_t process_ids)
{
	pthread_mutex_lock(&instances->lock);
	struct instance **link = find(instances, process_ids);
	/* The kernel gives the numbers of namespaces that have ended to new ones. */
	if (*link && ended(*link))
		forget(instances, link);
	if (!*(link = find(instances, process_ids))) {
		struct instance *instance = open_instance(instances, process, process_ids);
		if (instance) {
			instance->state = shared_state(instances->shared, process_ids,
						       instance->start, instance->last_read);
			instance->next = NULL;
			*link = instance;
			instances->count++;
			pthread_cond_signal(&instances->wake);
		}
	}
	struct instance *found = *link;
	if (found)
		instance_ref(found);
	pthread_mutex_unlock(&instances->lock);
	return found;
}

/* ---- the thread ---- */

static void forget_idle(struct instances *instances, uint64_t now)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct instance **link = &instances->buckets[i]; *link;)
			if (ended(*link) || now - (*link)->last_read > IDLE_FOR)
				forget(instances, link);
			else
				link = &(*link)->next;
}

/* Those that are left, each with a reference; the caller frees the array. */
static struct instance **list(struct instances *instances, unsigned *count)
{
	struct instance **all = memory_alloc((instances->count + 1) * sizeof(struct instance *));
	*count = 0;
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct instance *instance = instances->buckets[i]; instance;
		     instance = instance->next) {
			instance_ref(instance);
			all[(*count)++] = instance;
		}
	return all;
}

static void *look_after(void *argument)
{
	struct instances *instances = argument;
	struct timespec period = {LOAD_PERIOD / SECOND, LOAD_PERIOD % SECOND};
	for (;;) {
		struct moment now;
		unsigned count;
		pthread_mutex_lock(&instances->lock);
		while (instances->count == 0)
			pthread_cond_wait(&instances->wake, &instances->lock);
		host_now(instances->host, &now);
		forget_idle(instances, now.boottime);
		struct instance **all = list(instances, &count);
		pthread_mutex_unlock(&instances->lock);
		for (unsigned i = 0; i < count; i++) {
			load_sample(all[i], now.boottime);
			instance_unref(all[i]);
		}
		free(all);
		nanosleep(&period, NULL);
	}
	return NULL;
}

struct instances *instances_open(struct host *host, struct shared *shared)
{
	struct instances *instances = memory_alloc(sizeof(*instances));
	pthread_t thread;
	instances->host = host;
	instances->shared = shared;
	pthread_mutex_init(&instances->lock, NULL);
	pthread_cond_init(&instances->wake, NULL);
	if (pthread_create(&thread, NULL, look_after, instances) != 0)
		abort(); /* the supervisor starts the next worker */
	pthread_detach(thread);
	return instances;
}
