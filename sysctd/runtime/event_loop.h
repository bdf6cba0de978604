/* One epoll loop: a descriptor and the function that serves it. */
#ifndef SYSCT_EVENT_LOOP_H
#define SYSCT_EVENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct event_source {
	int fd; /* -1 while it is not in a loop */
	void (*ready)(struct event_source *source, uint32_t events);
	void *data;
};

struct event_loop {
	int epoll;
	bool stopped;
};

int event_loop_init(struct event_loop *loop); /* -1 with errno */
int event_loop_add(struct event_loop *loop, struct event_source *source, uint32_t events);
void event_loop_change(struct event_loop *loop, struct event_source *source, uint32_t events);

/* Takes the source out; its descriptor stays open and is the caller's. */
void event_loop_remove(struct event_loop *loop, struct event_source *source);

/*
 * Serves one event at a time until loop->stopped: a function may then free
 * any other source, since no event for it is waiting in a list.
 */
void event_loop_run(struct event_loop *loop);

#endif
