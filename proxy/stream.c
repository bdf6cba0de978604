/*
 * Connections of streams. Each direction is a flow: bytes go by splice(2) from one socket into a
 * pipe and out of it into the other. A flow has a pipe only while bytes are in it, so an
 * idle connection costs two descriptors; it reads only when the pipe is empty, so a reader that is
 * slow slows the writer. The end of one direction is passed on by shutdown(2), the other goes on.
 *
 * A target that takes datagrams gets one for each piece that is read, and each answer
 * is written to the stream: these bytes are copied, and the end of the client ends both.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"
#include "proxy/proxy.h"

enum {
	PIPE_SIZE = 256 << 10,
	SPARE_PIPES = 8,
	FILES_EACH = 6,	   /* two sockets, two pipes */
	FILES_OTHERS = 64, /* what is not of a connection */
	ACCEPT_AT_ONCE = 16,
	RETRY = 20, /* ms */
	RETRIES = 500,
	DATAGRAM = 65536,
};

struct connection;

struct end {
	struct event_source source;
	uint32_t watched; /* 0: it is not in the loop */
};

struct flow {
	struct end *from, *to;
	int pipe[2]; /* -1: none */
	size_t held; /* bytes in it */
	bool ended;  /* nothing more comes */
	bool done;   /* and that was passed on */
};

struct connection {
	struct streams *streams;
	struct end client, target;
	struct flow up, down;
	struct proxy_listener *listener;
	int tries; /* to connect, while the target's queue is full */
	bool connecting;
	struct connection *next; /* of those that wait to try again */
};

struct streams {
	struct proxy *proxy;
	size_t count, most;
	int spare[SPARE_PIPES][2];
	size_t spares;
	struct event_source timer; /* armed while somebody waits */
	struct connection *waiting;
	bool paused; /* listeners are not watched */
	bool copies; /* the target takes datagrams */
	char datagram[DATAGRAM];
};

/* ---- pipes ---- */

static int take_pipe(struct streams *streams, struct flow *flow)
{
	if (flow->pipe[0] >= 0)
		return 0;
	if (streams->spares > 0) {
		streams->spares--;
		memcpy(flow->pipe, streams->spare[streams->spares], sizeof(flow->pipe));
		return 0;
	}
	if (pipe2(flow->pipe, O_NONBLOCK | O_CLOEXEC) < 0) {
		flow->pipe[0] = flow->pipe[1] = -1;
		return -1;
	}
	fcntl(flow->pipe[1], F_SETPIPE_SZ, PIPE_SIZE); /* not beyond the user's share */
	return 0;
}

static void drop_pipe(struct streams *streams, struct flow *flow)
{
	if (flow->pipe[0] < 0)
		return;
	if (flow->held == 0 && streams->spares < SPARE_PIPES) {
		memcpy(streams->spare[streams->spares++], flow->pipe, sizeof(flow->pipe));
	} else {
		close(flow->pipe[0]);
		close(flow->pipe[1]);
	}
	flow->pipe[0] = flow->pipe[1] = -1;
	flow->held = 0;
}

/* ---- listeners ---- */

static void pause_listeners(struct streams *streams)
{
	struct proxy *proxy = streams->proxy;
	for (size_t i = 0; i < proxy->listen.count && !streams->paused; i++)
		event_loop_remove(&proxy->loop, &proxy->listeners[i].source);
	streams->paused = true;
}

static void resume_listeners(struct streams *streams)
{
	struct proxy *proxy = streams->proxy;
	if (!streams->paused || streams->count >= streams->most)
		return;
	streams->paused = false;
	for (size_t i = 0; i < proxy->listen.count; i++)
		event_loop_add(&proxy->loop, &proxy->listeners[i].source, EPOLLIN);
}

static void arm(struct streams *streams)
{
	struct itimerspec soon = {.it_value.tv_nsec = RETRY * 1000000L};
	timerfd_settime(streams->timer.fd, 0, &soon, NULL);
}

/* ---- one connection ---- */

static void watch(struct streams *streams, struct end *end, uint32_t events)
{
	struct event_loop *loop = &streams->proxy->loop;
	if (events == end->watched)
		return;
	/* Not with an empty mask: epoll(7) reports a hang-up all the same, again and again. */
	if (events == 0)
		event_loop_remove(loop, &end->source);
	else if (end->watched == 0)
		event_loop_add(loop, &end->source, events);
	else
		event_loop_change(loop, &end->source, events);
	end->watched = events;
}

