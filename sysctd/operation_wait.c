/*
 * See operation.h: cancelling, waiting, and the WebSockets of an operation. Who
 * waits has an eventfd of its own in the operation's list, and polls it together
 * with the socket of its client: a change and a client that goes away wake it,
 * and nothing else does.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "api/websocket.h"
#include "cleanup.h"
#include "events.h"
#include "memory.h"
#include "operation_internal.h"

bool operation_cancelled(struct operation *operation)
{
	pthread_mutex_lock(&operation->lock);
	bool cancelled = operation->cancelled;
	pthread_mutex_unlock(&operation->lock);
	return cancelled;
}

int operation_cancel_fd(struct operation *operation)
{
	pthread_mutex_lock(&operation->lock);
	if (operation->cancel_fd < 0)
		operation->cancel_fd = eventfd(operation->cancelled, EFD_CLOEXEC | EFD_NONBLOCK);
	int fd = operation->cancel_fd;
	pthread_mutex_unlock(&operation->lock);
	return fd;
}

/* An operation without a thread (a token) has nobody but us to end it. */
static bool cancel_idle(struct operation *operation)
{
	if (operation->spec.run)
		return false;
	pthread_mutex_lock(&operation->lock);
	operation_set_status(operation, OPERATION_CANCELLED);
	pthread_mutex_unlock(&operation->lock);
	if (operation->spec.destroy)
		operation->spec.destroy(operation->spec.data);
	operation->spec.destroy = NULL;
	operation_manager_finish(operation->manager, operation);
	return true;
}

/* Under the lock. */
static void begin_cancel(struct operation *operation)
{
	uint64_t one = 1;
	operation->cancelled = true;
	operation->may_cancel = false;
	operation->cancel_running = operation->spec.cancel;
	if (operation->cancel_fd >= 0 && write(operation->cancel_fd, &one, sizeof(one)) < 0)
		operation->cancelled = true; /* the counter is full: it is readable */
	operation_set_status(operation, OPERATION_CANCELLING);
}

int operation_cancel(struct operation *operation, struct error **error)
{
	pthread_mutex_lock(&operation->lock);
	bool allowed = operation->may_cancel && operation->status == OPERATION_RUNNING;
	bool ended = operation_ended(operation->status);
	if (allowed)
		begin_cancel(operation);
	pthread_mutex_unlock(&operation->lock);
	if (!allowed)
		return error_set(error, ERROR_INVALID,
				 ended ? "the operation has ended already"
				       : "this operation can't be cancelled");
	if (operation->spec.cancel)
		operation->spec.cancel(operation, operation->spec.data);
	pthread_mutex_lock(&operation->lock);
	operation->cancel_running = false;
	pthread_cond_broadcast(&operation->cancel_done);
	pthread_mutex_unlock(&operation->lock);
	cancel_idle(operation);
	return 0;
}

/* ---- waiting ---- */

/* What ends a wait; called under the lock. */
typedef bool (*wait_condition)(const struct operation *operation, const char *since);

static bool has_changed(const struct operation *operation, const char *since)
{
	char updated[EVENT_TIME_SIZE];
	if (operation_ended(operation->status))
		return true;
	if (!since || !*since)
		return false;
	event_format_time(&operation->updated, updated);
	return strcmp(updated, since) != 0;
}

static struct operation_socket *socket_of(const struct operation *operation, const char *name)
{
	for (size_t i = 0; i < operation->socket_count; i++)
		if (strcmp(operation->sockets[i].name, name) == 0)
			return &operation->sockets[i];
	return NULL;
}

static bool has_socket(const struct operation *operation, const char *name)
{
	const struct operation_socket *slot = socket_of(operation, name);
	return operation->cancelled || !slot || slot->connected;
}

static void remove_waiter(struct operation *operation, struct operation_waiter *waiter)
{
	struct operation_waiter **at = &operation->waiters;
	while (*at != waiter)
		at = &(*at)->next;
	*at = waiter->next;
}

static int milliseconds_left(const struct timespec *end)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	long long left = (end->tv_sec - now.tv_sec) * 1000LL +
			 (end->tv_nsec - now.tv_nsec + 999999) / 1000000;
	return left < 0 ? 0 : (int)left;
}

/* Waits for one wake-up; false when the time is over or the client has gone. */
static bool wait_once(int fd, int client_fd, const struct timespec *end)
{
	struct pollfd fds[2] = {{fd, POLLIN, 0}, {client_fd, 0, 0}};
	uint64_t count;
	int ready = poll(fds, 2, end ? milliseconds_left(end) : -1);
	if (ready < 0)
		return errno == EINTR;
	if (ready == 0 || fds[1].revents)
		return false;
	return read(fd, &count, sizeof(count)) > 0 || errno == EAGAIN;
}

/* 1 when the condition came true, 0 otherwise, -1 with errno. */
static int wait_until(struct operation *operation, wait_condition condition, const char *since,
		      int timeout, int client_fd)
{
	struct timespec end;
	clock_gettime(CLOCK_MONOTONIC, &end);
	operation_add_milliseconds(&end, timeout < 0 ? 0 : timeout);
	pthread_mutex_lock(&operation->lock);
	bool met = condition(operation, since);
	struct operation_waiter waiter = {.fd = -1};
	if (!met && timeout != 0)
		waiter.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (waiter.fd < 0) {
		pthread_mutex_unlock(&operation->lock);
		return met || timeout == 0 ? met : -1;
	}
	waiter.next = operation->waiters;
	operation->waiters = &waiter;
	while (!met) {
		pthread_mutex_unlock(&operation->lock);
		bool going_on = wait_once(waiter.fd, client_fd, timeout < 0 ? NULL : &end);
		pthread_mutex_lock(&operation->lock);
		met = condition(operation, since);
		if (!going_on)
			break;
	}
	remove_waiter(operation, &waiter);
	pthread_mutex_unlock(&operation->lock);
	close(waiter.fd);
	return met;
}

