/*
 * See build.h. One lock guards the list of builds and everything in them but
 * what the build's thread alone uses. A build is freed by who drops its last
 * reference: the thread and each waiter hold one.
 */
#include "image/build.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cleanup.h"
#include "image/image.h"
#include "memory.h"
#include "operation.h"
#include "server.h"

struct waiter {
	struct operation *operation;
	int event_fd; /* readable when the build has ended */
	struct waiter *next;
};

struct image_build {
	struct image_builder *builder;
	struct image_build *next;
	char *key;
	char *alias;
	struct template_match match;
	bool take_aliases;
	int cancel_fd;
	bool cancelled; /* nobody may join any more */
	bool done;
	unsigned references;
	struct waiter *waiters;
	int percent;
	char *progress;
	char *fingerprint;   /* the result */
	struct error *error; /* or why there is none */
};

struct image_builder {
	struct server *server;
	pthread_mutex_t lock;
	pthread_cond_t idle;
	struct image_build *builds; /* those whose thread runs */
	bool stopping;
};

struct image_builder *image_builder_create(struct server *server, struct error **error)
{
	(void)error;
	struct image_builder *builder = memory_alloc(sizeof(*builder));
	builder->server = server;
	pthread_mutex_init(&builder->lock, NULL);
	pthread_cond_init(&builder->idle, NULL);
	return builder;
}

static void signal_fd(int fd)
{
	const uint64_t one = 1;
	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void cancel(struct image_build *build)
{
	build->cancelled = true;
	signal_fd(build->cancel_fd);
}

void image_builder_free(struct image_builder *builder)
{
	if (!builder)
		return;
	pthread_mutex_lock(&builder->lock);
	builder->stopping = true;
	for (struct image_build *build = builder->builds; build; build = build->next)
		cancel(build);
	while (builder->builds)
		pthread_cond_wait(&builder->idle, &builder->lock);
	pthread_mutex_unlock(&builder->lock);
	pthread_cond_destroy(&builder->idle);
	pthread_mutex_destroy(&builder->lock);
	free(builder);
}

/* With the lock held, or when nobody else knows the build. */
static void drop(struct image_build *build)
{
	if (--build->references > 0)
		return;
	template_match_clear(&build->match);
	if (build->cancel_fd >= 0)
		close(build->cancel_fd);
	error_free(build->error);
	free(build->fingerprint);
	free(build->progress);
	free(build->alias);
	free(build->key);
	free(build);
}

static void unlink_build(struct image_build *build)
{
	struct image_build **at = &build->builder->builds;
	while (*at != build)
		at = &(*at)->next;
	*at = build->next;
}

static void *run_thread(void *data)
{
	struct image_build *build = data;
	struct image_builder *builder = build->builder;
	struct error *error = NULL;
	const struct build_request request = {
		.server = builder->server,
		.alias = build->alias,
		.match = &build->match,
		.take_aliases = build->take_aliases,
		.cancel_fd = build->cancel_fd,
		.build = build,
	};
	char *fingerprint = build_run(&request, &error);
	pthread_mutex_lock(&builder->lock);
	build->fingerprint = fingerprint;
	build->error = error;
	build->done = true;
	for (struct waiter *waiter = build->waiters; waiter; waiter = waiter->next)
		signal_fd(waiter->event_fd);
	unlink_build(build);
	drop(build);
	pthread_cond_broadcast(&builder->idle);
	pthread_mutex_unlock(&builder->lock);
	return NULL;
}

void build_progress(struct image_build *build, int percent, const char *text)
{
	pthread_mutex_lock(&build->builder->lock);
	free(build->progress);
	build->progress = memory_strdup(text);
	build->percent = percent;
	for (struct waiter *waiter = build->waiters; waiter; waiter = waiter->next)
		if (waiter->operation)
			operation_progress(waiter->operation, "image", percent, text);
	pthread_mutex_unlock(&build->builder->lock);
}

/* Template and options as one text. */
static char *make_key(const struct template_match *match, bool take_aliases)
{
	cleanup_free char *options = json_dumps(match->options, JSON_COMPACT | JSON_SORT_KEYS);
	return memory_printf("%s %d %s", match->path, take_aliases, options ? options : "");
}

static void copy_match(struct template_match *to, const struct template_match *from)
{
	*to = (struct template_match){
		.path = memory_strdup(from->path),
		.name = memory_strdup(from->name),
		.description = memory_strdup(from->description),
		.options = json_deep_copy(from->options),
		.aliases = json_deep_copy(from->aliases),
	};
}

static struct image_build *start(struct image_builder *builder, const char *key, const char *alias,
				 const struct template_match *match, bool take_aliases,
				 struct error **error)
{
	struct image_build *build = memory_alloc(sizeof(*build));
	pthread_t thread;
	build->builder = builder;
	build->references = 1;
	build->key = memory_strdup(key);
	build->alias = memory_strdup(alias);
	build->take_aliases = take_aliases;
	build->progress = memory_printf("Building image %s", alias);
	copy_match(&build->match, match);
	build->cancel_fd = eventfd(0, EFD_CLOEXEC);
	int failure = build->cancel_fd < 0 ? errno : 0;
	if (!failure)
		failure = pthread_create(&thread, NULL, run_thread, build);
	if (failure) {
		error_errno(error, failure, "starting the build of image %s", alias);
		drop(build);
		return NULL;
	}
	pthread_detach(thread);
	build->next = builder->builds;
	builder->builds = build;
	return build;
}

static struct image_build *find_or_start(struct image_builder *builder, const char *alias,
					 const struct template_match *match, bool take_aliases,
					 struct error **error)
{
	cleanup_free char *key = make_key(match, take_aliases);
	if (builder->stopping) {
		error_set(error, ERROR_CANCELLED, "the daemon is stopping");
		return NULL;
	}
	for (struct image_build *build = builder->builds; build; build = build->next)
		if (!build->cancelled && strcmp(build->key, key) == 0)
			return build;
	return start(builder, key, alias, match, take_aliases, error);
}

/* With the lock held. The last who gives up stays until the build has ended, to leave nothing. */
static bool leave_cancelled(struct image_build *build, struct waiter *waiter)
{
	if (build->done || build->cancelled)
		return false;
	if (build->waiters == waiter && !waiter->next) {
		cancel(build);
		return false;
	}
	return true;
}

/* Until the build has ended (true), or this waiter has given up (false). */
static bool wait_for_end(struct image_build *build, struct waiter *waiter)
{
	int cancel_fd = waiter->operation ? operation_cancel_fd(waiter->operation) : -1;
	for (;;) {
		struct pollfd fds[] = {{waiter->event_fd, POLLIN, 0}, {cancel_fd, POLLIN, 0}};
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents)
			return true;
		pthread_mutex_lock(&build->builder->lock);
		bool left = leave_cancelled(build, waiter);
		pthread_mutex_unlock(&build->builder->lock);
		if (left)
			return false;
		cancel_fd = -1;
	}
}

