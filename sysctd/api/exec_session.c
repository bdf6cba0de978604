/* An exec over WebSockets: pipes or a pty between the client's streams and the command. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/exec.h"
#include "api/websocket.h"
#include "cleanup.h"
#include "instance/instance.h"
#include "memory.h"
#include "message.h"
#include "runtime/monitor_link.h"

enum { CONNECT_TIMEOUT = 30000, STREAMS = 3 };

/* One direction of one stream, in a thread of its own. */
struct stream {
	struct websocket *websocket;
	int from_fd, to_fd; /* ours, closed with the stream */
	int stop;
	pthread_t thread;
	bool runs;
};

struct exec_session {
	struct stream streams[STREAMS];
	struct control_reader control;
	struct operation *operation;
	bool connected; /* a client gives the streams */
	int terminal;	/* the pty's master, -1 for none */
	int stop;	/* eventfd: the command has ended */
	int monitor;	/* control socket to the monitor */
	int theirs[4];	/* what the monitor is given, -1 for none */
};

static void end_of_input(void *data)
{
	struct stream *stream = data;
	cleanup_close_fd(&stream->to_fd);
	stream->to_fd = -1;
}

static void *run_stream(void *data)
{
	struct stream *stream = data;
	struct websocket_pump pump = {
		.from_fd = stream->from_fd,
		.to_fd = stream->to_fd,
		.stop_fd = stream->stop,
		/* A terminal stays open at the end of its input. */
		.to_end = stream->from_fd < 0 ? end_of_input : NULL,
		.data = stream,
	};
	websocket_pump(stream->websocket, &pump, NULL);
	if (stream->from_fd >= 0)
		websocket_send(stream->websocket, WEBSOCKET_TEXT, "", 0, NULL);
	return NULL;
}

static int start_stream(struct stream *stream, struct error **error)
{
	int problem = pthread_create(&stream->thread, NULL, run_stream, stream);
	if (problem)
		return error_errno(error, problem, "starting a thread");
	stream->runs = true;
	return 0;
}

static int make_pipes(struct exec_session *session, struct error **error)
{
	for (int i = 0; i < STREAMS; i++) {
		int ends[2];
		if (pipe2(ends, O_CLOEXEC) < 0)
			return error_errno(error, errno, "making a pipe");
		session->theirs[i] = ends[i == 0 ? 0 : 1];
		int ours = ends[i == 0 ? 1 : 0];
		fcntl(ours, F_SETFL, O_NONBLOCK);
		if (i == 0)
			session->streams[i].to_fd = ours;
		else
			session->streams[i].from_fd = ours;
	}
	return 0;
}

