/* /1.0/instances/NAME/console: attach, show and empty the log. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/exec.h"
#include "api/instance_render.h"
#include "api/render.h"
#include "api/routes.h"
#include "api/websocket.h"
#include "cleanup.h"
#include "file.h"
#include "instance/instance.h"
#include "memory.h"
#include "message.h"
#include "operation.h"
#include "runtime/console.h"
#include "strbuf.h"

enum { CONNECT_TIMEOUT = 30000 };

struct console_session {
	struct instance *instance;
	json_t *request;
};

static void console_session_free(void *data)
{
	struct console_session *session = data;
	instance_unref(session->instance);
	json_decref(session->request);
	free(session);
}

struct ending {
	int monitor, stop;
};

/* Waits for the monitor to close the console, then ends the pump. */
static void *wait_end(void *data)
{
	struct ending *ending = data;
	cleanup_message struct message message = {0};
	uint64_t one = 1;
	do
		message_clear(&message);
	while (message_receive(ending->monitor, &message, -1, NULL) == 0 && message.body &&
	       json_object_get(message.body, "started"));
	if (write(ending->stop, &one, sizeof(one)) < 0)
		return NULL;
	return NULL;
}

static void copy(struct operation *operation, struct websocket *data, int stream, int monitor)
{
	cleanup_close int stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct ending ending = {monitor, stop};
	struct control_reader control;
	struct websocket_pump pump = {.from_fd = stream, .to_fd = stream, .stop_fd = stop};
	pthread_t waiter;
	if (stop < 0 || pthread_create(&waiter, NULL, wait_end, &ending) != 0)
		return;
	control_begin(&control, operation, monitor, -1);
	websocket_pump(data, &pump, NULL);
	websocket_close(data, WEBSOCKET_NORMAL, "");
	control_close(&control);
	shutdown(monitor, SHUT_RDWR);
	control_end(&control);
	pthread_join(waiter, NULL);
}

static int make_pairs(int stream[2], int control[2], struct error **error)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) < 0)
		return error_errno(error, errno, "making a socket pair");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) == 0)
		return 0;
	error_errno(error, errno, "making a socket pair");
	close(stream[0]);
	close(stream[1]);
	return -1;
}

int console_session_run(struct operation *operation, struct instance *instance,
			const json_t *request, struct error **error)
{
	cleanup_free char *directory = instance_run_directory(instance);
	int stream[2], control[2];
	struct websocket *data = operation_wait_socket(operation, "0", CONNECT_TIMEOUT, error);
	if (!data)
		return -1;
	if (make_pairs(stream, control, error) < 0) {
		websocket_free(data);
		return -1;
	}
	int theirs[] = {stream[1], control[1]};
	int result = monitor_request(directory, request, theirs, 2, NULL, error);
	close(stream[1]);
	close(control[1]);
	if (result == 0)
		copy(operation, data, stream[0], control[0]);
	websocket_free(data);
	close(stream[0]);
	close(control[0]);
	return result;
}

static int run_console(struct operation *operation, void *data, struct error **error)
{
	struct console_session *session = data;
	return console_session_run(operation, session->instance, session->request, error);
}

static json_t *make_request(const json_t *body, struct error **error)
{
	static const char *const fields[] = {"width", "height", "type", "force", NULL};
	const char *type = NULL;
	if (body && (render_check_fields(body, fields, error) < 0 ||
		     render_text_field(body, "type", &type, error) < 0))
		return NULL;
	if (type && *type && strcmp(type, "console") != 0) {
		error_set(error, ERROR_UNSUPPORTED, "console type \"%s\" is not supported", type);
		return NULL;
	}
	return json_pack("{s:s, s:[I, I]}", "op", "console", "size",
			 json_integer_value(json_object_get(body, "width")),
			 json_integer_value(json_object_get(body, "height")));
}

static struct response *post_console(struct request *request, struct error **error)
{
	static const char *const sockets[] = {"0", "control", NULL};
	const char *name = request_parameter(request, "name");
	struct instance *instance = instance_of_request(request, error);
	struct operation *operation = NULL;
	if (!instance)
		return NULL;
	json_t *monitor = instance_check_running(instance, error) == 0
				  ? make_request(request_body(request), error)
				  : NULL;
	if (!monitor) {
		instance_unref(instance);
		return NULL;
	}
	if (request_upgrade(request) == REQUEST_UPGRADE_FD)
		return attach_by_descriptors(instance, monitor);
	struct console_session *session = memory_alloc(sizeof(*session));
	*session = (struct console_session){instance, monitor};
	struct operation_spec spec = {
		.class = OPERATION_WEBSOCKET,
		.description = "Showing console",
		.resources = json_pack("{s:[o]}", "instances",
				       render_url(request_instances_path(request), name)),
		.sockets = sockets,
		.run = run_console,
		.data = session,
		.destroy = console_session_free,
	};
	if (operation_run(request_operations(request), &spec, &operation, error) < 0)
		return NULL;
	return response_operation(operation);
}

/* ---- the log ---- */

static void append_file(struct strbuf *text, const char *directory, const char *name)
{
	cleanup_free char *path = memory_printf("%s/%s", directory, name);
	size_t length = 0;
	cleanup_free char *part = file_read_at(AT_FDCWD, path, &length, NULL);
	if (part)
		strbuf_append_bytes(text, part, length);
}

/* The last MiB: the end of the old file and all of the new one. */
static struct response *get_console(struct request *request, struct error **error)
{
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	if (!instance)
		return NULL;
	cleanup_free char *directory = instance_log_directory(instance);
	cleanup_strbuf struct strbuf text = {0};
	append_file(&text, directory, "console.log.old");
	append_file(&text, directory, "console.log");
	if (text.length > CONSOLE_LOG_LIMIT)
		strbuf_consume(&text, text.length - CONSOLE_LOG_LIMIT);
	size_t length = text.length;
	return response_bytes(strbuf_steal(&text), length, "text/plain");
}

static struct response *delete_console(struct request *request, struct error **error)
{
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	if (!instance)
		return NULL;
	cleanup_free char *directory = instance_log_directory(instance);
	cleanup_free char *old = memory_printf("%s/console.log.old", directory);
	cleanup_free char *current = memory_printf("%s/console.log", directory);
	unlink(old);
	/* The monitor appends: its descriptor goes on at the new end. */
	if (truncate(current, 0) < 0 && errno != ENOENT) {
		error_errno(error, errno, "emptying %s", current);
		return NULL;
	}
	return response_empty();
}

const struct route console_routes[] = {
	{.method = "GET", .path = "/1.0/instances/{name}/console", .handler = get_console},
	{.method = "DELETE", .path = "/1.0/instances/{name}/console", .handler = delete_console},
	{
		.method = "POST",
		.path = "/1.0/instances/{name}/console",
		.handler = post_console,
		.flags = ROUTE_UPGRADE_FD,
	},
	{0},
};
