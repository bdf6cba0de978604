/*
 * Disks of a running instance come and go. A helper, which is a fork of the monitor, enters the
 * instance for that: what it walks over there may block for as long as somebody inside likes (FUSE). It
 * tells of each step; a disk whose step was not told to have ended well is done again the next time.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "disks.h"
#include "fault.h"
#include "memory.h"
#include "monitor.h"

enum { PATIENCE = 10 };

struct monitor_disk {
	json_t *spec;
	char *mark;  /* of disk_mark(); "": an optional one that is missing */
	bool steady; /* it is there as @spec says */
	bool going;  /* the helper takes it away */
	struct monitor_disk *next;
};

struct disk_change {
	struct monitor *monitor;
	struct monitor_client *client; /* waits for the answer; NULL when it went away */
	struct event_source control, timer;
	struct message_reader reader;
	pid_t pid;
	json_t *wanted; /* in the order of their paths */
	json_t *coming; /* those of them that are not there yet */
};

static const char *path_of(const json_t *spec)
{
	const char *path = json_string_value(json_object_get(spec, "path"));
	return path ? path : "";
}

/* ---- the list ---- */

/* In the order of their paths, so that what is mounted below another comes after it. */
static struct monitor_disk *disk_add(struct monitor *monitor, json_t *spec, const char *mark)
{
	struct monitor_disk **at = &monitor->disks;
	while (*at && strcmp(path_of((*at)->spec), path_of(spec)) <= 0)
		at = &(*at)->next;
	struct monitor_disk *disk = memory_alloc(sizeof(*disk));
	*disk = (struct monitor_disk){json_incref(spec), memory_strdup(mark), false, false, *at};
	*at = disk;
	return disk;
}

static void disk_remove(struct monitor_disk **at)
{
	struct monitor_disk *disk = *at;
	*at = disk->next;
	free(disk->mark);
	json_decref(disk->spec);
	free(disk);
}

void monitor_disks_started(struct monitor *monitor)
{
	struct container *container = &monitor->container;
	for (size_t i = 0; i < container->disk_count; i++) {
		const char *mark = container->disks[i];
		json_t *spec = json_array_get(monitor->spec.disks, i);
		disk_add(monitor, spec, mark ? mark : "")->steady = true;
	}
}

/* ---- the helper ---- */

static void tell(int socket, const char *what, size_t number, const char *mark)
{
	json_t *body = json_pack("{s:I, s:s}", what, (json_int_t)number, "mark", mark);
	message_send(socket, body, NULL, 0, NULL);
	json_decref(body);
}

/* As root of the host, but in mount namespaces of our own; each mount is a descriptor in the end. */
static int prepare(const struct disk_change *change, int user, int *trees, struct error **error)
{
	const struct spec *spec = &change->monitor->spec;
	struct disk_context context = {change->monitor->host_mounts, user, spec->root_uid,
				       spec->root_gid};
	if (unshare(CLONE_NEWNS) < 0)
		return error_errno(error, errno, "making a mount namespace");
	if (disks_stage(change->coming, &context, error) < 0)
		return -1;
	if (setns(user, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNS) < 0)
		return error_errno(error, errno, "entering the user namespace of the instance");
	for (size_t i = 0; i < json_array_size(change->coming); i++)
		if (disk_take(json_array_get(change->coming, i), i, &trees[i], error) < 0)
			return -1;
	return 0;
}

/* Those below others first. */
static int take_away(const struct monitor_disk *disk, size_t number, int proc, int socket,
		     struct error **error)
{
	if (!disk)
		return 0;
	if (take_away(disk->next, number + 1, proc, socket, error) < 0)
		return -1;
	if (!disk->going)
		return 0;
	if (*disk->mark && disk_detach(disk->spec, disk->mark, proc, error) < 0)
		return -1;
	tell(socket, "gone", number, "");
	return 0;
}

/* Told of before it is mounted, too: the monitor always knows of what is. */
static int bring(const struct disk_change *change, const int *trees, int proc, int socket,
		 struct error **error)
{
	for (size_t i = 0; i < json_array_size(change->coming); i++) {
		cleanup_free char *before = disk_mark(trees[i], proc);
		tell(socket, "coming", i, before);
		if (trees[i] >= 0 &&
		    disk_attach(json_array_get(change->coming, i), trees[i], error) < 0)
			return -1;
		cleanup_free char *after = disk_mark(trees[i], proc);
		tell(socket, "there", i, after);
	}
	return 0;
}

