/* See operations.h. */
#include "api/operations.h"

#include <limits.h>
#include <stdlib.h>

#include "api/websocket.h"
#include "cleanup.h"
#include "memory.h"
#include "operation.h"

static struct operation *find(struct request *request, struct error **error)
{
	const char *id = request_parameter(request, "id");
	struct operation *operation = operation_find(request_operations(request), id);
	if (!operation)
		error_set(error, ERROR_NOT_FOUND, "operation \"%s\" not found", id);
	return operation;
}

static struct response *list_operations(struct request *request, struct error **error)
{
	(void)error;
	bool all = request_query_bool(request, "all-projects");
	return response_sync(operation_manager_list(request_operations(request),
						    request_recursion(request),
						    all ? NULL : request_project(request)));
}

static struct response *get_operation(struct request *request, struct error **error)
{
	cleanup_operation struct operation *operation = find(request, error);
	return operation ? response_sync(operation_to_json(operation)) : NULL;
}

static struct response *delete_operation(struct request *request, struct error **error)
{
	cleanup_operation struct operation *operation = find(request, error);
	if (!operation || operation_cancel(operation, error) < 0)
		return NULL;
	return response_empty();
}

/*
 * ?timeout=SECONDS, -1 (and absent) for ever. ?since=UPDATED_AT returns at the
 * first change after that one. When the time is over the operation is told as
 * it is, as LXD does.
 */
static struct response *wait_operation(struct request *request, struct error **error)
{
	long seconds;
	cleanup_operation struct operation *operation = find(request, error);
	if (!operation || request_query_int(request, "timeout", -1, &seconds, error) < 0)
		return NULL;
	int timeout = seconds < 0 ? -1 : seconds > INT_MAX / 1000 ? INT_MAX : (int)seconds * 1000;
	operation_wait(operation, timeout, request_query(request, "since"), request_fd(request));
	return response_sync(operation_to_json(operation));
}

struct connecting {
	struct operation *operation;
	char *secret;
};

static void connecting_free(void *data)
{
	struct connecting *connecting = data;
	operation_unref(connecting->operation);
	free(connecting->secret);
	free(connecting);
}

static void connect_websocket(struct websocket *websocket, void *data)
{
	struct connecting *connecting = data;
	operation_connect(connecting->operation, connecting->secret, websocket, NULL);
}

static struct response *get_websocket(struct request *request, struct error **error)
{
	const char *secret = request_query(request, "secret");
	cleanup_operation struct operation *operation = find(request, error);
	if (!operation)
		return NULL;
	if (!secret || !*secret) {
		error_set(error, ERROR_INVALID, "missing secret");
		return NULL;
	}
	if (operation_secret_check(operation, secret, error) < 0)
		return NULL;
	struct connecting *connecting = memory_alloc(sizeof(*connecting));
	connecting->operation = steal_pointer(&operation);
	connecting->secret = memory_strdup(secret);
	return response_websocket(connect_websocket, connecting, connecting_free);
}

const struct route api_operation_routes[] = {
	{"GET", "/1.0/operations", list_operations, 0, 0, NULL},
	{"GET", "/1.0/operations/{id}", get_operation, 0, 0, NULL},
	{"DELETE", "/1.0/operations/{id}", delete_operation, 0, 0, NULL},
	{"GET", "/1.0/operations/{id}/wait", wait_operation, 0, 0, NULL},
	{"GET", "/1.0/operations/{id}/websocket", get_websocket, ROUTE_WEBSOCKET, 0, NULL},
	{0},
};
