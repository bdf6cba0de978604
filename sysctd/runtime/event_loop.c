/* See event_loop.h; epoll(7). */
#include "event_loop.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>

int event_loop_init(struct event_loop *loop)
{
	loop->stopped = false;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll < 0 ? -1 : 0;
}

int event_loop_add(struct event_loop *loop, struct event_source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};
	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event);
}

void event_loop_change(struct event_loop *loop, struct event_source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};
	epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event);
}

void event_loop_remove(struct event_loop *loop, struct event_source *source)
{
	if (source->fd >= 0)
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
}

void event_loop_run(struct event_loop *loop)
{
	while (!loop->stopped) {
		struct epoll_event event;
		int count = epoll_wait(loop->epoll, &event, 1, -1);
		if (count < 0 && errno != EINTR)
			return;
		if (count == 1) {
			struct event_source *source = event.data.ptr;
			source->ready(source, event.events);
		}
	}
}
