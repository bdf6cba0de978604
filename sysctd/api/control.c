/* The client's control WebSocket: {"command": "window-resize" | "signal", ...}. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

#include "api/exec.h"
#include "api/websocket.h"
#include "cleanup.h"
#include "message.h"

enum { CONTROL_LIMIT = 64 << 10 };

static unsigned short number_of(const json_t *arguments, const char *name)
{
	const char *text = json_string_value(json_object_get(arguments, name));
	return (unsigned short)(text ? strtoul(text, NULL, 10) : 0);
}

static void resize(const struct control_reader *control, const json_t *arguments)
{
	struct winsize size = {.ws_col = number_of(arguments, "width"),
			       .ws_row = number_of(arguments, "height")};
	if (control->terminal >= 0) {
		ioctl(control->terminal, TIOCSWINSZ, &size);
		return;
	}
	json_t *body = json_pack("{s:[i, i]}", "resize", size.ws_col, size.ws_row);
	message_send(control->monitor, body, NULL, 0, NULL);
	json_decref(body);
}

static void obey(const struct control_reader *control, const json_t *command)
{
	const char *name = json_string_value(json_object_get(command, "command"));
	if (name && strcmp(name, "window-resize") == 0) {
		resize(control, json_object_get(command, "args"));
	} else if (name && strcmp(name, "signal") == 0) {
		json_t *body = json_pack("{s:O}", "signal", json_object_get(command, "signal"));
		if (body)
			message_send(control->monitor, body, NULL, 0, NULL);
		json_decref(body);
	}
}

/* The connection, once there is one; NULL when it came too late. */
static struct websocket *await_client(struct control_reader *control)
{
	struct websocket *websocket =
		operation_wait_socket(control->operation, "control", -1, NULL);
	pthread_mutex_lock(&control->lock);
	bool late = control->closing;
	if (!late)
		control->websocket = websocket;
	pthread_mutex_unlock(&control->lock);
	if (!late)
		return websocket;
	websocket_free(websocket);
	return NULL;
}

static void *read_commands(void *data)
{
	struct control_reader *control = data;
	cleanup_strbuf struct strbuf text = {0};
	enum websocket_type type;
	struct websocket *websocket = await_client(control);
	if (!websocket)
		return NULL;
	while (websocket_receive_message(websocket, &text, CONTROL_LIMIT, &type, NULL) ==
	       WEBSOCKET_DATA) {
		json_t *command = json_loadb(text.text ? text.text : "", text.length, 0, NULL);
		if (command)
			obey(control, command);
		json_decref(command);
	}
	/* The client has gone: the monitor notices the closed socket and ends the command. */
	shutdown(control->monitor, SHUT_RDWR);
	return NULL;
}

void control_begin(struct control_reader *control, struct operation *operation, int monitor,
		   int terminal)
{
	*control = (struct control_reader){
		.operation = operation, .monitor = monitor, .terminal = terminal};
	pthread_mutex_init(&control->lock, NULL);
	control->runs = pthread_create(&control->thread, NULL, read_commands, control) == 0;
}

void control_close(struct control_reader *control)
{
	if (!control->runs)
		return;
	pthread_mutex_lock(&control->lock);
	control->closing = true;
	struct websocket *websocket = control->websocket;
	pthread_mutex_unlock(&control->lock);
	operation_close_socket(control->operation, "control");
	if (websocket)
		websocket_shutdown(websocket);
}

void control_end(struct control_reader *control)
{
	if (!control->runs)
		return;
	pthread_join(control->thread, NULL);
	websocket_free(control->websocket);
	pthread_mutex_destroy(&control->lock);
	control->runs = false;
}
