/* The registry of instance.h: a hash table of objects, one for every row. */
#include <dirent.h>
#include <string.h>

#include "cleanup.h"
#include "db/instances.h"
#include "events.h"
#include "instance/instance.h"
#include "instance/internal.h"
#include "log.h"
#include "memory.h"
#include "server.h"

enum { BUCKETS = 1024 };

struct instance_registry {
	pthread_mutex_t lock;
	struct instance *buckets[BUCKETS];
	struct watcher *watcher;
	unsigned starting; /* starts under way: all instances are held back meanwhile */
};

static unsigned bucket_of(const char *name)
{
	unsigned hash = 2166136261u;
	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash % BUCKETS;
}

struct instance_registry *instance_registry_create(struct server *server, struct error **error)
{
	struct instance_registry *registry = memory_alloc(sizeof(*registry));
	pthread_mutex_init(&registry->lock, NULL);
	registry->watcher = watcher_create(server, error);
	if (registry->watcher)
		return registry;
	free(registry);
	return NULL;
}

struct watcher *instance_registry_watcher(struct instance_registry *registry)
{
	return registry->watcher;
}

static void instance_free(struct instance *instance)
{
	monitor_link_close(&instance->link);
	cgroup_close(&instance->cgroup);
	pthread_mutex_destroy(&instance->lock);
	pthread_cond_destroy(&instance->changed);
	free(instance->name);
	free(instance->uuid);
	free(instance->last_error);
	free(instance->warning);
	free(instance);
}

void instance_registry_free(struct instance_registry *registry)
{
	if (!registry)
		return;
	watcher_free(registry->watcher);
	for (int i = 0; i < BUCKETS; i++)
		while (registry->buckets[i]) {
			struct instance *instance = registry->buckets[i];
			registry->buckets[i] = instance->next;
			instance_unref(instance);
		}
	pthread_mutex_destroy(&registry->lock);
	free(registry);
}

struct instance *instance_ref(struct instance *instance)
{
	__atomic_add_fetch(&instance->references, 1, __ATOMIC_RELAXED);
	return instance;
}

void instance_unref(struct instance *instance)
{
	if (__atomic_sub_fetch(&instance->references, 1, __ATOMIC_ACQ_REL) == 0)
		instance_free(instance);
}

struct instance *instance_find(struct server *server, const char *name, struct error **error)
{
	struct instance_registry *registry = server->instances;
	pthread_mutex_lock(&registry->lock);
	struct instance *instance = registry->buckets[bucket_of(name)];
	while (instance && strcmp(instance->name, name) != 0)
		instance = instance->next;
	if (instance)
		instance_ref(instance);
	pthread_mutex_unlock(&registry->lock);
	if (!instance)
		error_set(error, ERROR_NOT_FOUND, "Instance not found: there is no \"%s\"", name);
	return instance;
}

struct instance *instance_add(struct server *server, const struct instance_row *row)
{
	struct instance_registry *registry = server->instances;
	struct instance *instance = memory_alloc(sizeof(*instance));
	*instance = (struct instance){
		.server = server,
		.references = 2, /* the registry's and the caller's */
		.id = row->id,
		.name = memory_strdup(row->name),
		.uuid = memory_strdup(row->uuid),
		.ephemeral = row->ephemeral,
		.link = MONITOR_LINK_INIT,
		.cgroup = CGROUP_INIT,
	};
	pthread_mutex_init(&instance->lock, NULL);
	pthread_cond_init(&instance->changed, NULL);
	pthread_mutex_lock(&registry->lock);
	struct instance **bucket = &registry->buckets[bucket_of(row->name)];
	instance->next = *bucket;
	*bucket = instance;
	pthread_mutex_unlock(&registry->lock);
	return instance;
}

static bool unlink_from(struct instance_registry *registry, struct instance *instance)
{
	struct instance **at = &registry->buckets[bucket_of(instance->name)];
	while (*at && *at != instance)
		at = &(*at)->next;
	bool found = *at;
	if (found)
		*at = instance->next;
	return found;
}

void instance_remove(struct instance *instance)
{
	struct instance_registry *registry = instance->server->instances;
	pthread_mutex_lock(&registry->lock);
	bool found = unlink_from(registry, instance);
	pthread_mutex_unlock(&registry->lock);
	if (found)
		instance_unref(instance);
}

void instance_set_name(struct instance *instance, const char *name)
{
	struct instance_registry *registry = instance->server->instances;
	pthread_mutex_lock(&registry->lock);
	if (unlink_from(registry, instance)) {
		char *old = instance->name;
		instance->name = memory_strdup(name);
		struct instance **bucket = &registry->buckets[bucket_of(name)];
		instance->next = *bucket;
		*bucket = instance;
		free(old);
	}
	pthread_mutex_unlock(&registry->lock);
}

void instance_registry_each(struct server *server,
			    void (*visit)(struct instance *instance, void *data), void *data)
{
	struct instance_registry *registry = server->instances;
	pthread_mutex_lock(&registry->lock);
	size_t count = 0, size = 64;
	struct instance **all = memory_alloc(size * sizeof(*all));
	for (int i = 0; i < BUCKETS; i++)
		for (struct instance *at = registry->buckets[i]; at; at = at->next) {
			if (count == size)
				all = memory_realloc(all, (size *= 2) * sizeof(*all));
			all[count++] = instance_ref(at);
		}
	pthread_mutex_unlock(&registry->lock);
	for (size_t i = 0; i < count; i++) {
		visit(all[i], data);
		instance_unref(all[i]);
	}
	free(all);
}

void instance_registry_starting(struct server *server, bool begin)
{
	struct instance_registry *registry = server->instances;
	pthread_mutex_lock(&registry->lock);
	if (begin ? registry->starting++ == 0 : --registry->starting == 0)
		cgroup_hold_back(server->paths.cgroup, begin);
	pthread_mutex_unlock(&registry->lock);
}

static void count_one(struct instance *instance, void *data)
{
	enum instance_state state = instance_get_state(instance);
	if (state != INSTANCE_STOPPED && state != INSTANCE_ERROR)
		++*(unsigned *)data;
}

unsigned instance_count_running(struct server *server)
{
	unsigned count = 0;
	instance_registry_each(server, count_one, &count);
	return count;
}
