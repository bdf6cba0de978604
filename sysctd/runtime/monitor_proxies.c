/*
 * Proxy devices: a process sysct-proxy for each (proxy/proxy.h), which lives as long as init. A first
 * start and a change wait until all listen, and fail when one cannot. Later, as after a reboot
 * from inside, one that cannot start or dies is started again, after a while that grows.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "fault.h"
#include "log.h"
#include "memory.h"
#include "monitor.h"
#include "process.h"
#include "proxies.h"

enum { START_TIMEOUT = 10000, FIRST_DELAY = 100, MOST_DOUBLINGS = 7, STEADY = 10 };

struct monitor_proxy {
	struct event_source process, control, timer;
	struct monitor *monitor;
	json_t *spec;
	pid_t pid;
	bool fresh;    /* somebody waits for its start */
	bool ready;    /* it listens */
	bool removing; /* it only removes a socket in the instance */
	time_t started;
	int failures;	       /* in a row */
	struct error *problem; /* why it does not listen */
	struct monitor_proxy *next;
};

static const char *text(const json_t *spec, const char *key)
{
	const char *value = json_string_value(json_object_get(spec, key));
	return value ? value : "";
}

static time_t seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void drop(struct monitor_proxy *proxy, struct event_source *source)
{
	event_loop_remove(&proxy->monitor->loop, source);
	cleanup_close_fd(&source->fd);
	source->fd = -1;
}

static void proxy_free(struct monitor_proxy *proxy)
{
	struct monitor_proxy **at = &proxy->monitor->proxies;
	while (*at != proxy)
		at = &(*at)->next;
	*at = proxy->next;
	drop(proxy, &proxy->process);
	drop(proxy, &proxy->control);
	drop(proxy, &proxy->timer);
	error_free(proxy->problem);
	json_decref(proxy->spec);
	free(proxy);
}

/* ---- its process ---- */

/* "KEY=VALUE" of all that the program takes; the caller frees each, and the array. */
static char **make_arguments(const struct monitor_proxy *proxy)
{
	size_t count = 0;
	const char *key;
	json_t *value;
	char **arguments = memory_alloc((json_object_size(proxy->spec) + 4) * sizeof(*arguments));
	arguments[count++] = memory_strdup("sysct-proxy");
	arguments[count++] =
		memory_printf("%s/%s", proxy->monitor->spec.name, text(proxy->spec, "device"));
	json_object_foreach (proxy->spec, key, value)
		if (strcmp(key, "device") != 0 && strcmp(key, "program") != 0)
			arguments[count++] = memory_printf("%s=%s", key, json_string_value(value));
	if (proxy->removing)
		arguments[count++] = memory_strdup("remove=true");
	return arguments;
}

static void free_arguments(char **arguments)
{
	for (char **at = arguments; *at; at++)
		free(*at);
	free(arguments);
}

/* Its descriptors 3 and 4; both come from far above, so that neither overwrites the other. */
static int spawn(struct monitor_proxy *proxy, int control, struct error **error)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	const char *program = text(proxy->spec, "program");
	cleanup_close int high_control = fcntl(control, F_DUPFD_CLOEXEC, 64);
	cleanup_close int high_pidfd = fcntl(proxy->monitor->container.pidfd, F_DUPFD_CLOEXEC, 64);
	char **arguments = make_arguments(proxy);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	int problem = posix_spawn_file_actions_adddup2(&actions, high_control, 3);
	if (!problem)
		problem = posix_spawn_file_actions_adddup2(&actions, high_pidfd, 4);
	if (!problem)
		problem = posix_spawn(&proxy->pid, program, &actions, &attributes, arguments,
				      environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	free_arguments(arguments);
	return problem ? error_errno(error, problem, "running %s", program) : 0;
}

static int proxy_run(struct monitor_proxy *proxy, struct error **error)
{
	struct event_loop *loop = &proxy->monitor->loop;
	int sockets[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) < 0)
		return error_errno(error, errno, "making a socket pair");
	cleanup_close int ours = sockets[0], theirs = sockets[1];
	if (spawn(proxy, theirs, error) < 0)
		return -1;
	proxy->ready = false;
	proxy->started = seconds();
	proxy->control.fd = steal_fd(&ours);
	proxy->process.fd = process_pidfd_open(proxy->pid);
	if (proxy->process.fd < 0 || event_loop_add(loop, &proxy->control, EPOLLIN) < 0 ||
	    event_loop_add(loop, &proxy->process, EPOLLIN) < 0)
		return error_errno(error, errno, "watching sysct-proxy");
	return 0;
}

static void kill_and_wait(struct monitor_proxy *proxy)
{
	if (proxy->pid <= 0)
		return;
	kill(proxy->pid, SIGKILL); /* not waited for yet: it is still that one */
	while (waitpid(proxy->pid, NULL, 0) < 0 && errno == EINTR)
		;
	proxy->pid = 0;
}

