/* Unit tests of operations and events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "api/websocket.h"
#include "cleanup.h"
#include "events.h"
#include "operation.h"

static struct event_hub *hub;
static struct operation_manager *manager;

static int setup(void **state)
{
	(void)state;
	hub = event_hub_create();
	manager = operation_manager_create(hub, NULL);
	return manager ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(operation_manager_stop(manager, 5000), 0);
	operation_manager_free(manager);
	event_hub_free(hub);
	return 0;
}

static const char *text_of(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void destroyed(void *data)
{
	(*(int *)data)++;
}

static int succeed(struct operation *operation, void *data, struct error **error)
{
	(void)data;
	(void)error;
	operation_set_metadata(operation, "return", json_integer(7));
	return 0;
}

static int fail_it(struct operation *operation, void *data, struct error **error)
{
	(void)operation;
	(void)data;
	return error_set(error, ERROR_BUSY, "it is broken");
}

static int wait_cancel(struct operation *operation, void *data, struct error **error)
{
	(void)data;
	struct pollfd fd = {operation_cancel_fd(operation), POLLIN, 0};
	poll(&fd, 1, 10000);
	return error_set(error, ERROR_INTERNAL, "interrupted");
}

static struct operation *start(int (*run)(struct operation *, void *, struct error **),
			       int *destroy_count, bool may_cancel)
{
	struct operation *operation = NULL;
	struct operation_spec spec = {
		.description = "Testing",
		.resources = json_pack("{s:[s]}", "instances", "/1.0/instances/x"),
		.run = run,
		.may_cancel = may_cancel,
		.data = destroy_count,
		.destroy = destroyed,
	};
	assert_int_equal(operation_run(manager, &spec, &operation, NULL), 0);
	return operation;
}

static void runs(void **state)
{
	(void)state;
	int count = 0;
	cleanup_operation struct operation *operation = start(succeed, &count, false);
	assert_int_equal(operation_wait(operation, 5000, NULL, -1), 1);
	assert_int_equal(count, 1);
	json_t *json = operation_to_json(operation);
	assert_string_equal(text_of(json, "status"), "Success");
	assert_int_equal(json_integer_value(json_object_get(json, "status_code")), 200);
	assert_string_equal(text_of(json, "class"), "task");
	assert_string_equal(text_of(json, "err"), "");
	json_t *metadata = json_object_get(json, "metadata");
	assert_int_equal(json_integer_value(json_object_get(metadata, "return")), 7);
	json_decref(json);
	cleanup_operation struct operation *same = operation_find(manager, operation_id(operation));
	assert_ptr_equal(same, operation);
	assert_null(operation_find(manager, ""));
	assert_null(operation_find(manager, "zz"));
}

static void fails(void **state)
{
	(void)state;
	int count = 0;
	cleanup_operation struct operation *operation = start(fail_it, &count, false);
	operation_wait(operation, 5000, NULL, -1);
	json_t *json = operation_to_json(operation);
	assert_string_equal(text_of(json, "status"), "Failure");
	assert_string_equal(text_of(json, "err"), "it is broken");
	json_decref(json);
	cleanup_error struct error *error = NULL;
	assert_int_equal(operation_cancel(operation, &error), -1);
	assert_int_equal(error->kind, ERROR_INVALID);
}

static void cancels(void **state)
{
	(void)state;
	int count = 0;
	cleanup_operation struct operation *operation = start(wait_cancel, &count, true);
	assert_int_equal(operation_wait(operation, 20, NULL, -1), 0);
	assert_int_equal(operation_cancel(operation, NULL), 0);
	assert_int_equal(operation_wait(operation, 5000, NULL, -1), 1);
	assert_int_equal(operation_get_status(operation), OPERATION_CANCELLED);
	assert_int_equal(operation_cancel(operation, NULL), -1);
}

static void waiter_leaves(void **state)
{
	(void)state;
	int count = 0, pair[2];
	cleanup_operation struct operation *operation = start(wait_cancel, &count, true);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	close(pair[1]);
	assert_int_equal(operation_wait(operation, -1, NULL, pair[0]), 0);
	close(pair[0]);
	json_t *json = operation_to_json(operation);
	assert_int_equal(operation_wait(operation, 10, text_of(json, "updated_at"), -1), 0);
	assert_int_equal(operation_wait(operation, -1, "other", -1), 1);
	json_decref(json);
	operation_cancel(operation, NULL);
	operation_wait(operation, -1, NULL, -1);
}

static int progress(struct operation *operation, void *data, struct error **error)
{
	(void)data;
	(void)error;
	for (int i = 0; i < 50; i++)
		operation_progress(operation, "copy", i, "copying");
	struct timespec pause = {0, 300000000};
	nanosleep(&pause, NULL);
	return 0;
}

/* The last value is published although nothing follows it; the others mostly are not. */
static void limits_progress(void **state)
{
	(void)state;
	int count = 0, events = 0;
	bool last = false, ended = false;
	char updated[64] = "";
	struct event_subscriber *subscriber =
		event_hub_subscribe(hub, 1 << EVENT_OPERATION, NULL, NULL);
	cleanup_operation struct operation *operation = start(progress, &count, false);
	operation_wait(operation, 5000, NULL, -1);
	for (struct event_text *text; (text = event_subscriber_next(subscriber)); events++) {
		json_t *event = json_loads(text->text, 0, NULL);
		json_t *metadata = json_object_get(event, "metadata");
		ended = json_integer_value(json_object_get(metadata, "status_code")) == 200;
		last = last || (!ended && strstr(text->text, "\"percent\":\"49\""));
		assert_true(strcmp(updated, text_of(metadata, "updated_at")) < 0 || !*updated);
		snprintf(updated, sizeof(updated), "%s", text_of(metadata, "updated_at"));
		json_decref(event);
		event_text_unref(text);
	}
	assert_true(last);
	assert_true(ended);
	assert_in_range(events, 4, 8);
	event_hub_unsubscribe(subscriber);
}

