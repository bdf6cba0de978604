/* See usage.h. What nobody writes to any more is counted once, and kept in the database. */
#include "storage/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "db/layers.h"
#include "db/objects.h"
#include "log.h"
#include "memory.h"
#include "process.h"
#include "server.h"
#include "storage/internal.h"
#include "storage/tree_size.h"

enum {
	FRESH = 10,   /* s: so old may an answer be */
	PATIENCE = 20 /* times as long as counting took */
};

/* Of a layer that is written to. */
struct count {
	struct count *next;
	int64_t layer_id;
	int64_t bytes;
	int64_t counted_at, took; /* ns of the monotonic clock */
	bool wanted;
};

struct usage_counter {
	struct server *server;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool pending, stopping;
	struct count *counts;
};

static int64_t monotonic(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int64_t count_layer(struct server *server, const struct layer_row *layer)
{
	cleanup_free char *tree = storage_layer_tree(server->storage, layer);
	return storage_layer_attach(server->storage, layer, NULL) < 0 ? -1 : tree_size(tree);
}

/* What the driver knows without counting. */
static bool of_driver(struct server *server, const struct layer_row *layer,
		      struct storage_usage *usage)
{
	cleanup_object_row struct object_row pool = {0};
	cleanup_free char *path = storage_layer_path(server->storage, layer);
	int64_t all;
	if (!layer->flat || db_object_get(server->db, &db_pools, layer->pool, &pool, NULL) < 0)
		return false;
	const struct storage_driver *driver = storage_driver_find(pool.kind, NULL);
	if (!driver || driver->usage(path, &usage->own, &all) < 0)
		return false;
	usage->shared = all - usage->own;
	return true;
}

/* With the lock held; made when it is not known. */
static struct count *find_count(struct usage_counter *counter, int64_t layer_id)
{
	for (struct count *at = counter->counts; at; at = at->next)
		if (at->layer_id == layer_id)
			return at;
	struct count *count = memory_alloc(sizeof(*count));
	*count = (struct count){.next = counter->counts, .layer_id = layer_id, .bytes = -1};
	counter->counts = count;
	return count;
}

static void count_one(struct usage_counter *counter, const struct layer_row *layer)
{
	int64_t start = monotonic();
	int64_t bytes = count_layer(counter->server, layer);
	pthread_mutex_lock(&counter->lock);
	struct count *count = find_count(counter, layer->id);
	count->bytes = bytes;
	count->counted_at = monotonic();
	count->took = count->counted_at - start;
	count->wanted = false;
	pthread_mutex_unlock(&counter->lock);
}

/* ---- in the background ---- */

static bool stopping(struct usage_counter *counter)
{
	pthread_mutex_lock(&counter->lock);
	bool stop = counter->stopping;
	pthread_mutex_unlock(&counter->lock);
	return stop;
}

static void count_closed(struct usage_counter *counter)
{
	struct server *server = counter->server;
	cleanup_layer_list struct layer_list list = {0};
	if (db_layers_uncounted(server->db, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count && !stopping(counter); i++) {
		struct storage_usage usage;
		int64_t bytes = of_driver(server, &list.rows[i], &usage)
					? usage.own
					: count_layer(server, &list.rows[i]);
		if (bytes >= 0)
			db_layer_set_bytes(server->db, list.rows[i].id, bytes, NULL);
	}
}

static int64_t next_wanted(struct usage_counter *counter)
{
	int64_t id = 0;
	pthread_mutex_lock(&counter->lock);
	for (struct count *at = counter->counts; at; at = at->next)
		if (at->wanted)
			id = at->layer_id;
	pthread_mutex_unlock(&counter->lock);
	return id;
}

static void forget(struct usage_counter *counter, int64_t layer_id)
{
	pthread_mutex_lock(&counter->lock);
	struct count **at = &counter->counts;
	while (*at && (*at)->layer_id != layer_id)
		at = &(*at)->next;
	struct count *gone = *at;
	if (gone)
		*at = gone->next;
	pthread_mutex_unlock(&counter->lock);
	free(gone);
}

static void count_wanted(struct usage_counter *counter)
{
	for (int64_t id; (id = next_wanted(counter)) && !stopping(counter);) {
		cleanup_layer_list struct layer_list chain = {0};
		if (db_layer_chain(counter->server->db, id, &chain, NULL) < 0)
			forget(counter, id);
		else
			count_one(counter, &chain.rows[0]);
	}
}

static void *run(void *data)
{
	struct usage_counter *counter = data;
	process_idle_disk(true);
	pthread_mutex_lock(&counter->lock);
	while (!counter->stopping) {
		if (!counter->pending) {
			pthread_cond_wait(&counter->wake, &counter->lock);
			continue;
		}
		counter->pending = false;
		pthread_mutex_unlock(&counter->lock);
		count_closed(counter);
		count_wanted(counter);
		pthread_mutex_lock(&counter->lock);
	}
	pthread_mutex_unlock(&counter->lock);
	return NULL;
}

struct usage_counter *usage_counter_create(struct server *server, struct error **error)
{
	struct usage_counter *counter = memory_alloc(sizeof(*counter));
	*counter = (struct usage_counter){.server = server, .pending = true};
	pthread_mutex_init(&counter->lock, NULL);
	pthread_cond_init(&counter->wake, NULL);
	int problem = pthread_create(&counter->thread, NULL, run, counter);
	if (problem == 0)
		return counter;
	free(counter);
	error_errno(error, problem, "starting a thread");
	return NULL;
}

void usage_counter_free(struct usage_counter *counter)
{
	if (!counter)
		return;
	pthread_mutex_lock(&counter->lock);
	counter->stopping = true;
	pthread_cond_signal(&counter->wake);
	pthread_mutex_unlock(&counter->lock);
	pthread_join(counter->thread, NULL);
	while (counter->counts)
		forget(counter, counter->counts->layer_id);
	pthread_mutex_destroy(&counter->lock);
	pthread_cond_destroy(&counter->wake);
	free(counter);
}

void usage_wake(struct usage_counter *counter)
{
	if (!counter)
		return;
	pthread_mutex_lock(&counter->lock);
	counter->pending = true;
	pthread_cond_signal(&counter->wake);
	pthread_mutex_unlock(&counter->lock);
}

/* ---- answers ---- */

/* What was counted of a layer that is written to, and whether that is long ago or never was. */
static int64_t look(struct usage_counter *counter, int64_t layer_id, bool *known)
{
	pthread_mutex_lock(&counter->lock);
	struct count *count = find_count(counter, layer_id);
	int64_t age = monotonic() - count->counted_at, bytes = count->bytes;
	*known = count->counted_at > 0;
	count->wanted = !*known || (age > FRESH * 1000000000LL && age > PATIENCE * count->took);
	bool wanted = count->wanted;
	pthread_mutex_unlock(&counter->lock);
	if (wanted)
		usage_wake(counter);
	return bytes;
}

static int64_t of_writable(struct usage_counter *counter, const struct layer_row *layer, bool wait)
{
	bool known;
	int64_t bytes = look(counter, layer->id, &known);
	if (known || !wait)
		return bytes;
	count_one(counter, layer);
	return look(counter, layer->id, &known);
}

static int64_t add(int64_t sum, int64_t more)
{
	return sum < 0 || more < 0 ? -1 : sum + more;
}

struct storage_usage storage_usage(struct server *server, int64_t layer_id, bool wait)
{
	struct storage_usage usage = {-1, -1};
	cleanup_layer_list struct layer_list chain = {0};
	if (db_layer_chain(server->db, layer_id, &chain, NULL) < 0)
		return usage;
	const struct layer_row *top = &chain.rows[0];
	if (of_driver(server, top, &usage))
		return usage;
	usage.own = top->bytes >= 0 ? top->bytes : of_writable(server->usage, top, wait);
	usage.shared = 0;
	for (size_t i = 1; i < chain.count; i++)
		usage.shared = add(usage.shared, chain.rows[i].bytes);
	const struct layer_row *lowest = &chain.rows[chain.count - 1];
	if (lowest->image)
		usage.shared = add(usage.shared, storage_image_size(server->storage, lowest->pool,
								    lowest->image));
	return usage;
}
