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

void *control_read(void *data)
{
	struct control_reader *control = data;
	cleanup_strbuf struct strbuf text = {0};
	enum websocket_type type;
	while (websocket_receive_message(control->websocket, &text, CONTROL_LIMIT, &type, NULL) ==
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
