/* See operation.h. */
#include "operation.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/memory.h"
#include "lib/paths.h"
#include "progress.h"

/* Status codes of the API: from 200 on an operation has ended. */
enum { STATUS_SUCCESS = 200, STATUS_CANCELLED = 401 };

struct waiting {
	struct cli *cli;
	struct progress progress;
	const char *id;
	const char *label;
	sigset_t signals, old_mask;
	int signal_fd;
	bool cancelled;
};

static int status_code(const json_t *operation)
{
	return (int)json_integer_value(json_object_get(operation, "status_code"));
}

int operation_check(const json_t *operation, struct error **error)
{
	int status = status_code(operation);
	const char *text = json_text(operation, "err");
	/* Beside the sentence the daemon names its kind, which becomes our exit code. */
	const char *name = json_text(json_object_get(operation, "metadata"), "error_kind");
	enum error_kind kind = error_kind_from_string(name);
	if (status == STATUS_SUCCESS)
		return 0;
	if (status == STATUS_CANCELLED)
		return error_set(error, ERROR_CANCELLED, "%s", *text ? text : "cancelled");
	return error_set(error, kind, "%s", *text ? text : "the operation failed");
}

/* A progress object of ours, or a text such as LXD's "download_progress": "rootfs: 45%". */
static bool describe_member(struct strbuf *text, const char *key, const json_t *value)
{
	size_t length = strlen(key);
	if (strcmp(key, "progress") == 0 && json_is_object(value)) {
		const char *percent = json_text(value, "percent");
		const char *sentence = json_text(value, "text");
		strbuf_append(text, *sentence ? sentence : json_text(value, "stage"));
		if (*percent)
			strbuf_printf(text, " %s%%", percent);
		return true;
	}
	if (length > 9 && strcmp(key + length - 9, "_progress") == 0 && json_is_string(value)) {
		strbuf_append(text, json_string_value(value));
		return true;
	}
	return false;
}

static void show_progress(struct waiting *waiting, const json_t *operation)
{
	cleanup_strbuf struct strbuf text = {0};
	const char *key;
	json_t *value;
	json_object_foreach (json_object_get(operation, "metadata"), key, value)
		if (describe_member(&text, key, value))
			break;
	progress_show(&waiting->progress, text.length ? "%s: %s" : "%s%s", waiting->label,
		      text.text ? text.text : "");
}

static void take_signals(struct waiting *waiting)
{
	sigemptyset(&waiting->signals);
	sigaddset(&waiting->signals, SIGINT);
	sigaddset(&waiting->signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &waiting->signals, &waiting->old_mask);
	waiting->signal_fd = signalfd(-1, &waiting->signals, SFD_CLOEXEC);
}

static void give_signals_back(struct waiting *waiting)
{
	if (waiting->signal_fd >= 0)
		close(waiting->signal_fd);
	sigprocmask(SIG_SETMASK, &waiting->old_mask, NULL);
	progress_clear(&waiting->progress);
}

/* Asks for the cancelling over a connection of its own: this one is busy waiting. */
static int ask_to_cancel(const struct waiting *waiting)
{
	cleanup_free char *socket = paths_socket();
	cleanup_free char *path = client_path("/1.0/operations/%s", waiting->id, NULL);
	struct client *client = client_new(socket, 2000);
	cleanup_reply struct reply reply = {0};
	int result = client_request(client, "DELETE", path, NULL, &reply, NULL);
	client_free(client);
	return result;
}

