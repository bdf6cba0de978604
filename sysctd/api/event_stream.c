/*
 * See event_stream.h. A subscriber is served by the thread of its connection, which
 * waits for the hub and for the client at once. A client that reads slowly
 * fills its queue in the hub; when that overflows the connection is cut.
 */
#include "api/event_stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "api/websocket.h"
#include "cleanup.h"
#include "memory.h"
#include "events.h"

/* LXD's types that nothing here publishes, but that its clients may ask for. */
static const char *const silent_types[] = {"network-acl", "ovn"};

static int parse_type(const char *name, unsigned *types, struct error **error)
{
	int type = event_type_from_string(name);
	if (type >= 0) {
		*types |= 1u << type;
		return 0;
	}
	for (size_t i = 0; i < sizeof(silent_types) / sizeof(silent_types[0]); i++)
		if (strcmp(name, silent_types[i]) == 0)
			return 0;
	return error_set(error, ERROR_INVALID, "\"%s\" isn't a supported event type", name);
}

/* "lifecycle,operation"; absent or empty is everything. */
static int parse_types(const char *text, unsigned *types, struct error **error)
{
	*types = 0;
	if (!text || !*text) {
		*types = (1u << EVENT_TYPE_COUNT) - 1;
		return 0;
	}
	cleanup_free char *copy = memory_strdup(text);
	char *rest = NULL;
	for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
		if (parse_type(word, types, error) < 0)
			return -1;
	return 0;
}

/* Sends what is queued until the socket holds a frame: 1 when it does, 0 when not, or -1. */
static int send_queued(struct websocket *websocket, struct event_subscriber *subscriber)
{
	for (;;) {
		int flushed = websocket_flush(websocket, NULL);
		if (flushed <= 0)
			return flushed < 0 ? -1 : 1;
		struct event_text *text = event_subscriber_next(subscriber);
		if (!text)
			return 0;
		int taken =
			websocket_post(websocket, WEBSOCKET_TEXT, text->text, text->length, NULL);
		event_text_unref(text);
		if (taken < 0)
			return -1;
	}
}

/* Whatever a client says here is dropped; false when it has gone. */
static bool drop_input(struct websocket *websocket)
{
	struct websocket_chunk chunk;
	enum websocket_result result;
	do
		result = websocket_try_receive(websocket, &chunk, NULL);
	while (result == WEBSOCKET_DATA);
	return result == WEBSOCKET_AGAIN;
}

static void serve_events(struct websocket *websocket, void *data)
{
	struct event_subscriber *subscriber = data;
	int held = 0;
	bool alive = drop_input(websocket);
	while (alive && held >= 0) {
		struct pollfd fds[2] = {
			{websocket_fd(websocket), (short)(POLLIN | (held ? POLLOUT : 0)), 0},
			{event_subscriber_fd(subscriber), POLLIN, 0},
		};
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents & ~POLLOUT && !drop_input(websocket))
			break;
		if (fds[1].revents)
			alive = event_subscriber_clear(subscriber);
		if (alive)
			held = send_queued(websocket, subscriber);
	}
	if (!held)
		websocket_close(websocket, alive ? WEBSOCKET_GOING_AWAY : WEBSOCKET_POLICY, NULL);
	websocket_free(websocket);
}

static void unsubscribe(void *subscriber)
{
	event_hub_unsubscribe(subscriber);
}

/* Subscribes before the 101 is sent: what happens after the client sees it is told. */
static struct response *get_events(struct request *request, struct error **error)
{
	unsigned types;
	if (parse_types(request_query(request, "type"), &types, error) < 0)
		return NULL;
	bool all = request_query_bool(request, "all-projects");
	struct event_subscriber *subscriber = event_hub_subscribe(
		request_events(request), types, all ? NULL : request_project(request), error);
	return subscriber ? response_websocket(serve_events, subscriber, unsubscribe) : NULL;
}

const struct route api_event_routes[] = {
	{"GET", "/1.0/events", get_events, ROUTE_WEBSOCKET, 0, NULL},
	{0},
};
