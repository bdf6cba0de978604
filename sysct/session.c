/*
 * See session.h. One poll loop. The stream is non-blocking and its input waits
 * in a buffer: a process that does not read while it writes a lot must not
 * stop us from showing what it writes.
 */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "client.h"
#include "lib/cleanup.h"

enum { CTRL_A = 1, CTRL_D = 4 };

int session_open(struct session *session, bool copies, bool console, struct error **error)
{
	static const int passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
	sigset_t signals;
	*session = (struct session)SESSION_INIT;
	session->copies = copies;
	session->console = console;
	session->size_fd = isatty(STDIN_FILENO) ? STDIN_FILENO : STDOUT_FILENO;
	sigemptyset(&signals);
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		sigaddset(&signals, passed[i]);
	if (copies) {
		sigaddset(&signals, SIGWINCH);
		sigaddset(&signals, SIGCONT);
	}
	sigprocmask(SIG_BLOCK, &signals, &session->old_mask);
	session->masked = true;
	session->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (session->signal_fd < 0)
		return error_errno(error, errno, "creating a signalfd");
	return 0;
}

void session_close(struct session *session)
{
	int fds[] = {session->control, session->stream, session->signal_fd};
	terminal_restore(&session->mode);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	session->control = session->stream = session->signal_fd = -1;
	for (size_t i = 0; i < SESSION_RELAYS; i++)
		relay_close(&session->relays[i]);
	message_reader_free(&session->reader);
	strbuf_free(&session->input);
	if (session->masked)
		sigprocmask(SIG_SETMASK, &session->old_mask, NULL);
	session->masked = false;
}

static int send_control(struct session *session, json_t *body, struct error **error)
{
	cleanup_json json_t *owned = body;
	struct error *problem = NULL;
	if (message_send(session->control, owned, NULL, 0, &problem) == 0)
		return 0;
	/* The other side may just have ended: what it said last is still to be read. */
	if (problem && problem->errnum == EPIPE) {
		error_free(problem);
		return 0;
	}
	error_move(error, problem);
	return -1;
}

static int send_size(struct session *session, struct error **error)
{
	struct terminal_size size = terminal_size(session->size_fd);
	if (!session->console) {
		if (session->stream >= 0)
			terminal_copy_size(session->size_fd, session->stream);
		return 0;
	}
	if (size.columns <= 0)
		return 0;
	return send_control(session, json_pack("{s:[i,i]}", "resize", size.columns, size.rows),
			    error);
}

/* Leaving because of a signal: the process is killed when control closes. */
static void leave(struct session *session, int signal_number)
{
	session->ended = true;
	session->status = 128 + signal_number;
}

static int on_signal(struct session *session, struct error **error)
{
	struct signalfd_siginfo info;
	if (read(session->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	int number = (int)info.ssi_signo;
	if (!session->copies)
		return send_control(session, json_pack("{s:i}", "signal", number), error);
	if (number == SIGCONT)
		terminal_make_raw(&session->mode, STDIN_FILENO);
	if (number == SIGCONT || number == SIGWINCH)
		return send_size(session, error);
	if (number == SIGUSR1 || number == SIGUSR2)
		return send_control(session, json_pack("{s:i}", "signal", number), error);
	leave(session, number);
	return 0;
}

static int set_nonblocking(int fd, struct error **error)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return error_errno(error, errno, "preparing a descriptor");
	return 0;
}

static int start_stream(struct session *session, struct error **error)
{
	if (set_nonblocking(session->stream, error) < 0)
		return -1;
	terminal_make_raw(&session->mode, STDIN_FILENO);
	return send_size(session, error);
}

static int on_message(struct session *session, struct message *message, struct error **error)
{
	if (message_check_error(message->body, error) < 0)
		return -1;
	if (json_is_true(json_object_get(message->body, "exited"))) {
		session->ended = true;
		session->status = (int)json_integer_value(json_object_get(message->body, "status"));
		const char *problem = json_string_value(json_object_get(message->body, "message"));
		if (problem)
			fprintf(stderr, "sysct: %s\n", problem);
		return 0;
	}
	if (!json_is_true(json_object_get(message->body, "started")) || !session->copies ||
	    session->mode.raw)
		return 0;
	if (session->stream < 0)
		session->stream = message_take_fd(message, 0);
	if (session->stream < 0)
		return error_set(error, ERROR_INTERNAL, "no terminal came from the instance");
	return start_stream(session, error);
}

static int on_control(struct session *session, struct error **error)
{
	while (!session->ended) {
		cleanup_message struct message message = {0};
		struct error *problem = NULL;
		int result =
			message_reader_next(&session->reader, session->control, &message, &problem);
		if (result == 0)
			return 0;
		if (result < 0 && !problem)
			return error_set(error, ERROR_INTERNAL,
					 "the instance's monitor closed the connection");
		if (result < 0) {
			error_move(error, problem);
			return -1;
		}
		if (on_message(session, &message, error) < 0)
			return -1;
	}
	return 0;
}

/* Standard output may be non-blocking, by somebody else's doing. */
static int write_output(const char *bytes, size_t length, struct error **error)
{
	while (length > 0) {
		ssize_t count = write(STDOUT_FILENO, bytes, length);
		if (count < 0 && errno == EAGAIN) {
			struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};
			poll(&room, 1, -1);
		} else if (count < 0 && errno != EINTR) {
			return error_errno(error, errno, "writing to the terminal");
		} else if (count > 0) {
			bytes += count;
			length -= (size_t)count;
		}
	}
	return 0;
}

