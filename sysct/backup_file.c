/* See backup_file.h. */
#include "backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "assign.h"
#include "lib/cleanup.h"
#include "lib/compression.h"
#include "lib/file.h"
#include "lib/memory.h"
#include "lib/space.h"
#include "operation.h"
#include "progress.h"

enum { BLOCK = 256 << 10, PROGRESS_MS = 100 };

/* ---- what both show ---- */

struct meter {
	struct progress progress;
	const char *what, *name;
	unsigned long long bytes;
	long long begun, last; /* ms */
};

static long long milliseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void meter_init(struct meter *meter, const struct cli *cli, const char *what,
		       const char *name)
{
	*meter = (struct meter){.what = what, .name = name, .begun = milliseconds()};
	progress_init(&meter->progress, cli->quiet);
}

static void meter_add(struct meter *meter, size_t bytes)
{
	long long now = milliseconds(), time = now - meter->begun;
	meter->bytes += bytes;
	if (now - meter->last < PROGRESS_MS)
		return;
	meter->last = now;
	progress_show(&meter->progress, "%s %s: %.1f MB (%.1f MB/s)", meter->what, meter->name,
		      (double)meter->bytes / 1e6,
		      time > 0 ? (double)meter->bytes / 1e3 / (double)time : 0.0);
}

/* ---- export ---- */

/* A file that appears when it is whole. */
struct target {
	const char *path; /* NULL: standard output */
	int fd;
	bool named; /* it has its name already, where the file system has no files without */
};

static int target_open(struct target *target, struct error **error)
{
	cleanup_free char *copy = memory_strdup(target->path);
	char *slash = strrchr(copy, '/');
	if (access(target->path, F_OK) == 0)
		return error_set(error, ERROR_EXISTS, "%s exists already", target->path);
	if (slash)
		slash[slash == copy] = '\0';
	target->fd = open(slash ? copy : ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (target->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		target->fd = open(target->path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
		target->named = target->fd >= 0;
	}
	return target->fd < 0 ? error_errno(error, errno, "creating %s", target->path) : 0;
}

static int target_finish(struct target *target, struct error **error)
{
	char path[64];
	if (fsync(target->fd) < 0)
		return error_errno(error, errno, "writing %s", target->path);
	if (target->named)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", target->fd);
	if (linkat(AT_FDCWD, path, AT_FDCWD, target->path, AT_SYMLINK_FOLLOW) < 0)
		return error_errno(error, errno, "creating %s", target->path);
	return 0;
}

static void target_close(struct target *target, bool failed)
{
	if (target->fd >= 0 && target->path)
		close(target->fd);
	if (failed && target->named)
		unlink(target->path);
}

static json_t *export_body(const struct cli *cli, const struct backup_subject *subject,
			   const char *compression)
{
	return json_pack("{s:s, s:s, s:b, s:b}", "name", "", "compression_algorithm", compression,
			 subject->only_field, options_given(&cli->options, subject->only_option),
			 "optimized_storage", options_given(&cli->options, "optimized-storage"));
}

static int send_export(struct cli *cli, const struct backup_subject *subject,
		       const char *compression, struct error **error)
{
	struct http_client *http = client_http(cli_client(cli));
	cleanup_json json_t *body = export_body(cli, subject, compression);
	cleanup_free char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	if (!text)
		return cli_usage(cli, error, "the command line is not UTF-8");
	const struct http_request request = {
		.method = "POST",
		.path = subject->path,
		.headers = "Content-Type: application/json\r\n"
			   "Accept: application/octet-stream\r\n",
		.body = text,
		.length = strlen(text),
	};
	if (http_client_send(http, &request, error) == 0)
		return 0;
	cli->unreachable = http_client_fd(http) < 0;
	return -1;
}

/* What is said instead of a backup. */
static int read_refusal(struct http_client *http, struct http_response *response,
			struct error **error)
{
	char chunk[4096];
	ssize_t count;
	while ((count = http_client_read_body(http, chunk, sizeof(chunk), error)) > 0)
		strbuf_append_bytes(&response->body, chunk, (size_t)count);
	return count < 0 ? -1 : client_response_error(response, error);
}

static int read_export(struct cli *cli, int fd, struct meter *meter, struct error **error)
{
	struct http_client *http = client_http(cli_client(cli));
	cleanup_response struct http_response response = {0};
	cleanup_free char *block = memory_alloc(BLOCK);
	if (http_client_receive_head(http, &response, error) < 0)
		return -1;
	if (response.status != 200)
		return read_refusal(http, &response, error);
	for (;;) {
		ssize_t count = http_client_read_body(http, block, BLOCK, NULL);
		if (count == 0)
			return 0;
		if (count < 0)
			return error_set(
				error, ERROR_INTERNAL,
				"the backup broke off after %.1f MB: the daemon's log says "
				"why",
				(double)meter->bytes / 1e6);
		if (file_write_all(fd, block, (size_t)count) < 0)
			return error_errno(error, errno, "writing the backup");
		meter_add(meter, (size_t)count);
	}
}

static struct space space_of(const struct target *target)
{
	cleanup_free char *path = memory_printf("/proc/self/fd/%d", target->fd);
	return space_look(path, memory_printf("the file system of %s",
					      target->path ? target->path : "standard output"));
}

static int export_to(struct cli *cli, const struct backup_subject *subject, struct target *target,
		     const char *compression, struct error **error)
{
	struct meter meter;
	if (target->path && target_open(target, error) < 0)
		return -1;
	cleanup_space struct space space = space_of(target);
	meter_init(&meter, cli, "Exporting", subject->name);
	int result = send_export(cli, subject, compression, error);
	if (result == 0)
		result = read_export(cli, target->fd, &meter, error);
	progress_clear(&meter.progress);
	if (result == 0 && target->path)
		result = target_finish(target, error);
	/* How much it is when it is compressed, nobody knows before. */
	return result < 0 ? space_explain(&space, "the backup", -1, error) : 0;
}

int backup_file_export(struct cli *cli, const struct backup_subject *subject, const char *file,
		       struct error **error)
{
	const struct compression *compression =
		compression_find(options_value(&cli->options, "compression"), error);
	if (!compression)
		return cli_mark_usage(cli);
	cleanup_free char *made = memory_printf("%s%s", subject->name, compression->extension);
	struct target target = {.path = file ? file : made, .fd = -1};
	if (file && strcmp(file, "-") == 0) {
		target = (struct target){.fd = STDOUT_FILENO};
		if (isatty(STDOUT_FILENO))
			return cli_usage(cli, error, "a backup is not written to a terminal");
	}
	int result = export_to(cli, subject, &target, compression->name, error);
	target_close(&target, result < 0);
	if (result == 0 && target.path)
		cli_say(cli, "Exported %s to %s", subject->name, target.path);
	return result;
}

/* ---- import ---- */

/* "a=b&c=d", as the headers of LXD's API have it. */
static void append_pair(struct strbuf *text, const char *key, const char *value)
{
	if (text->length)
		strbuf_append_char(text, '&');
	http_append_escaped(text, key);
	strbuf_append_char(text, '=');
	http_append_escaped(text, value);
}

static void append_map(struct strbuf *text, const json_t *map)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)map, key, value) {
		cleanup_strbuf struct strbuf inner = {0};
		if (json_is_object(value))
			append_map(&inner, value);
		append_pair(text, key,
			    json_is_object(value) ? (inner.text ? inner.text : "")
						  : json_string_value(value));
	}
}