static void on_signal(struct waiting *waiting)
{
	struct signalfd_siginfo info;
	if (read(waiting->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (!waiting->cancelled && ask_to_cancel(waiting) == 0) {
		waiting->cancelled = true;
		waiting->label = "Cancelling";
		progress_show(&waiting->progress, "Cancelling");
		return;
	}
	give_signals_back(waiting);
	waiting->signal_fd = -1;
	fprintf(stderr,
		"sysct: the operation goes on in the daemon\n"
		"hint: sysct operation wait %s\n",
		waiting->id);
	raise((int)info.ssi_signo);
}

/* Waits until the daemon answers, and minds signals until then. */
static int receive_minding_signals(struct waiting *waiting, struct reply *reply,
				   struct error **error)
{
	struct client *client = cli_client(waiting->cli);
	for (;;) {
		struct pollfd fds[] = {
			{.fd = http_client_fd(client_http(client)), .events = POLLIN},
			{.fd = waiting->signal_fd, .events = POLLIN},
		};
		int ready = poll(fds, 2, -1);
		if (ready < 0 && errno != EINTR)
			return error_errno(error, errno, "waiting for the daemon");
		if (ready > 0 && fds[1].revents)
			on_signal(waiting);
		if (ready > 0 && fds[0].revents)
			return client_receive(client, reply, error);
	}
}

/* The path that answers when the operation ended, or (with a display) when it moved on. */
static char *wait_path(const struct waiting *waiting, const json_t *operation)
{
	const char *since = json_text(operation, "updated_at");
	if (waiting->progress.enabled && *since)
		return client_path("/1.0/operations/%s/wait?since=%s", waiting->id, since, NULL);
	return client_path("/1.0/operations/%s/wait", waiting->id, NULL);
}

static json_t *wait_for_end(struct waiting *waiting, const json_t *first, struct error **error)
{
	cleanup_json json_t *operation = json_incref((json_t *)first);
	while (status_code(operation) < STATUS_SUCCESS) {
		cleanup_reply struct reply reply = {0};
		cleanup_free char *path = wait_path(waiting, operation);
		show_progress(waiting, operation);
		if (client_send(cli_client(waiting->cli), "GET", path, NULL, NULL, error) < 0 ||
		    receive_minding_signals(waiting, &reply, error) < 0)
			return NULL;
		json_decref(operation);
		operation = json_steal(&reply.metadata);
		if (!json_is_object(operation)) {
			error_set(error, ERROR_INTERNAL, "the daemon lost the operation");
			return NULL;
		}
	}
	return json_steal(&operation);
}

int operation_finish(struct cli *cli, const struct reply *reply, const char *label, json_t **result,
		     struct error **error)
{
	if (result)
		*result = NULL;
	if (!reply->operation) {
		if (result)
			*result = json_incref(reply->metadata);
		return 0;
	}
	struct waiting waiting = {.cli = cli, .id = reply->operation, .label = label};
	progress_init(&waiting.progress, cli->quiet);
	take_signals(&waiting);
	cleanup_json json_t *end = wait_for_end(&waiting, reply->metadata, error);
	give_signals_back(&waiting);
	if (!end || operation_check(end, error) < 0)
		return -1;
	if (result)
		*result = json_steal(&end);
	return 0;
}

int operation_run(struct cli *cli, const char *method, const char *path, const json_t *body,
		  const char *label, json_t **result, struct error **error)
{
	cleanup_reply struct reply reply = {0};
	if (result)
		*result = NULL;
	if (client_request(cli_client(cli), method, path, body, &reply, error) < 0)
		return -1;
	return operation_finish(cli, &reply, label, result, error);
}

void batch_init(struct batch *batch, char *const *names, int count)
{
	cleanup_free char *socket = paths_socket();
	batch->items = memory_alloc(sizeof(*batch->items) * (size_t)(count + 1));
	batch->count = count;
	for (int i = 0; i < count; i++) {
		batch->items[i].name = names[i];
		batch->items[i].client = client_new(socket, 0);
	}
}

void batch_free(struct batch *batch)
{
	for (int i = 0; i < batch->count; i++) {
		client_free(batch->items[i].client);
		reply_clear(&batch->items[i].reply);
		error_free(batch->items[i].error);
	}
	free(batch->items);
	*batch = (struct batch){0};
}

static void batch_receive(struct batch *batch)
{
	for (int i = 0; i < batch->count; i++) {
		struct batch_item *item = &batch->items[i];
		if (!item->sent)
			continue;
		reply_clear(&item->reply);
		client_receive(item->client, &item->reply, &item->error);
		item->sent = false;
	}
}

static void batch_wait(struct batch *batch)
{
	for (int i = 0; i < batch->count; i++) {
		struct batch_item *item = &batch->items[i];
		if (item->error || !item->reply.operation)
			continue;
		cleanup_free char *path =
			client_path("/1.0/operations/%s/wait", item->reply.operation, NULL);
		item->sent = client_send(item->client, "GET", path, NULL, NULL, &item->error) == 0;
	}
	for (int i = 0; i < batch->count; i++) {
		struct batch_item *item = &batch->items[i];
		cleanup_reply struct reply reply = {0};
		if (item->sent && client_receive(item->client, &reply, &item->error) == 0)
			operation_check(reply.metadata, &item->error);
		item->sent = false;
	}
}

void batch_run(struct batch *batch, const char *method, const char *path_format, const json_t *body)
{
	for (int i = 0; i < batch->count; i++) {
		struct batch_item *item = &batch->items[i];
		if (item->error)
			continue;
		cleanup_free char *path = client_path(path_format, item->name, NULL);
		item->sent = client_send(item->client, method, path, body, NULL, &item->error) == 0;
	}
	batch_receive(batch);
	batch_wait(batch);
}

int batch_finish(struct cli *cli, struct batch *batch, struct error **error)
{
	for (int i = 0; i < batch->count; i++) {
		struct batch_item *item = &batch->items[i];
		if (!item->error)
			continue;
		if (error && *error) {
			cli_print_error(*error);
			error_free(*error);
			*error = NULL;
		}
		/* A daemon that is away is told once, not for each name. */
		if (client_unreachable(item->client)) {
			cli->unreachable = true;
			error_move(error, steal_pointer(&item->error));
			return -1;
		}
		if (batch->count > 1)
			error_prefix(&item->error, "%s", item->name);
		error_move(error, steal_pointer(&item->error));
	}
	return error && *error ? -1 : 0;
}
