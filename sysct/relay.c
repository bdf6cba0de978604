/* See relay.h. */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"

int relay_open(struct relay *relay, int fd, bool input, struct error **error)
{
	int ends[2];
	*relay = (struct relay)RELAY_INIT;
	if (!isatty(fd))
		return fd;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(error, errno, "making a pipe");
	relay->theirs = ends[input ? 0 : 1];
	relay->from = input ? fd : ends[0];
	relay->to = input ? ends[1] : fd;
	relay->owns_from = !input;
	/* Only our end of the pipe: the terminal's flags belong to all who share it. */
	fcntl(ends[input ? 1 : 0], F_SETFL, O_NONBLOCK);
	return relay->theirs;
}

void relay_started(struct relay *relay)
{
	cleanup_close_fd(&relay->theirs);
	relay->theirs = -1;
}

struct pollfd relay_poll(const struct relay *relay)
{
	return relay->length ? (struct pollfd){.fd = relay->to, .events = POLLOUT}
			     : (struct pollfd){.fd = relay->from, .events = POLLIN};
}

static void finish(struct relay *relay)
{
	cleanup_close_fd(relay->owns_from ? &relay->from : &relay->to);
	relay->from = relay->to = -1;
	relay->length = 0;
}

void relay_move(struct relay *relay)
{
	if (relay->length == 0) {
		ssize_t count = read(relay->from, relay->pending, sizeof(relay->pending));
		if (count < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (count <= 0) {
			finish(relay);
			return;
		}
		relay->length = (size_t)count;
	}
	ssize_t count = write(relay->to, relay->pending, relay->length);
	if (count > 0) {
		relay->length -= (size_t)count;
		memmove(relay->pending, relay->pending + count, relay->length);
	} else if (count < 0 && errno != EAGAIN && errno != EINTR) {
		finish(relay);
	}
}

void relay_close(struct relay *relay)
{
	struct pollfd ready = relay_poll(relay);
	while (relay->owns_from && ready.fd >= 0 && poll(&ready, 1, 0) > 0) {
		relay_move(relay);
		ready = relay_poll(relay);
	}
	if (relay->from >= 0)
		finish(relay);
	relay_started(relay);
}