static int open_null(struct exec_session *session, struct error **error)
{
	for (int i = 0; i < STREAMS; i++) {
		session->theirs[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (session->theirs[i] < 0)
			return error_errno(error, errno, "opening /dev/null");
	}
	return 0;
}

static int ask_monitor(struct exec_session *session, struct instance *instance,
		       const json_t *request, bool interactive, struct error **error)
{
	int sockets[2];
	cleanup_free char *directory = instance_run_directory(instance);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return error_errno(error, errno, "making a socket pair");
	session->monitor = sockets[0];
	session->theirs[3] = sockets[1];
	int result = monitor_request(directory, request, session->theirs + (interactive ? 3 : 0),
				     interactive ? 1 : 4, NULL, error);
	for (int i = 0; i < 4; i++) {
		cleanup_close_fd(&session->theirs[i]);
		session->theirs[i] = -1;
	}
	return result;
}

/* The first answer: it runs (with its terminal), or not. */
static int wait_started(struct exec_session *session, bool interactive, struct message *message,
			struct error **error)
{
	if (message_receive(session->monitor, message, -1, error) < 0)
		return -1;
	if (!message->body)
		return error_set(error, ERROR_NOT_FOUND, "the instance has just stopped");
	if (message_check_error(message->body, error) < 0)
		return -1;
	if (interactive && message->fd_count == 1) {
		int master = message_take_fd(message, 0);
		session->streams[0].from_fd = master;
		session->streams[0].to_fd = fcntl(master, F_DUPFD_CLOEXEC, 0);
		session->terminal = master;
	}
	return 0;
}

static int wait_exited(struct exec_session *session, struct message *first, int *status,
		       struct error **error)
{
	cleanup_message struct message message = *first;
	*first = (struct message){0};
	while (message.body && !json_object_get(message.body, "exited")) {
		message_clear(&message);
		if (message_receive(session->monitor, &message, -1, error) < 0)
			return -1;
	}
	/* The end of file: the client has gone, and the monitor kills the command. */
	*status = message.body ? (int)json_integer_value(json_object_get(message.body, "status"))
			       : 137;
	return 0;
}

static int start_streams(struct exec_session *session, struct error **error)
{
	for (int i = 0; i < STREAMS; i++) {
		struct stream *stream = &session->streams[i];
		stream->stop = session->stop;
		if (stream->websocket && start_stream(stream, error) < 0)
			return -1;
	}
	if (session->connected)
		control_begin(&session->control, session->operation, session->monitor,
			      session->terminal);
	return 0;
}

static int run_command(struct exec_session *session, struct instance *instance,
		       const json_t *request, bool interactive, int *status, struct error **error)
{
	cleanup_message struct message message = {0};
	if (ask_monitor(session, instance, request, interactive, error) < 0 ||
	    wait_started(session, interactive, &message, error) < 0 ||
	    start_streams(session, error) < 0)
		return -1;
	return wait_exited(session, &message, status, error);
}

/*
 * LXD's order: the streams get their rest and end, then everything closes,
 * without close frames: a client that answers one would find us gone (pylxd
 * logs that as an error), and waiting for the answer would delay the end.
 */
static void finish(struct exec_session *session)
{
	uint64_t one = 1;
	if (session->stop >= 0 && write(session->stop, &one, sizeof(one)) < 0)
		return;
	control_close(&session->control);
	for (int i = 0; i < STREAMS; i++) {
		struct stream *stream = &session->streams[i];
		if (stream->runs)
			pthread_join(stream->thread, NULL);
		websocket_free(stream->websocket);
		cleanup_close_fd(&stream->from_fd);
		cleanup_close_fd(&stream->to_fd);
	}
	control_end(&session->control);
	for (int i = 0; i < 4; i++)
		cleanup_close_fd(&session->theirs[i]);
	cleanup_close_fd(&session->monitor);
	cleanup_close_fd(&session->stop);
}

/* The command starts when its streams are connected; "control" may come later. */
static int take_streams(struct exec_session *session, int count, struct error **error)
{
	static const char *const names[] = {"0", "1", "2"};
	for (int i = 0; i < count; i++) {
		session->streams[i].websocket =
			operation_wait_socket(session->operation, names[i], CONNECT_TIMEOUT, error);
		if (!session->streams[i].websocket)
			return -1;
	}
	return 0;
}

static int prepare(struct exec_session *session, bool interactive, struct error **error)
{
	session->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (session->stop < 0)
		return error_errno(error, errno, "making an eventfd");
	if (!session->connected)
		return open_null(session, error);
	if (take_streams(session, interactive ? 1 : STREAMS, error) < 0)
		return -1;
	return interactive ? 0 : make_pipes(session, error);
}

int exec_session_run(struct operation *operation, struct instance *instance, const json_t *request,
		     bool connected, struct error **error)
{
	bool interactive = connected && json_is_true(json_object_get(request, "interactive"));
	struct exec_session session = {.operation = operation,
				       .connected = connected,
				       .stop = -1,
				       .monitor = -1,
				       .terminal = -1,
				       .theirs = {-1, -1, -1, -1}};
	int status = -1;
	for (int i = 0; i < STREAMS; i++)
		session.streams[i] = (struct stream){.from_fd = -1, .to_fd = -1};
	int result = prepare(&session, interactive, error);
	if (result == 0)
		result = run_command(&session, instance, request, interactive, &status, error);
	finish(&session);
	/* Last: pylxd, which polls for it, breaks off when a stream closes afterwards. */
	if (result == 0)
		operation_set_metadata(operation, "return", json_integer(status));
	return result;
}