int operation_wait(struct operation *operation, int timeout, const char *since, int client_fd)
{
	return wait_until(operation, has_changed, since, timeout, client_fd) > 0;
}

/* ---- WebSockets ---- */

static int make_secret(char secret[static OPERATION_SECRET_SIZE], struct error **error)
{
	unsigned char bytes[(OPERATION_SECRET_SIZE - 1) / 2];
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return error_errno(error, errno, "making a secret");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(secret + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

int operation_make_sockets(struct operation *operation, const char *const *names,
			   struct error **error)
{
	if (operation->class != OPERATION_WEBSOCKET || !names)
		return 0;
	json_t *fds = json_object();
	operation->sockets = memory_alloc(OPERATION_MAX_SOCKETS * sizeof(*operation->sockets));
	for (; *names && operation->socket_count < OPERATION_MAX_SOCKETS; names++) {
		struct operation_socket *slot = &operation->sockets[operation->socket_count];
		if (make_secret(slot->secret, error) < 0) {
			json_decref(fds);
			return -1;
		}
		slot->name = memory_strdup(*names);
		operation->socket_count++;
		json_object_set_new(fds, *names, json_string(slot->secret));
	}
	if (!operation->metadata)
		operation->metadata = json_object();
	json_object_set_new(operation->metadata, "fds", fds);
	return 0;
}

/* Afterwards no secret fits any more. */
void operation_free_sockets(struct operation *operation)
{
	pthread_mutex_lock(&operation->lock);
	size_t count = operation->socket_count;
	cleanup_free struct operation_socket *sockets = steal_pointer(&operation->sockets);
	operation->socket_count = 0;
	pthread_mutex_unlock(&operation->lock);
	for (size_t i = 0; i < count; i++) {
		free(sockets[i].name);
		websocket_free(sockets[i].websocket);
	}
}

/* Under the lock. */
static void wake_waiters(struct operation *operation)
{
	uint64_t one = 1;
	for (struct operation_waiter *w = operation->waiters; w; w = w->next)
		if (write(w->fd, &one, sizeof(one)) < 0)
			continue; /* the counter is full: it is readable */
}

struct websocket *operation_wait_socket(struct operation *operation, const char *name, int timeout,
					struct error **error)
{
	int met = wait_until(operation, has_socket, name, timeout, -1);
	if (met < 0)
		error_errno(error, errno, "waiting for the client");
	else if (operation_cancelled(operation))
		error_set(error, ERROR_CANCELLED, "the operation was cancelled");
	else if (!met)
		error_set(error, ERROR_TIMEOUT, "the client did not connect in time");
	if (met <= 0 || operation_cancelled(operation))
		return NULL;
	pthread_mutex_lock(&operation->lock);
	struct operation_socket *slot = socket_of(operation, name);
	struct websocket *websocket = slot ? steal_pointer(&slot->websocket) : NULL;
	pthread_mutex_unlock(&operation->lock);
	if (!websocket)
		error_set(error, ERROR_NOT_FOUND, "no connection \"%s\" is to be had", name);
	return websocket;
}

void operation_close_socket(struct operation *operation, const char *name)
{
	struct websocket *websocket = NULL;
	pthread_mutex_lock(&operation->lock);
	struct operation_socket *slot = socket_of(operation, name);
	if (slot) {
		websocket = steal_pointer(&slot->websocket);
		slot->connected = true;
		wake_waiters(operation);
	}
	pthread_mutex_unlock(&operation->lock);
	websocket_free(websocket);
}

void operation_refuse_sockets(struct operation *operation)
{
	pthread_mutex_lock(&operation->lock);
	for (size_t i = 0; i < operation->socket_count; i++)
		operation->sockets[i].connected = true;
	wake_waiters(operation);
	pthread_mutex_unlock(&operation->lock);
}

/* Takes as long for a wrong secret as for a right one. */
static bool secret_equals(const char *a, const char *b)
{
	unsigned char difference = 0;
	if (strlen(b) != OPERATION_SECRET_SIZE - 1)
		return false;
	for (size_t i = 0; i < OPERATION_SECRET_SIZE - 1; i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return difference == 0;
}

/* Under the lock: the free slot that a secret opens. */
static struct operation_socket *find_slot(struct operation *operation, const char *secret,
					  struct error **error)
{
	struct operation_socket *found = NULL;
	for (size_t i = 0; i < operation->socket_count; i++)
		if (secret_equals(operation->sockets[i].secret, secret))
			found = &operation->sockets[i];
	if (!found)
		error_set(error, ERROR_NOT_FOUND, "no connection is waited for with this secret");
	else if (found->connected)
		error_set(error, ERROR_INVALID, "\"%s\" is connected already", found->name);
	return found && !found->connected ? found : NULL;
}

int operation_secret_check(struct operation *operation, const char *secret, struct error **error)
{
	pthread_mutex_lock(&operation->lock);
	bool fits = find_slot(operation, secret, error);
	pthread_mutex_unlock(&operation->lock);
	return fits ? 0 : -1;
}

int operation_connect(struct operation *operation, const char *secret, struct websocket *websocket,
		      struct error **error)
{
	pthread_mutex_lock(&operation->lock);
	struct operation_socket *slot = find_slot(operation, secret, error);
	if (slot) {
		slot->websocket = websocket;
		slot->connected = true;
		wake_waiters(operation);
	}
	pthread_mutex_unlock(&operation->lock);
	if (!slot)
		websocket_free(websocket);
	return slot ? 0 : -1;
}
