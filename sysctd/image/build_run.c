/*
 * One build from start to end, in its own thread: a directory for the
 * template, the two processes, and the image's place in pool and database.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "file.h"
#include "image/build.h"
#include "image/build_process.h"
#include "image/command.h"
#include "image/store.h"
#include "image/unpack.h"
#include "log.h"
#include "memory.h"
#include "server.h"
#include "db/objects.h"
#include "storage/pool_space.h"
#include "storage/storage.h"

/* WRONG_USAGE: a template's status for an option that it does not take. */
enum { FINGERPRINT_LENGTH = 64, WRONG_USAGE = 2 };

static char *make_token(void)
{
	unsigned char bytes[16];
	cleanup_strbuf struct strbuf token = {0};
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return NULL;
	for (size_t i = 0; i < sizeof(bytes); i++)
		strbuf_printf(&token, "%02x", bytes[i]);
	return strbuf_steal(&token);
}

static int unpack_failure(const struct build_process *process, const char *alias,
			  struct error **error)
{
	enum error_kind kind =
		process->unpack.status == UNPACK_NO_SPACE ? ERROR_NO_SPACE : ERROR_INTERNAL;
	cleanup_free char *line = command_last_line(process->complaint.text);
	error_set(error, kind, "unpacking image %s failed: %s", alias,
		  line ? line : "sysct-unpack was killed");
	return error_set_errnum(error, kind == ERROR_NO_SPACE ? ENOSPC : 0);
}

/* Why the build failed, if it did. The order is that of cause and effect. */
static int check_end(const struct build_process *process, const char *alias, struct error **error)
{
	if (process->cancelled)
		return error_set(error, ERROR_CANCELLED, "building image %s was cancelled", alias);
	bool template_failed = process->template.status != 0;
	/* Its pipe broke since nobody read it any more, and that was seen first. */
	bool broken = process->template.status == 128 + SIGPIPE;
	if (process->unpack_failed_first ||
	    ((!template_failed || broken) && process->unpack.status != 0))
		return unpack_failure(process, alias, error);
	if (!template_failed)
		return 0;
	enum error_kind kind =
		process->template.status == WRONG_USAGE ? ERROR_INVALID : ERROR_INTERNAL;
	cleanup_free char *line = command_last_line(process->tail.text);
	if (line)
		return error_set(error, kind, "building image %s failed: %s", alias, line);
	return error_set(error, ERROR_INTERNAL,
			 "building image %s failed: the template ended with status %d", alias,
			 process->template.status);
}

static json_t *load_metadata(const char *target, struct error **error)
{
	json_error_t problem;
	cleanup_free char *path = memory_printf("%s/metadata.json", target);
	json_t *metadata = json_load_file(path, 0, &problem);
	if (metadata && json_is_string(json_object_get(metadata, "architecture")))
		return metadata;
	error_set(error, ERROR_INTERNAL, "the template's metadata.json is %s",
		  metadata ? "without an architecture" : "no JSON");
	json_decref(metadata);
	return NULL;
}

static int store(const struct build_request *request, const char *token, const char *target,
		 const json_t *answer, struct error **error)
{
	json_t *metadata = load_metadata(target, error);
	if (!metadata)
		return -1;
	const struct image_result result = {
		.token = token,
		.fingerprint = json_string_value(json_object_get(answer, "fingerprint")),
		.size = json_integer_value(json_object_get(answer, "bytes")),
		.metadata = metadata,
		.template = request->match->name,
		.options = request->match->options,
		.aliases = request->match->aliases,
		.wanted = request->alias,
		.take_aliases = request->take_aliases,
	};
	int stored = image_store_commit(request->server, &result, error);
	json_decref(metadata);
	return stored;
}

/* Checks what the processes left, and stores it; the fingerprint. */
static char *finish(const struct build_request *request, const struct build_process *process,
		    const char *token, const char *target, struct error **error)
{
	if (check_end(process, request->alias, error) < 0)
		return NULL;
	json_t *answer = json_loads(process->answer.text ? process->answer.text : "", 0, NULL);
	const char *text = json_string_value(json_object_get(answer, "fingerprint"));
	char *fingerprint = NULL;
	if (!text || strlen(text) != FINGERPRINT_LENGTH)
		error_set(error, ERROR_INTERNAL, "unpacking image %s gave no fingerprint",
			  request->alias);
	else if (store(request, token, target, answer, error) == 0)
		fingerprint = memory_strdup(text);
	json_decref(answer);
	return fingerprint;
}

static char *run_processes(const struct build_request *request, const char *directory,
			   const char *token, const char *target, struct error **error)
{
	struct build_process process;
	char *fingerprint = NULL;
	if (build_process_start(&process, request, directory, target, error) == 0) {
		build_process_wait(&process, request);
		fingerprint = finish(request, &process, token, target, error);
	}
	build_process_clear(&process);
	return fingerprint;
}

static char *run_in_directory(const struct build_request *request, const char *directory,
			      const char *token, struct error **error)
{
	struct storage *storage = request->server->storage;
	const char *pool = image_pool(request->server);
	if (file_make_directories(directory, 0700, error) < 0)
		return NULL;
	cleanup_object_row struct object_row row = {0};
	if (storage_pool_require(request->server, pool, error) < 0 ||
	    db_object_get(request->server->db, &db_pools, pool, &row, error) < 0)
		return NULL;
	cleanup_space struct space space = space_of_pool(storage, pool);
	cleanup_free char *target = storage_image_begin(storage, pool, row.kind, token, error);
	char *fingerprint = target ? run_processes(request, directory, token, target, error) : NULL;
	if (fingerprint)
		return fingerprint;
	if (target)
		storage_image_abort(storage, pool, token);
	space_explain(&space, "the image", -1, error);
	return NULL;
}

char *build_run(const struct build_request *request, struct error **error)
{
	cleanup_free char *token = make_token();
	cleanup_free char *builds = image_builds_directory(request->server);
	if (!token) {
		error_set(error, ERROR_INTERNAL, "no random bytes for the build of an image");
		return NULL;
	}
	cleanup_free char *directory = memory_printf("%s/%s", builds, token);
	cleanup_error struct error *problem = NULL;
	log_event(LOG_LEVEL_INFO, NULL, "building image %s with %s", request->alias,
		  request->match->path);
	char *fingerprint = run_in_directory(request, directory, token, error);
	if (file_remove_tree_at(-1, directory, &problem) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "%s", error_message(problem));
	log_event(LOG_LEVEL_INFO, NULL, "building image %s %s", request->alias,
		  fingerprint ? "is done" : "failed");
	return fingerprint;
}
