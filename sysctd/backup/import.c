/* See import.h: the stream. */
#include "backup/import.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "backup/import_internal.h"
#include "backup/internal.h"
#include "cleanup.h"
#include "fault.h"
#include "file.h"
#include "memory.h"
#include "server.h"
#include "storage/pool_space.h"

/* An index comes at the beginning, but a compressor may hold it back behind other data. */
enum { KEPT_MAX = 64 << 20 };

struct import {
	struct server *server;
	enum backup_kind kind;
	char *name, *pool;
	json_t *devices, *config;
	struct strbuf kept; /* what has come before the index is known */
	struct unpack_process process;
	struct import_plan plan;
	struct space space; /* before anything is unpacked */
	bool planned;	    /* the index is known; the process unpacks */
	bool made;	    /* layers, to be removed */
	bool failed;
};

/* A directory that processes mount over; nothing is ever in it. */
static char *scratch_directory(struct server *server, struct error **error)
{
	char *path = memory_printf("%s/tmp/backups", server->paths.state);
	if (file_make_directories(path, 0700, error) == 0)
		return path;
	free(path);
	return NULL;
}

static int start_index(struct import *import, struct error **error)
{
	cleanup_free char *scratch = scratch_directory(import->server, error);
	char *const words[] = {(char *)"--index", scratch, NULL};
	return scratch ? unpack_process_start(&import->process, import->server, words, error) : -1;
}

struct import *import_begin(struct server *server, const struct import_request *request,
			    struct error **error)
{
	struct import *import = memory_alloc(sizeof(*import));
	*import = (struct import){
		.server = server,
		.kind = request->kind,
		.name = request->name ? memory_strdup(request->name) : NULL,
		.pool = request->pool ? memory_strdup(request->pool) : NULL,
		.devices = json_deep_copy(request->devices),
		.config = json_deep_copy(request->config),
		.process = UNPACK_PROCESS_INIT,
	};
	if (start_index(import, error) == 0)
		return import;
	import_free(import);
	return NULL;
}

static int start_unpack(struct import *import, struct error **error)
{
	cleanup_free char *scratch = scratch_directory(import->server, error);
	import->space = space_of_pool(import->server->storage, import->plan.pool.name);
	char **words = scratch ? import_layers_make(import->server, &import->plan, error) : NULL;
	if (!words)
		return -1;
	import->made = true;
	words[0] = (char *)"--streams";
	words[1] = steal_pointer(&scratch);
	int result = unpack_process_start(&import->process, import->server,
					  import->plan.streamed ? words : words + 1, error);
	import_words_free(words);
	return result;
}

/* Whether it is of what is asked for. */
static int check_type(const struct import *import, const json_t *index, struct error **error)
{
	static const struct {
		const char *type, *what, *command;
	} kinds[] = {
		[BACKUP_OF_INSTANCE] = {"container", "an instance", "sysct import"},
		[BACKUP_OF_VOLUME] = {"custom", "a custom volume", "sysct storage volume import"},
	};
	const char *type = import_text(index, "type");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (i != import->kind && strcmp(type, kinds[i].type) == 0)
			return error_set(error, ERROR_INVALID,
					 "this is the backup of %s: it is for '%s'", kinds[i].what,
					 kinds[i].command);
	return 0;
}

static int make_plan(struct import *import, const json_t *index, struct error **error)
{
	const struct import_request request = {import->kind, import->name, import->pool,
					       import->devices, import->config};
	if (check_type(import, index, error) < 0)
		return -1;
	import->plan.kind = import->kind == BACKUP_OF_VOLUME ? &import_volume : &import_instance;
	return import->plan.kind->plan(&import->plan, import->server, &request, index, error);
}

/* The process that looked for the index has ended. */
static int take_index(struct import *import, struct error **error)
{
	if (unpack_process_end(&import->process, error) < 0)
		return -1;
	json_t *index = json_loadb(import->process.answer.text ? import->process.answer.text : "",
				   import->process.answer.length, 0, NULL);
	unpack_process_clear(&import->process);
	int result = index ? make_plan(import, index, error)
			   : error_set(error, ERROR_INTERNAL, "index.yaml cannot be told");
	json_decref(index);
	if (result < 0 || start_unpack(import, error) < 0)
		return -1;
	import->planned = true;
	fault_point("import.begun");
	result = unpack_process_write(&import->process, import->kept.text, import->kept.length,
				      error);
	strbuf_free(&import->kept);
	return result;
}

static int write_before(struct import *import, const void *bytes, size_t length,
			struct error **error)
{
	if (import->kept.length + length > KEPT_MAX)
		return error_set(error, ERROR_INVALID,
				 "this is no backup: index.yaml is not at its beginning");
	strbuf_append_bytes(&import->kept, bytes, length);
	if (unpack_process_write(&import->process, bytes, length, error) < 0)
		return -1;
	return import->process.deaf ? take_index(import, error) : 0;
}

static int write_after(struct import *import, const void *bytes, size_t length,
		       struct error **error)
{
	if (unpack_process_write(&import->process, bytes, length, error) < 0)
		return -1;
	/* It reads to the end of its input, or has a reason not to. */
	return import->process.deaf ? unpack_process_end(&import->process, error) : 0;
}

/* Before the failure is told. */
static void give_up(struct import *import)
{
	import->failed = true;
	/* Before what it writes into goes. */
	unpack_process_clear(&import->process);
	if (import->made && !import->plan.stored)
		import_layers_abort(import->server, &import->plan);
	import->made = false;
}

int import_write(struct import *import, const void *bytes, size_t length, struct error **error)
{
	int result = import->planned ? write_after(import, bytes, length, error)
				     : write_before(import, bytes, length, error);
	if (result < 0)
		give_up(import);
	return result < 0 ? space_explain(&import->space, "the import", -1, error) : 0;
}

static int end(struct import *import, struct error **error)
{
	if (import->failed)
		return error_set(error, ERROR_INTERNAL, "the import has failed");
	if (!import->planned && take_index(import, error) < 0)
		return -1;
	return unpack_process_end(&import->process, error);
}

int import_end(struct import *import, struct error **error)
{
	if (end(import, error) < 0) {
		give_up(import);
		return space_explain(&import->space, "the import", -1, error);
	}
	fault_point("import.unpacked");
	return 0;
}

const char *import_name(const struct import *import)
{
	return import->plan.kind->name(&import->plan);
}

const char *import_pool(const struct import *import)
{
	return import->plan.pool.name;
}

int import_store(struct import *import, struct operation *operation, struct error **error)
{
	if (import_layers_share(import->server, &import->plan, operation, error) == 0 &&
	    import_plan_store(import->server, &import->plan, error) == 0)
		return 0;
	give_up(import);
	return -1;
}

void import_free(struct import *import)
{
	give_up(import);
	if (import->plan.kind && !import->plan.stored)
		import->plan.kind->abort(import->server, &import->plan);
	import_plan_clear(&import->plan);
	space_clear(&import->space);
	strbuf_free(&import->kept);
	free(import->name);
	free(import->pool);
	json_decref(import->devices);
	json_decref(import->config);
	free(import);
}
