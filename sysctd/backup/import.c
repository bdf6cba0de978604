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
#include "instance/internal.h"
#include "memory.h"
#include "network/nic.h"
#include "server.h"
#include "storage/pool_space.h"

/* An index comes at the beginning, but a compressor may hold it back behind other data. */
enum { KEPT_MAX = 64 << 20 };

struct import {
	struct server *server;
	char *name, *pool;
	json_t *devices, *config;
	struct strbuf kept; /* what has come before the index is known */
	struct unpack_process process;
	struct import_plan plan;
	struct space space; /* before anything is unpacked */
	bool planned;	    /* the index is known; the process unpacks */
	bool made;	    /* layers, to be removed */
	bool stored;
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
	/* The first is room for it. */
	words[0] = steal_pointer(&scratch);
	int result = unpack_process_start(&import->process, import->server, words, error);
	import_words_free(words);
	return result;
}

/* The process that looked for the index has ended. */
static int take_index(struct import *import, struct error **error)
{
	const struct import_request request = {import->name, import->pool, import->devices,
					       import->config};
	if (unpack_process_end(&import->process, error) < 0)
		return -1;
	json_t *index = json_loadb(import->process.answer.text ? import->process.answer.text : "",
				   import->process.answer.length, 0, NULL);
	unpack_process_clear(&import->process);
	int result = index ? import_plan_make(&import->plan, import->server, &request, index, error)
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

int import_write(struct import *import, const void *bytes, size_t length, struct error **error)
{
	int result = import->planned ? write_after(import, bytes, length, error)
				     : write_before(import, bytes, length, error);
	if (result < 0)
		import->failed = true;
	return result < 0 ? space_explain(&import->space, "the import", -1, error) : 0;
}

int import_end(struct import *import, struct error **error)
{
	if (import->failed)
		return error_set(error, ERROR_INTERNAL, "the import has failed");
	if ((!import->planned && take_index(import, error) < 0) ||
	    unpack_process_end(&import->process, error) < 0)
		return space_explain(&import->space, "the import", -1, error);
	fault_point("import.unpacked");
	return 0;
}

const char *import_name(const struct import *import)
{
	return import->plan.row.name;
}

int import_store(struct import *import, struct instance_row *row, struct error **error)
{
	if (import_plan_store(import->server, &import->plan, error) < 0)
		return -1;
	import->stored = true;
	instance_announce(import->server, &import->plan.row);
	*row = import->plan.row;
	import->plan.row = (struct instance_row){0};
	return 0;
}

void import_free(struct import *import)
{
	/* Before what it writes into goes. */
	unpack_process_clear(&import->process);
	if (import->made && !import->stored)
		import_layers_abort(import->server, &import->plan);
	if (import->plan.assigned && !import->stored)
		nics_release(import->server, import->plan.row.uuid);
	import_plan_clear(&import->plan);
	space_clear(&import->space);
	strbuf_free(&import->kept);
	free(import->name);
	free(import->pool);
	json_decref(import->devices);
	json_decref(import->config);
	free(import);
}