static void remove_waiter(struct image_build *build, struct waiter *waiter)
{
	struct waiter **at = &build->waiters;
	while (*at != waiter)
		at = &(*at)->next;
	*at = waiter->next;
}

static char *take_result(struct image_build *build, bool ended, struct error **error)
{
	if (!ended || (!build->fingerprint && build->cancelled))
		error_set(error, ERROR_CANCELLED, "building image %s was cancelled", build->alias);
	else if (build->error)
		error_set(error, build->error->kind, "%s", error_message(build->error));
	else
		return memory_strdup(build->fingerprint);
	return NULL;
}

char *build_join(struct image_builder *builder, const char *alias,
		 const struct template_match *match, bool take_aliases, struct operation *operation,
		 struct error **error)
{
	cleanup_close int event_fd = eventfd(0, EFD_CLOEXEC);
	if (event_fd < 0) {
		error_errno(error, errno, "waiting for the build of image %s", alias);
		return NULL;
	}
	struct waiter waiter = {.operation = operation, .event_fd = event_fd};
	pthread_mutex_lock(&builder->lock);
	struct image_build *build = find_or_start(builder, alias, match, take_aliases, error);
	if (build) {
		build->references++;
		waiter.next = build->waiters;
		build->waiters = &waiter;
		if (operation)
			operation_progress(operation, "image", build->percent, build->progress);
	}
	pthread_mutex_unlock(&builder->lock);
	if (!build)
		return NULL;
	bool ended = wait_for_end(build, &waiter);
	pthread_mutex_lock(&builder->lock);
	remove_waiter(build, &waiter);
	char *fingerprint = take_result(build, ended, error);
	drop(build);
	pthread_mutex_unlock(&builder->lock);
	return fingerprint;
}
