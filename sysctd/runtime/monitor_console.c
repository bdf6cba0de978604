/* The console in the monitor's loop, and the one client attached to it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cleanup.h"
#include "monitor.h"

static void update_interest(struct monitor *monitor)
{
	struct console *console = &monitor->console;
	event_loop_change(&monitor->loop, &monitor->console_master,
			  EPOLLIN | (console->to_master.length ? EPOLLOUT : 0));
	if (console->client >= 0)
		event_loop_change(&monitor->loop, &monitor->console_client,
				  (console->to_master.length ? 0 : EPOLLIN) |
					  (console->to_client.length ? EPOLLOUT : 0));
}

static void master_ready(struct event_source *source, uint32_t events)
{
	struct monitor *monitor = source->data;
	(void)events;
	console_drain(&monitor->console);
	update_interest(monitor);
}

static void client_ready(struct event_source *source, uint32_t events)
{
	struct monitor *monitor = source->data;
	bool there = !(events & EPOLLIN) || console_feed(&monitor->console);
	if (!there || !console_flush(&monitor->console) || events == EPOLLHUP)
		monitor_console_detach(monitor);
	else
		update_interest(monitor);
}

static void resize(struct monitor *monitor, const json_t *size)
{
	if (json_array_size(size) == 2)
		console_resize(&monitor->console,
			       (unsigned short)json_integer_value(json_array_get(size, 0)),
			       (unsigned short)json_integer_value(json_array_get(size, 1)));
}

static void control_ready(struct event_source *source, uint32_t events)
{
	struct monitor *monitor = source->data;
	cleanup_message struct message message = {0};
	(void)events;
	int result = message_reader_next(&monitor->console_reader, source->fd, &message, NULL);
	if (result < 0)
		monitor_console_detach(monitor);
	else if (result > 0)
		resize(monitor, json_object_get(message.body, "resize"));
}

int monitor_console_start(struct monitor *monitor, struct error **error)
{
	const struct spec *spec = &monitor->spec;
	if (console_open(&monitor->console, spec->console_log, spec->root_uid, spec->root_gid,
			 error) < 0)
		return -1;
	monitor->console_master =
		(struct event_source){monitor->console.master, master_ready, monitor};
	if (event_loop_add(&monitor->loop, &monitor->console_master, EPOLLIN) < 0)
		return error_errno(error, errno, "watching the console");
	return 0;
}

void monitor_console_detach(struct monitor *monitor)
{
	if (monitor->console.client < 0)
		return;
	event_loop_remove(&monitor->loop, &monitor->console_client);
	console_detach(&monitor->console);
	json_t *body = json_pack("{s:b}", "exited", 1);
	message_send(monitor->console_control.fd, body, NULL, 0, NULL);
	json_decref(body);
	event_loop_remove(&monitor->loop, &monitor->console_control);
	cleanup_close_fd(&monitor->console_control.fd);
	monitor->console_control.fd = -1;
	message_reader_free(&monitor->console_reader);
}

void monitor_console_attach(struct monitor *monitor, struct message *request)
{
	int stream = message_take_fd(request, 0);
	int control = message_take_fd(request, 1);
	if (stream < 0 || control < 0) {
		cleanup_close_fd(&stream);
		cleanup_close_fd(&control);
		return;
	}
	/* The newest client has it: an abandoned session must not lock others out. */
	monitor_console_detach(monitor);
	console_attach(&monitor->console, stream);
	fcntl(control, F_SETFL, fcntl(control, F_GETFL) | O_NONBLOCK);
	monitor->console_control = (struct event_source){control, control_ready, monitor};
	event_loop_add(&monitor->loop, &monitor->console_control, EPOLLIN);
	monitor->console_client = (struct event_source){stream, client_ready, monitor};
	event_loop_add(&monitor->loop, &monitor->console_client, EPOLLIN);
	resize(monitor, json_object_get(request->body, "size"));
	json_t *body = json_pack("{s:b}", "started", 1);
	message_send(control, body, NULL, 0, NULL);
	json_decref(body);
}