/* Both are forgotten when a process changes its ids. */
static void guard(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static int help(const struct disk_change *change, int socket, struct error **error)
{
	const struct monitor *monitor = change->monitor;
	cleanup_free int *trees = memory_alloc((json_array_size(change->coming) + 1) * sizeof(int));
	cleanup_close int user = -1, mounts = -1;
	cleanup_close int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return error_errno(error, errno, "opening /proc/self");
	if (container_open_namespace(monitor->container.pid, "user", &user, error) < 0 ||
	    container_open_namespace(monitor->container.pid, "mnt", &mounts, error) < 0 ||
	    prepare(change, user, trees, error) < 0)
		return -1;
	if (setns(mounts, CLONE_NEWNS) < 0)
		return error_errno(error, errno, "entering the instance");
	if (container_become_root(error) < 0)
		return -1;
	guard();
	if (take_away(monitor->disks, 0, proc, socket, error) < 0)
		return -1;
	return bring(change, trees, proc, socket, error);
}

_Noreturn static void helper(const struct disk_change *change, int socket)
{
	struct error *error = NULL;
	guard();
	umask(022);
	json_t *body = help(change, socket, &error) < 0 ? message_from_error(error)
							: json_pack("{s:b}", "done", 1);
	message_send(socket, body, NULL, 0, NULL);
	_exit(0);
}

/* ---- the change ---- */

static void change_free(struct disk_change *change)
{
	struct event_loop *loop = &change->monitor->loop;
	change->monitor->disk_change = NULL;
	if (change->control.fd >= 0)
		event_loop_remove(loop, &change->control);
	if (change->timer.fd >= 0)
		event_loop_remove(loop, &change->timer);
	cleanup_close_fd(&change->control.fd);
	cleanup_close_fd(&change->timer.fd);
	message_reader_free(&change->reader);
	json_decref(change->wanted);
	json_decref(change->coming);
	free(change);
}

static void change_end(struct disk_change *change, const struct error *error)
{
	struct monitor_client *client = change->client;
	if (change->pid > 0) {
		kill(change->pid, SIGKILL);
		while (waitpid(change->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	change_free(change);
	if (client)
		monitor_client_answer(client, error ? message_from_error(error)
						    : json_pack("{s:b}", "ok", 1));
}

static struct monitor_disk **nth(struct monitor *monitor, size_t number)
{
	struct monitor_disk **at = &monitor->disks;
	while (*at && number--)
		at = &(*at)->next;
	return at;
}

/* Their numbers are those of the list at the beginning: it shrinks from its end. */
static void note_gone(struct monitor *monitor, size_t number)
{
	struct monitor_disk **at = nth(monitor, number);
	if (*at && (*at)->going)
		disk_remove(at);
}

static void note_there(struct monitor *monitor, const json_t *spec, const char *mark)
{
	for (struct monitor_disk *at = monitor->disks; at; at = at->next)
		if (!at->steady && json_equal(at->spec, spec)) {
			free(at->mark);
			at->mark = memory_strdup(mark);
			at->steady = true;
		}
}

/* True when it was the last one. */
static bool take_report(struct disk_change *change, const json_t *report)
{
	static const char *const steps[] = {"gone", "coming", "there"};
	struct monitor *monitor = change->monitor;
	const char *mark = json_string_value(json_object_get(report, "mark"));
	struct error *error = NULL;
	for (size_t i = 0; mark && i < sizeof(steps) / sizeof(steps[0]); i++) {
		const json_t *value = json_object_get(report, steps[i]);
		size_t number = (size_t)json_integer_value(value);
		if (value && i == 0)
			note_gone(monitor, number);
		else if (value && i == 1)
			disk_add(monitor, json_array_get(change->coming, number), mark);
		else if (value)
			note_there(monitor, json_array_get(change->coming, number), mark);
	}
	if (mark)
		return false;
	message_check_error(report, &error);
	change_end(change, error);
	error_free(error);
	return true;
}

static void control_ready(struct event_source *source, uint32_t events)
{
	struct disk_change *change = source->data;
	cleanup_error struct error *error = NULL;
	(void)events;
	for (;;) {
		cleanup_message struct message message = {0};
		int result = message_reader_next(&change->reader, source->fd, &message, NULL);
		if (result == 0)
			return;
		if (result < 0)
			break;
		if (take_report(change, message.body))
			return;
	}
	error_set(&error, ERROR_INTERNAL, "what changes disks in the instance was killed");
	change_end(change, error);
}

static void timer_ready(struct event_source *source, uint32_t events)
{
	cleanup_error struct error *error = NULL;
	(void)events;
	error_set(&error, ERROR_TIMEOUT,
		  "changing the disks took more than %d seconds: something in the path of one, or "
		  "its source, does not answer",
		  PATIENCE);
	change_end(source->data, error);
}

static int start_helper(struct disk_change *change, struct error **error)
{
	struct event_loop *loop = &change->monitor->loop;
	struct itimerspec later = {.it_value.tv_sec = PATIENCE};
	int sockets[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return error_errno(error, errno, "making a socket pair");
	cleanup_close int theirs = sockets[1];
	change->control.fd = sockets[0];
	change->pid = fork();
	if (change->pid == 0)
		helper(change, theirs);
	change->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	fcntl(change->control.fd, F_SETFL, O_NONBLOCK);
	timerfd_settime(change->timer.fd, 0, &later, NULL);
	if (change->pid < 0 || event_loop_add(loop, &change->control, EPOLLIN) < 0 ||
	    event_loop_add(loop, &change->timer, EPOLLIN) < 0)
		return error_errno(error, errno, "changing disks");
	return 0;
}

/* ---- the plan ---- */

static bool is_below(const char *path, const char *other)
{
	size_t length = strlen(other);
	return strncmp(path, other, length) == 0 && path[length] == '/';
}

static bool is_listed(const json_t *list, const json_t *spec)
{
	size_t i;
	const json_t *at;
	json_array_foreach (list, i, at)
		if (json_equal(at, spec))
			return true;
	return false;
}

static bool is_kept(const struct monitor *monitor, const json_t *spec)
{
	for (const struct monitor_disk *at = monitor->disks; at; at = at->next)
		if (!at->going && json_equal(at->spec, spec))
			return true;
	return false;
}

/* Whether @path is below one that goes or comes: it would go with the one, be hidden by the other. */
static bool is_shaken(const struct disk_change *change, const char *path)
{
	size_t i;
	const json_t *spec;
	for (const struct monitor_disk *at = change->monitor->disks; at; at = at->next)
		if (at->going && is_below(path, path_of(at->spec)))
			return true;
	json_array_foreach (change->wanted, i, spec)
		if (!is_kept(change->monitor, spec) && is_below(path, path_of(spec)))
			return true;
	return false;
}

static void make_plan(struct disk_change *change)
{
	struct monitor *monitor = change->monitor;
	size_t i;
	json_t *spec;
	for (struct monitor_disk *at = monitor->disks; at; at = at->next)
		at->going = !at->steady || !*at->mark || !is_listed(change->wanted, at->spec);
	/* A source that was missing may be there now. In the order of paths: what is above was
	 * looked at before. */
	for (struct monitor_disk *at = monitor->disks; at; at = at->next)
		if (!at->going && is_shaken(change, path_of(at->spec)))
			at->going = true;
	for (struct monitor_disk *at = monitor->disks; at; at = at->next)
		at->steady = !at->going;
	json_array_foreach (change->wanted, i, spec)
		if (!is_kept(monitor, spec))
			json_array_append(change->coming, spec);
}

static bool is_nothing_to_do(const struct disk_change *change)
{
	for (const struct monitor_disk *at = change->monitor->disks; at; at = at->next)
		if (at->going)
			return false;
	return json_array_size(change->coming) == 0;
}

int monitor_disks_change(struct monitor *monitor, struct monitor_client *client, json_t *wanted,
			 struct error **error)
{
	if (monitor->container.pidfd < 0)
		return error_set(error, ERROR_BUSY, "the instance is rebooting: try again");
	if (monitor->disk_change && monitor->disk_change->client)
		return error_set(error, ERROR_BUSY, "another change of disks is under way");
	if (monitor->disk_change) /* of a daemon that died */
		change_end(monitor->disk_change, NULL);
	struct disk_change *change = memory_alloc(sizeof(*change));
	*change = (struct disk_change){
		.monitor = monitor,
		.client = client,
		.control = {-1, control_ready, change},
		.timer = {-1, timer_ready, change},
		.wanted = json_incref(wanted),
		.coming = json_array(),
	};
	monitor->disk_change = change;
	make_plan(change);
	if (is_nothing_to_do(change)) {
		change_end(change, NULL);
		return 0;
	}
	struct error *problem = NULL;
	if (start_helper(change, &problem) < 0)
		change_end(change, problem);
	error_free(problem);
	fault_point("monitor.disks");
	return 0;
}

void monitor_disks_forget(struct monitor *monitor, const struct monitor_client *client)
{
	if (monitor->disk_change && monitor->disk_change->client == client)
		monitor->disk_change->client = NULL;
}

void monitor_disks_end(struct monitor *monitor)
{
	cleanup_error struct error *error = NULL;
	error_set(&error, ERROR_NOT_FOUND, "the instance has just stopped");
	if (monitor->disk_change)
		change_end(monitor->disk_change, error);
	while (monitor->disks)
		disk_remove(&monitor->disks);
}