static void forget(struct streams *streams, struct connection *connection)
{
	struct connection **at = &streams->waiting;
	while (*at && *at != connection)
		at = &(*at)->next;
	if (*at)
		*at = connection->next;
}

static void connection_end(struct connection *connection, bool reset)
{
	struct streams *streams = connection->streams;
	struct end *ends[] = {&connection->client, &connection->target};
	if (connection->target.source.fd < 0)
		forget(streams, connection);
	for (int i = 0; i < 2; i++) {
		if (ends[i]->source.fd < 0)
			continue;
		watch(streams, ends[i], 0);
		if (reset)
			target_reset(ends[i]->source.fd);
		else
			close(ends[i]->source.fd);
	}
	drop_pipe(streams, &connection->up);
	drop_pipe(streams, &connection->down);
	free(connection);
	streams->count--;
	resume_listeners(streams);
}

static bool is_passing(int problem)
{
	return problem == EAGAIN || problem == EINTR;
}

/* One piece from a stream to a target of datagrams, or back; what a target does not take is lost. */
static ssize_t copy(struct connection *connection, struct flow *flow)
{
	struct streams *streams = connection->streams;
	bool up = flow == &connection->up;
	ssize_t count =
		recv(flow->from->source.fd, streams->datagram, up ? DATAGRAM / 2 : DATAGRAM, 0);
	if (count <= 0)
		return count < 0 || up ? count : (errno = EAGAIN, -1);
	if (!up)
		return write(flow->pipe[1], streams->datagram, (size_t)count);
	if (send(flow->to->source.fd, streams->datagram, (size_t)count, 0) < 0 &&
	    errno == ECONNREFUSED)
		return -1;
	errno = EAGAIN;
	return -1;
}

/* -1 when the socket is broken. */
static int fill(struct connection *connection, struct flow *flow)
{
	struct streams *streams = connection->streams;
	if (take_pipe(streams, flow) < 0)
		return -1;
	ssize_t count = streams->copies ? copy(connection, flow)
					: splice(flow->from->source.fd, NULL, flow->pipe[1], NULL,
						 PIPE_SIZE, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	if (count < 0)
		return is_passing(errno) ? 0 : -1;
	if (count == 0)
		flow->ended = true;
	flow->held = (size_t)count;
	return 0;
}

/* A reader that is gone ends this direction; what it still had to say is for the other. */
static void drain(struct streams *streams, struct flow *flow)
{
	ssize_t count = splice(flow->pipe[0], NULL, flow->to->source.fd, NULL, flow->held,
			       SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	if (count > 0)
		flow->held -= (size_t)count;
	if (count >= 0 || is_passing(errno))
		return;
	drop_pipe(streams, flow);
	flow->ended = true;
}

static int pump(struct connection *connection, struct flow *flow)
{
	struct streams *streams = connection->streams;
	if (flow->held == 0 && !flow->ended && fill(connection, flow) < 0)
		return -1;
	if (flow->held > 0)
		drain(streams, flow);
	if (flow->held == 0)
		drop_pipe(streams, flow);
	if (flow->held == 0 && flow->ended && !flow->done) {
		shutdown(flow->to->source.fd, SHUT_WR);
		flow->done = true;
	}
	return 0;
}

static uint32_t wanted(const struct flow *out_of, const struct flow *into)
{
	return (out_of->held == 0 && !out_of->ended ? EPOLLIN : 0U) |
	       (into->held > 0 ? EPOLLOUT : 0U);
}

static void look(struct connection *connection)
{
	struct flow *up = &connection->up, *down = &connection->down;
	if ((up->done && down->done) || (connection->streams->copies && (up->done || down->done))) {
		connection_end(connection, false);
		return;
	}
	watch(connection->streams, &connection->client, wanted(up, down));
	watch(connection->streams, &connection->target, wanted(down, up));
}

static int finish_connecting(struct connection *connection)
{
	char text[128];
	int problem = 0, fd = connection->target.source.fd;
	socklen_t length = sizeof(problem);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &length) < 0 || problem)
		return -1;
	connection->connecting = false;
	if (!connection->streams->proxy->header)
		return 0;
	size_t count = target_header(connection->client.source.fd, text);
	return send(fd, text, count, MSG_NOSIGNAL) == (ssize_t)count ? 0 : -1;
}

