/* The monitor's socket: sysctd and what it asks (see monitor.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"
#include "monitor.h"
#include "process.h"

struct monitor_client {
	struct event_source source;
	struct monitor *monitor;
	struct message_reader reader;
	bool watching;
	struct monitor_client *next;
};

static void client_remove(struct monitor_client *client)
{
	struct monitor *monitor = client->monitor;
	struct monitor_client **at = &monitor->clients;
	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	if (monitor->proxy_client == client)
		monitor->proxy_client = NULL;
	monitor_disks_forget(monitor, client);
	event_loop_remove(&monitor->loop, &client->source);
	close(client->source.fd);
	message_reader_free(&client->reader);
	free(client);
}

json_t *monitor_status(const struct monitor *monitor)
{
	pid_t pid = monitor->container.pid;
	return json_pack("{s:s, s:i, s:I, s:I, s:s}", "state", "running", "pid", (int)pid,
			 "start_time", (json_int_t)process_start_time(pid), "started_at",
			 (json_int_t)monitor->started_at, "cgroup", monitor->spec.cgroup);
}

static void answer(struct monitor_client *client, json_t *body, int fd)
{
	/* A client that went away is noticed by its socket's next event. */
	message_send(client->source.fd, body, &fd, fd >= 0 ? 1 : 0, NULL);
	json_decref(body);
}

void monitor_client_answer(struct monitor_client *client, json_t *body)
{
	answer(client, body, -1);
}

static void op_status(struct monitor_client *client, struct message *request)
{
	(void)request;
	answer(client, monitor_status(client->monitor), client->monitor->container.pidfd);
}

static void op_watch(struct monitor_client *client, struct message *request)
{
	client->watching = true;
	op_status(client, request);
}

static void answer_result(struct monitor_client *client, int result, struct error *error)
{
	answer(client, result < 0 ? message_from_error(error) : json_pack("{s:b}", "ok", 1), -1);
}

static void op_signal(struct monitor_client *client, struct message *request)
{
	cleanup_error struct error *error = NULL;
	int signal = (int)json_integer_value(json_object_get(request->body, "signal"));
	int pidfd = client->monitor->container.pidfd;
	int result = pidfd < 0 ? 0 : process_pidfd_signal(pidfd, signal);
	if (result < 0)
		error_errno(&error, errno, "signalling init");
	answer_result(client, result, error);
}

static void op_kill(struct monitor_client *client, struct message *request)
{
	cleanup_error struct error *error = NULL;
	(void)request;
	int result = monitor_kill(client->monitor, &error);
	answer_result(client, result, error);
}

static void op_exec(struct monitor_client *client, struct message *request)
{
	monitor_session_start(client->monitor, request);
}

static void op_console(struct monitor_client *client, struct message *request)
{
	monitor_console_attach(client->monitor, request);
}

static void op_proxies(struct monitor_client *client, struct message *request)
{
	cleanup_error struct error *error = NULL;
	const json_t *wanted = json_object_get(request->body, "proxies");
	if (monitor_proxies_change(client->monitor, client, wanted, &error) < 0)
		answer_result(client, -1, error);
}

static void op_disks(struct monitor_client *client, struct message *request)
{
	cleanup_error struct error *error = NULL;
	json_t *wanted = json_object_get(request->body, "disks");
	if (monitor_disks_change(client->monitor, client, wanted, &error) < 0)
		answer_result(client, -1, error);
}

static const struct {
	const char *name;
	void (*run)(struct monitor_client *client, struct message *request);
} operations[] = {
	{"status", op_status},	 {"watch", op_watch},	{"exec", op_exec},
	{"console", op_console}, {"signal", op_signal}, {"kill", op_kill},
	{"proxies", op_proxies}, {"disks", op_disks},
};

static void dispatch(struct monitor_client *client, struct message *request)
{
	cleanup_error struct error *error = NULL;
	const char *name = json_string_value(json_object_get(request->body, "op"));
	for (size_t i = 0; name && i < sizeof(operations) / sizeof(operations[0]); i++)
		if (strcmp(operations[i].name, name) == 0) {
			operations[i].run(client, request);
			return;
		}
	error_set(&error, ERROR_UNSUPPORTED, "the monitor does not know \"%s\"", name ? name : "");
	answer_result(client, -1, error);
}

static void client_ready(struct event_source *source, uint32_t events)
{
	struct monitor_client *client = source->data;
	cleanup_message struct message request = {0};
	(void)events;
	int result = message_reader_next(&client->reader, source->fd, &request, NULL);
	if (result < 0)
		client_remove(client);
	else if (result > 0)
		dispatch(client, &request);
}

int monitor_client_add(struct monitor *monitor, int socket, bool watching)
{
	struct monitor_client *client = memory_alloc(sizeof(*client));
	*client = (struct monitor_client){
		.source = {socket, client_ready, client},
		.monitor = monitor,
		.watching = watching,
		.next = monitor->clients,
	};
	fcntl(socket, F_SETFL, O_NONBLOCK);
	monitor->clients = client;
	return event_loop_add(&monitor->loop, &client->source, EPOLLIN);
}

static void listener_ready(struct event_source *source, uint32_t events)
{
	(void)events;
	int socket = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (socket >= 0)
		monitor_client_add(source->data, socket, false);
}

int monitor_clients_listen(struct monitor *monitor, int listener)
{
	monitor->listener = (struct event_source){listener, listener_ready, monitor};
	return event_loop_add(&monitor->loop, &monitor->listener, EPOLLIN);
}

void monitor_clients_send(struct monitor *monitor, json_t *event, int fd)
{
	for (struct monitor_client *client = monitor->clients; client; client = client->next)
		if (client->watching)
			message_send(client->source.fd, event, &fd, fd >= 0 ? 1 : 0, NULL);
}