/* "ready", or the kind of an error and its message; the end of file: it died. */
static void read_report(struct monitor_proxy *proxy)
{
	char report[1024];
	ssize_t count = recv(proxy->control.fd, report, sizeof(report) - 1, MSG_DONTWAIT);
	if (count < 0)
		return;
	report[count] = '\0';
	char *message = strchr(report, ' ');
	if (strcmp(report, "ready") == 0) {
		proxy->ready = true;
		return;
	}
	drop(proxy, &proxy->control);
	if (message)
		*message++ = '\0';
	if (message)
		error_set(&proxy->problem, error_kind_from_string(report), "listening on %s: %s",
			  text(proxy->spec, "listen"), message);
	else if (!proxy->ready)
		error_set(&proxy->problem, ERROR_INTERNAL, "sysct-proxy ended before it listened");
}

static void start_later(struct monitor_proxy *proxy)
{
	int doublings = proxy->failures < MOST_DOUBLINGS ? proxy->failures : MOST_DOUBLINGS;
	long delay = FIRST_DELAY << doublings;
	struct itimerspec later = {.it_value = {delay / 1000, delay % 1000 * 1000000}};
	drop(proxy, &proxy->timer);
	proxy->failures++;
	proxy->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	timerfd_settime(proxy->timer.fd, 0, &later, NULL);
	event_loop_add(&proxy->monitor->loop, &proxy->timer, EPOLLIN);
}

static void complain(const struct monitor_proxy *proxy, const char *what)
{
	/* The same thing over and over is told once. */
	if (proxy->failures <= 1)
		log_event(LOG_LEVEL_WARNING, proxy->monitor->spec.name, "proxy \"%s\": %s",
			  text(proxy->spec, "device"), what);
}

static void timer_ready(struct event_source *source, uint32_t events)
{
	struct monitor_proxy *proxy = source->data;
	cleanup_error struct error *error = NULL;
	(void)events;
	drop(proxy, source);
	if (proxy_run(proxy, &error) == 0)
		return;
	kill_and_wait(proxy);
	complain(proxy, error_message(error));
	start_later(proxy);
}

/* ---- who waits for a start ---- */

/* Answers when every fresh one listens or has failed; what failed is in no list any more. */
static void settle(struct monitor *monitor)
{
	struct monitor_client *client = monitor->proxy_client;
	for (struct monitor_proxy *at = monitor->proxies; at; at = at->next)
		if (at->fresh)
			return;
	if (!client)
		return;
	monitor->proxy_client = NULL;
	monitor_client_answer(client, monitor->proxy_problem
					      ? message_from_error(monitor->proxy_problem)
					      : json_pack("{s:b}", "ok", 1));
	error_free(monitor->proxy_problem);
	monitor->proxy_problem = NULL;
}

static void give_up(struct monitor_proxy *proxy)
{
	struct monitor *monitor = proxy->monitor;
	kill_and_wait(proxy);
	error_prefix(&proxy->problem, "device \"%s\"", text(proxy->spec, "device"));
	if (monitor->proxy_problem)
		error_free(proxy->problem);
	else
		monitor->proxy_problem = proxy->problem;
	proxy->problem = NULL;
	proxy_free(proxy);
}

static void control_ready(struct event_source *source, uint32_t events)
{
	struct monitor_proxy *proxy = source->data;
	struct monitor *monitor = proxy->monitor;
	(void)events;
	read_report(proxy);
	if (!proxy->fresh || proxy->removing)
		return;
	if (proxy->ready)
		proxy->fresh = false;
	else if (proxy->problem)
		give_up(proxy);
	settle(monitor);
}

static void process_ended(struct event_source *source, uint32_t events)
{
	struct monitor_proxy *proxy = source->data;
	(void)events;
	if (proxy->control.fd >= 0 && !proxy->ready) {
		control_ready(&proxy->control, EPOLLIN);
		return; /* it may be gone; the event comes again while it is not */
	}
	kill_and_wait(proxy);
	if (proxy->removing) {
		proxy_free(proxy);
		return;
	}
	drop(proxy, &proxy->process);
	drop(proxy, &proxy->control);
	if (proxy->ready && seconds() - proxy->started >= STEADY)
		proxy->failures = 0;
	complain(proxy, proxy->problem ? error_message(proxy->problem)
				       : "its process ended; starting another");
	error_free(proxy->problem);
	proxy->problem = NULL;
	start_later(proxy);
}

/* ---- all of them ---- */

static struct monitor_proxy *proxy_new(struct monitor *monitor, json_t *spec, bool fresh,
				       bool removing)
{
	struct monitor_proxy *proxy = memory_alloc(sizeof(*proxy));
	*proxy = (struct monitor_proxy){
		.process = {-1, process_ended, proxy},
		.control = {-1, control_ready, proxy},
		.timer = {-1, timer_ready, proxy},
		.monitor = monitor,
		.spec = json_incref(spec),
		.fresh = fresh,
		.removing = removing,
		.next = monitor->proxies,
	};
	monitor->proxies = proxy;
	return proxy;
}