static int add_maps(struct cli *cli, struct strbuf *headers, struct error **error)
{
	cleanup_json json_t *devices = json_object();
	cleanup_json json_t *config = json_object();
	cleanup_strbuf struct strbuf device_text = {0}, config_text = {0};
	const char *word;
	for (int at = 0; (word = options_next(&cli->options, "device", &at));)
		if (assign_device(devices, word, error) < 0)
			return cli_mark_usage(cli);
	for (int at = 0; (word = options_next(&cli->options, "config", &at));)
		if (assign_add(config, word, "--config", error) < 0)
			return cli_mark_usage(cli);
	append_map(&device_text, devices);
	append_map(&config_text, config);
	if (device_text.length)
		strbuf_printf(headers, "X-LXD-devices: %s\r\n", device_text.text);
	if (config_text.length)
		strbuf_printf(headers, "X-LXD-config: %s\r\n", config_text.text);
	return 0;
}

static int add_word(struct cli *cli, struct strbuf *headers, const char *name, const char *value,
		    struct error **error)
{
	if (value && value[strcspn(value, "\r\n")])
		return cli_usage(cli, error, "a line break in %s", name);
	if (value)
		strbuf_printf(headers, "X-LXD-%s: %s\r\n", name, value);
	return 0;
}

static int send_head(struct cli *cli, const struct backup_subject *subject, struct error **error)
{
	struct http_client *http = client_http(cli_client(cli));
	cleanup_strbuf struct strbuf headers = {0};
	strbuf_append(&headers, "Content-Type: application/octet-stream\r\n");
	if (add_word(cli, &headers, "name", subject->name, error) < 0 ||
	    add_word(cli, &headers, "pool", subject->pool, error) < 0 ||
	    add_maps(cli, &headers, error) < 0)
		return -1;
	const struct http_request request = {
		.method = "POST",
		.path = subject->path,
		.headers = headers.text,
		.chunked = true,
	};
	if (http_client_send(http, &request, error) == 0)
		return 0;
	cli->unreachable = http_client_fd(http) < 0;
	return -1;
}

/* A daemon that has had enough closes the connection after its answer: that is what matters then. */
static int send_file(struct cli *cli, int fd, struct meter *meter, struct error **error)
{
	struct http_client *http = client_http(cli_client(cli));
	cleanup_free char *block = memory_alloc(BLOCK);
	for (;;) {
		ssize_t count = read(fd, block, BLOCK);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return error_errno(error, errno, "reading the backup");
		if (http_client_send_chunk(http, block, (size_t)count, NULL) < 0 || count == 0)
			return 0;
		meter_add(meter, (size_t)count);
	}
}

static int import_from(struct cli *cli, const struct backup_subject *subject, int fd,
		       const char *name, struct error **error)
{
	struct meter meter;
	cleanup_reply struct reply reply = {0};
	cleanup_json json_t *result = NULL;
	if (send_head(cli, subject, error) < 0)
		return -1;
	meter_init(&meter, cli, "Importing", name);
	int sent = send_file(cli, fd, &meter, error);
	progress_clear(&meter.progress);
	if (sent < 0 || client_receive(cli_client(cli), &reply, error) < 0 ||
	    operation_finish(cli, &reply, "Importing", &result, error) < 0)
		return -1;
	cli_say(cli, "Imported %s", json_text(json_object_get(result, "metadata"), "name"));
	return 0;
}

int backup_file_import(struct cli *cli, const struct backup_subject *subject, const char *file,
		       struct error **error)
{
	cleanup_close int opened = -1;
	if (strcmp(file, "-") == 0) {
		if (isatty(STDIN_FILENO))
			return cli_usage(cli, error, "a backup is not read from a terminal");
		return import_from(cli, subject, STDIN_FILENO, "a backup", error);
	}
	opened = open(file, O_RDONLY | O_CLOEXEC);
	if (opened < 0)
		return error_errno(error, errno, "opening %s", file);
	return import_from(cli, subject, opened, file, error);
}
