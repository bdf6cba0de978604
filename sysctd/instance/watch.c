/*
 * One thread that listens to all monitors. What ends is cleaned up here; what
 * takes longer (deleting an ephemeral instance) becomes an operation.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cleanup.h"
#include "db/instances.h"
#include "fault.h"
#include "instance/internal.h"
#include "instance/proxies.h"
#include "log.h"
#include "memory.h"
#include "message.h"
#include "network/nic.h"
#include "operation.h"
#include "server.h"
#include "storage/storage.h"

struct watcher {
	struct server *server;
	pthread_t thread;
	int epoll;
	int stop; /* eventfd */
};

static int delete_ephemeral(struct operation *operation, void *data, struct error **error)
{
	struct instance *instance = data;
	(void)operation;
	if (instance_lock(instance, "delete", 60000, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *held = instance;
	if (instance_get_state(held) != INSTANCE_STOPPED)
		return 0; /* started again meanwhile */
	return instance_destroy(held, error);
}

static void unref_instance(void *data)
{
	instance_unref(data);
}

static void schedule_deletion(struct instance *instance)
{
	cleanup_error struct error *error = NULL;
	cleanup_free char *url = memory_printf("/1.0/instances/%s", instance->name);
	struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = "Deleting instance",
		.resources = json_pack("{s:[s]}", "instances", url),
		.run = delete_ephemeral,
		.data = instance_ref(instance),
		.destroy = unref_instance,
	};
	if (operation_run(instance->server->operations, &spec, NULL, &error) < 0)
		log_event(LOG_LEVEL_WARNING, instance->name, "deleting it: %s",
			  error_message(error));
}

static void note_stopped(struct instance *instance)
{
	db_instance_set_power(instance->server->db, instance->id, INSTANCE_POWER_STOPPED, NULL);
}

void instance_ended(struct instance *instance, const json_t *state)
{
	cleanup_error struct error *error = NULL;
	cleanup_free char *directory = instance_run_directory(instance);
	cleanup_free char *cgroup = instance_cgroup_path(instance);
	instance_keep_reason(instance, state);
	pthread_mutex_lock(&instance->lock);
	monitor_link_close(&instance->link);
	cgroup_close(&instance->cgroup);
	pthread_mutex_unlock(&instance->lock);
	fault_point("ended.noticed");
	nics_withdraw(instance->server, instance->uuid);
	proxies_untranslate(instance->server, instance->name);
	bool delete = instance->ephemeral && !instance->restarting;
	/* Before what tells of its end is gone: else, after a kill in between, the next daemon would start
	 * it again. One that is to be deleted is found by having run. */
	if (!delete)
		note_stopped(instance);
	if (monitor_forget(directory, cgroup, &error) < 0)
		log_event(LOG_LEVEL_ERROR, instance->name, "cleaning up: %s", error_message(error));
	fault_point("ended.forgotten");
	if (delete)
		note_stopped(instance);
	instance_set_state(instance, INSTANCE_STOPPED);
	/* Layers that only it had mounted go. */
	storage_tidy(instance->server);
	if (delete)
		schedule_deletion(instance);
}

static void take_reboot(struct instance *instance, struct message *event)
{
	pthread_mutex_lock(&instance->lock);
	cleanup_close_fd(&instance->link.pidfd);
	instance->link.pidfd = message_take_fd(event, 0);
	instance->link.pid = (pid_t)json_integer_value(json_object_get(event->body, "pid"));
	instance->link.started_at = json_integer_value(json_object_get(event->body, "started_at"));
	/* The directories were made anew. */
	cleanup_free char *path = instance_cgroup_path(instance);
	cgroup_close(&instance->cgroup);
	cgroup_open(&instance->cgroup, path, NULL);
	if (instance->kill_wanted)
		cgroup_kill(&instance->cgroup, NULL);
	pthread_mutex_unlock(&instance->lock);
	log_event(LOG_LEVEL_INFO, instance->name, "rebooted from inside");
	instance_publish(instance, "instance-restarted");
}

static void serve(struct watcher *watcher, struct instance *instance)
{
	cleanup_message struct message event = {0};
	int socket = instance->link.socket;
	int received = message_receive(socket, &event, 10000, NULL);
	const char *name = json_string_value(json_object_get(event.body, "event"));
	if (received == 0 && name && strcmp(name, "rebooted") == 0) {
		take_reboot(instance, &event);
		return;
	}
	epoll_ctl(watcher->epoll, EPOLL_CTL_DEL, socket, NULL);
	instance_ended(instance, event.body);
	instance_unref(instance);
}

static void *watch(void *data)
{
	struct watcher *watcher = data;
	for (;;) {
		struct epoll_event event;
		int count = epoll_wait(watcher->epoll, &event, 1, -1);
		if (count < 0 && errno != EINTR)
			return NULL;
		if (count == 1 && !event.data.ptr)
			return NULL;
		if (count == 1)
			serve(watcher, event.data.ptr);
	}
}

struct watcher *watcher_create(struct server *server, struct error **error)
{
	struct watcher *watcher = memory_alloc(sizeof(*watcher));
	struct epoll_event stop = {.events = EPOLLIN};
	*watcher = (struct watcher){
		.server = server,
		.epoll = epoll_create1(EPOLL_CLOEXEC),
		.stop = eventfd(0, EFD_CLOEXEC),
	};
	if (watcher->epoll >= 0 && watcher->stop >= 0 &&
	    epoll_ctl(watcher->epoll, EPOLL_CTL_ADD, watcher->stop, &stop) == 0 &&
	    pthread_create(&watcher->thread, NULL, watch, watcher) == 0)
		return watcher;
	error_errno(error, errno, "starting the watching thread");
	cleanup_close_fd(&watcher->epoll);
	cleanup_close_fd(&watcher->stop);
	free(watcher);
	return NULL;
}

void watcher_free(struct watcher *watcher)
{
	uint64_t one = 1;
	if (write(watcher->stop, &one, sizeof(one)) == sizeof(one))
		pthread_join(watcher->thread, NULL);
	close(watcher->epoll);
	close(watcher->stop);
	free(watcher);
}

int instance_watch(struct instance *instance, struct error **error)
{
	struct watcher *watcher = instance_registry_watcher(instance->server->instances);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = instance_ref(instance)};
	if (epoll_ctl(watcher->epoll, EPOLL_CTL_ADD, instance->link.socket, &event) == 0)
		return 0;
	instance_unref(instance);
	return error_errno(error, errno, "watching the monitor of %s", instance->name);
}