static void start_one(struct monitor *monitor, json_t *spec, bool fresh)
{
	struct monitor_proxy *proxy = proxy_new(monitor, spec, fresh, false);
	if (proxy_run(proxy, &proxy->problem) == 0)
		return;
	if (fresh) {
		give_up(proxy);
		return;
	}
	kill_and_wait(proxy);
	start_later(proxy);
}

static struct monitor_proxy *find(struct monitor *monitor, const json_t *spec)
{
	for (struct monitor_proxy *at = monitor->proxies; at; at = at->next)
		if (!at->removing && json_equal(at->spec, spec))
			return at;
	return NULL;
}

/* Whether another takes the place at which it listens. */
static bool is_taken_over(const json_t *wanted, const json_t *spec)
{
	size_t i;
	const json_t *other;
	json_array_foreach (wanted, i, other)
		if (strcmp(text(other, "listen"), text(spec, "listen")) == 0 &&
		    strcmp(text(other, "bind"), text(spec, "bind")) == 0)
			return true;
	return false;
}

/* A socket in the instance is removed by a process that goes there. */
static void stop_one(struct monitor_proxy *proxy, const json_t *wanted)
{
	struct monitor *monitor = proxy->monitor;
	json_t *spec = json_incref(proxy->spec);
	kill_and_wait(proxy);
	proxy_free(proxy);
	if (!is_taken_over(wanted, spec)) {
		bool inside = strcmp(text(spec, "bind"), "instance") == 0;
		proxy_remove_socket(spec, 0);
		if (inside && strncmp(text(spec, "listen"), "unix:/", 6) == 0) {
			struct monitor_proxy *remover = proxy_new(monitor, spec, false, true);
			if (proxy_run(remover, NULL) < 0) {
				kill_and_wait(remover);
				proxy_free(remover);
			}
		}
	}
	json_decref(spec);
}

static bool is_wanted(const json_t *wanted, const struct monitor_proxy *proxy)
{
	size_t i;
	const json_t *spec;
	json_array_foreach (wanted, i, spec)
		if (json_equal(spec, proxy->spec))
			return true;
	return proxy->removing;
}

int monitor_proxies_change(struct monitor *monitor, struct monitor_client *client,
			   const json_t *wanted, struct error **error)
{
	size_t i;
	json_t *spec;
	if (monitor->proxy_client)
		return error_set(error, ERROR_BUSY, "another change of proxies is under way");
	if (monitor->container.pidfd < 0)
		return error_set(error, ERROR_BUSY, "the instance is rebooting: try again");
	error_free(monitor->proxy_problem); /* of somebody who did not wait for it */
	monitor->proxy_problem = NULL;
	for (struct monitor_proxy *at = monitor->proxies, *next; at; at = next) {
		next = at->next;
		if (!is_wanted(wanted, at))
			stop_one(at, wanted);
	}
	fault_point("monitor.proxies");
	json_array_foreach (wanted, i, spec)
		if (!find(monitor, spec))
			start_one(monitor, spec, true);
	monitor->proxy_client = client;
	settle(monitor);
	return 0;
}

/* The first one that has not said whether it listens; NULL when all have. */
static struct monitor_proxy *find_fresh(struct monitor *monitor)
{
	struct monitor_proxy *at = monitor->proxies;
	while (at && !at->fresh)
		at = at->next;
	return at;
}

int monitor_proxies_start(struct monitor *monitor, struct error **error)
{
	size_t i;
	json_t *spec;
	json_array_foreach ((json_t *)monitor->spec.proxies, i, spec)
		start_one(monitor, spec, true);
	for (struct monitor_proxy *at; (at = find_fresh(monitor));) {
		struct pollfd report = {.fd = at->control.fd, .events = POLLIN};
		if (poll(&report, 1, START_TIMEOUT) == 0) {
			error_set(&at->problem, ERROR_TIMEOUT, "sysct-proxy does not get ready");
			give_up(at);
		} else {
			control_ready(&at->control, EPOLLIN);
		}
	}
	struct error *problem = monitor->proxy_problem;
	monitor->proxy_problem = NULL;
	if (!problem)
		return 0;
	error_move(error, problem);
	return -1;
}

void monitor_proxies_resume(struct monitor *monitor)
{
	size_t i;
	json_t *spec;
	json_array_foreach ((json_t *)monitor->spec.proxies, i, spec)
		start_one(monitor, spec, false);
}

void monitor_proxies_end(struct monitor *monitor)
{
	for (struct monitor_proxy *at = monitor->proxies; at; at = at->next)
		if (at->pid > 0)
			kill(at->pid, SIGKILL);
	while (monitor->proxies) {
		struct monitor_proxy *proxy = monitor->proxies;
		kill_and_wait(proxy);
		proxy_remove_socket(proxy->spec, 0);
		proxy_free(proxy);
	}
	if (!monitor->proxy_client)
		return;
	error_set(&monitor->proxy_problem, ERROR_NOT_FOUND, "the instance has just stopped");
	settle(monitor);
}