static int take_sockets(struct operation *operation, void *data, struct error **error)
{
	(void)data;
	struct websocket *control = operation_wait_socket(operation, "control", 5000, error);
	struct websocket *websocket =
		control ? operation_wait_socket(operation, "0", 5000, error) : NULL;
	if (!websocket)
		return -1;
	bool again = operation_wait_socket(operation, "0", 5000, NULL);
	operation_close_socket(operation, "1");
	bool closed = !operation_wait_socket(operation, "1", 5000, NULL);
	websocket_free(websocket);
	websocket_free(control);
	return !again && closed ? 0 : error_set(error, ERROR_INTERNAL, "wrong socket");
}

static int connect_with(struct operation *operation, const char *secret, int *client)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	*client = pair[1];
	return operation_connect(operation, secret, websocket_create(pair[0], NULL, 0, NULL, NULL),
				 NULL);
}

static void connects(void **state)
{
	(void)state;
	static const char *const names[] = {"0", "1", "2", "control", NULL};
	struct operation *operation = NULL;
	struct operation_spec spec = {
		.class = OPERATION_WEBSOCKET, .run = take_sockets, .sockets = names};
	assert_int_equal(operation_run(manager, &spec, &operation, NULL), 0);
	json_t *json = operation_to_json(operation);
	json_t *fds = json_object_get(json_object_get(json, "metadata"), "fds");
	int clients[5];
	assert_int_equal(connect_with(operation, "no", &clients[0]), -1);
	assert_int_equal(connect_with(operation, text_of(fds, "0"), &clients[1]), 0);
	assert_int_equal(connect_with(operation, text_of(fds, "0"), &clients[2]), -1);
	assert_int_equal(connect_with(operation, text_of(fds, "2"), &clients[3]), 0);
	assert_int_equal(connect_with(operation, text_of(fds, "control"), &clients[4]), 0);
	operation_wait(operation, -1, NULL, -1);
	assert_int_equal(operation_get_status(operation), OPERATION_SUCCESS);
	assert_int_equal(operation_secret_check(operation, text_of(fds, "control"), NULL), -1);
	char byte;
	assert_int_equal(read(clients[3], &byte, 1), 0); /* the one not taken is closed */
	for (int i = 0; i < 5; i++)
		close(clients[i]);
	json_decref(json);
	operation_unref(operation);
}

static void lists(void **state)
{
	(void)state;
	int count = 0;
	cleanup_operation struct operation *operation = start(wait_cancel, &count, true);
	json_t *list = operation_manager_list(manager, 0, "default");
	json_t *running = json_object_get(list, "running");
	assert_int_equal(json_array_size(running), 1);
	assert_string_equal(json_string_value(json_array_get(running, 0)),
			    operation_url(operation));
	json_decref(list);
	list = operation_manager_list(manager, 1, "other");
	assert_int_equal(json_object_size(list), 0);
	json_decref(list);
	operation_cancel(operation, NULL);
	operation_wait(operation, -1, NULL, -1);
}

static void cuts_slow_subscribers(void **state)
{
	(void)state;
	assert_false(event_hub_wanted(hub, EVENT_LIFECYCLE));
	struct event_subscriber *slow =
		event_hub_subscribe(hub, 1 << EVENT_LIFECYCLE, "default", NULL);
	struct event_subscriber *other =
		event_hub_subscribe(hub, 1 << EVENT_LIFECYCLE, "other", NULL);
	for (int i = 0; i < EVENT_QUEUE_MAX; i++)
		event_hub_lifecycle(hub, "instance-started", "/1.0/instances/x", NULL);
	assert_true(event_subscriber_clear(slow));
	event_hub_lifecycle(hub, "instance-started", "/1.0/instances/x", NULL);
	struct pollfd fd = {event_subscriber_fd(slow), POLLIN, 0};
	assert_int_equal(poll(&fd, 1, 0), 1);
	assert_false(event_subscriber_clear(slow));
	assert_null(event_subscriber_next(slow));
	assert_null(event_subscriber_next(other));
	event_hub_unsubscribe(slow);
	event_hub_unsubscribe(other);
}

static size_t count_succeeded(void)
{
	json_t *list = operation_manager_list(manager, 0, NULL);
	size_t count = json_array_size(json_object_get(list, "success"));
	json_decref(list);
	return count;
}

/* Far more than are remembered; the manager's thread forgets the others in its own time. */
static void runs_many(void **state)
{
	(void)state;
	int count = 0;
	for (int i = 0; i < 3000; i++) {
		cleanup_operation struct operation *operation = start(succeed, &count, false);
		assert_int_equal(operation_wait(operation, -1, NULL, -1), 1);
	}
	assert_int_equal(count, 3000);
	for (int i = 0; i < 1000 && count_succeeded() > OPERATION_KEEP_MAX; i++)
		poll(NULL, 0, 10);
	assert_in_range(count_succeeded(), 1, OPERATION_KEEP_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),	 cmocka_unit_test(runs),
		cmocka_unit_test(fails),	 cmocka_unit_test(cancels),
		cmocka_unit_test(waiter_leaves), cmocka_unit_test(limits_progress),
		cmocka_unit_test(connects),	 cmocka_unit_test(cuts_slow_subscribers),
		cmocka_unit_test(runs_many),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