/* Both ends come here; each direction that the event can concern goes a step. */
static void end_ready(struct event_source *source, uint32_t events)
{
	struct connection *connection = source->data;
	bool client = source == &connection->client.source;
	struct flow *out_of = client ? &connection->up : &connection->down;
	struct flow *into = client ? &connection->down : &connection->up;
	if (connection->connecting && finish_connecting(connection) < 0) {
		connection_end(connection, true);
		return;
	}
	if (((events & ~(uint32_t)EPOLLOUT) && pump(connection, out_of) < 0) ||
	    (into->held > 0 && pump(connection, into) < 0)) {
		connection_end(connection, true);
		return;
	}
	look(connection);
}

/* ---- new ones ---- */

static void connect_target(struct connection *connection)
{
	struct streams *streams = connection->streams;
	int fd = target_open(streams->proxy, connection->listener->index);
	if (fd < 0 && errno == EAGAIN && connection->tries++ < RETRIES) {
		connection->next = streams->waiting;
		streams->waiting = connection;
		arm(streams);
	} else if (fd < 0) {
		connection_end(connection, true);
	} else {
		connection->target.source.fd = fd;
		watch(streams, &connection->target, EPOLLOUT);
	}
}

static void connection_start(struct proxy_listener *listener, int client)
{
	struct streams *streams = listener->proxy->streams;
	struct connection *connection = memory_alloc(sizeof(*connection));
	struct end *ends[] = {&connection->client, &connection->target};
	*connection = (struct connection){
		.streams = streams,
		.client.source = {client, end_ready, connection},
		.target.source = {-1, end_ready, connection},
		.up = {.from = ends[0], .to = ends[1], .pipe = {-1, -1}},
		.down = {.from = ends[1], .to = ends[0], .pipe = {-1, -1}},
		.listener = listener,
		.connecting = true,
	};
	if (listener->proxy->listen.kind == PROXY_TCP)
		target_tune(client);
	streams->count++;
	connect_target(connection);
}

/* Without descriptors or memory the queue waits in the kernel, and we do not spin over it. */
static void listener_ready(struct event_source *source, uint32_t events)
{
	struct proxy_listener *listener = source->data;
	struct streams *streams = listener->proxy->streams;
	(void)events;
	for (int i = 0; i < ACCEPT_AT_ONCE && streams->count < streams->most; i++) {
		int client = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (client >= 0) {
			connection_start(listener, client);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			pause_listeners(streams);
			arm(streams);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
	}
	if (streams->count >= streams->most)
		pause_listeners(streams);
}

static void timer_ready(struct event_source *source, uint32_t events)
{
	struct streams *streams = source->data;
	struct connection *waiting = streams->waiting;
	uint64_t count;
	(void)events;
	if (read(source->fd, &count, sizeof(count)) < 0)
		return;
	streams->waiting = NULL;
	while (waiting) {
		struct connection *next = waiting->next;
		waiting->next = NULL;
		connect_target(waiting);
		waiting = next;
	}
	resume_listeners(streams);
}

int streams_start(struct proxy *proxy, struct error **error)
{
	struct streams *streams = memory_alloc(sizeof(*streams));
	size_t others = FILES_OTHERS + proxy->listen.count;
	proxy->streams = streams;
	streams->proxy = proxy;
	streams->most = proxy->most_files > others + FILES_EACH
				? (proxy->most_files - others) / FILES_EACH
				: 1;
	streams->copies = proxy->connect.kind == PROXY_UDP;
	streams->timer = (struct event_source){
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), timer_ready, streams};
	if (streams->timer.fd < 0 || event_loop_add(&proxy->loop, &streams->timer, EPOLLIN) < 0)
		return error_errno(error, errno, "making a timer");
	for (size_t i = 0; i < proxy->listen.count; i++) {
		struct event_source *source = &proxy->listeners[i].source;
		*source = (struct event_source){source->fd, listener_ready, &proxy->listeners[i]};
	}
	streams->paused = true;
	resume_listeners(streams);
	return 0;
}