/* 1 when more may come, 0 when the stream has nothing now, -1 on failure. */
static int copy_output(struct session *session, struct error **error)
{
	char bytes[16 << 10];
	ssize_t count = read(session->stream, bytes, sizeof(bytes));
	if (count > 0)
		return write_output(bytes, (size_t)count, error) < 0 ? -1 : 1;
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	/* The end, or EIO: nobody has the terminal open any more. */
	close(session->stream);
	session->stream = -1;
	return 0;
}

static void take_console_key(struct session *session, char key)
{
	bool escaped = session->escape;
	session->escape = false;
	if (escaped && (key == 'q' || key == 'Q')) {
		session->ended = session->detached = true;
		return;
	}
	if (!escaped && key == CTRL_A) {
		session->escape = true;
		return;
	}
	if (escaped && key != CTRL_A)
		strbuf_append_char(&session->input, CTRL_A);
	strbuf_append_char(&session->input, key);
}

static void read_input(struct session *session)
{
	char bytes[4096];
	ssize_t count = read(STDIN_FILENO, bytes, sizeof(bytes));
	if (count < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (count <= 0) {
		session->input_ended = true;
		if (!session->console)
			strbuf_append_char(&session->input, CTRL_D);
	} else if (!session->console) {
		strbuf_append_bytes(&session->input, bytes, (size_t)count);
	}
	for (ssize_t i = 0; session->console && i < count && !session->ended; i++)
		take_console_key(session, bytes[i]);
}

static void write_input(struct session *session)
{
	ssize_t count = write(session->stream, session->input.text, session->input.length);
	if (count > 0)
		strbuf_consume(&session->input, (size_t)count);
	else if (count < 0 && errno != EAGAIN && errno != EINTR)
		strbuf_clear(&session->input); /* the end is told by reading or by control */
}

static int handle(struct session *session, const struct pollfd *fds, struct error **error)
{
	if (fds[2].revents & (POLLIN | POLLHUP | POLLERR) && copy_output(session, error) < 0)
		return -1;
	if (fds[3].revents)
		read_input(session);
	if (session->stream >= 0 && session->input.length)
		write_input(session);
	if (fds[1].revents && on_signal(session, error) < 0)
		return -1;
	for (size_t i = 0; i < SESSION_RELAYS; i++)
		if (fds[4 + i].revents)
			relay_move(&session->relays[i]);
	if (fds[0].revents && on_control(session, error) < 0)
		return -1;
	return 0;
}

static int loop(struct session *session, struct error **error)
{
	while (!session->ended) {
		bool streams = session->copies && session->stream >= 0;
		bool reads = streams && !session->input_ended && !session->input.length;
		struct pollfd fds[] = {
			{.fd = session->control, .events = POLLIN},
			{.fd = session->signal_fd, .events = POLLIN},
			{.fd = streams ? session->stream : -1,
			 .events = (short)(session->input.length ? POLLIN | POLLOUT : POLLIN)},
			{.fd = reads ? STDIN_FILENO : -1, .events = POLLIN},
			relay_poll(&session->relays[0]),
			relay_poll(&session->relays[1]),
			relay_poll(&session->relays[2]),
		};
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0) {
			if (errno != EINTR)
				return error_errno(error, errno, "waiting for the instance");
			continue;
		}
		if (handle(session, fds, error) < 0)
			return -1;
	}
	return 0;
}

int session_run(struct session *session, int control, int stream, struct error **error)
{
	session->control = control;
	session->stream = stream;
	if (set_nonblocking(control, error) < 0 ||
	    (stream >= 0 && set_nonblocking(stream, error) < 0))
		return -1;
	int result = loop(session, error);
	int more = 1;
	/* What the process wrote before its end. */
	while (result == 0 && !session->detached && session->stream >= 0 && more > 0)
		more = copy_output(session, error);
	return more < 0 ? -1 : result;
}
