/*
 * The layers of an import. Each tree is unpacked into a flat layer. Where the driver can, those after
 * the first then become layers that have only what differs from the one before, and go: what an import
 * takes at most is all trees whole, and in the end about what the original takes.
 */
#include <stdlib.h>
#include <string.h>

#include "backup/import_internal.h"
#include "cleanup.h"
#include "fault.h"
#include "memory.h"
#include "operation.h"
#include "server.h"
#include "storage/storage.h"

/* Whether its layer is made of what was unpacked, which is elsewhere then. */
static bool is_made_anew(const struct import_plan *plan, size_t number)
{
	return plan->shares && number > 0;
}

void import_plan_add_tree(struct import_plan *plan, char *name, char *given)
{
	size_t number = plan->tree_count++;
	bool stays = given && !is_made_anew(plan, number);
	plan->trees = memory_realloc(plan->trees, plan->tree_count * sizeof(*plan->trees));
	plan->trees[number] = (struct import_tree){
		.name = name,
		.directory = stays ? memory_strdup(given) : storage_new_layer_directory(),
		.given = given,
	};
}

int import_plan_format(struct import_plan *plan, const json_t *index, struct error **error)
{
	const char *driver = import_text(index, "backend"), *kind = plan->pool.kind;
	plan->streamed = json_is_true(json_object_get(index, "optimized"));
	if (!plan->streamed || (strcmp(driver, kind) == 0 && storage_sends(kind)))
		return 0;
	return error_set(
		error, ERROR_UNSUPPORTED,
		"the backup is in the format of the storage driver \"%s\", which only that "
		"driver can read, and pool %s is of the driver %s: export it without "
		"--optimized-storage%s",
		driver, plan->pool.name, kind,
		storage_sends(driver) ? ", or name another pool" : "");
}

/* ---- unpacking ---- */

/* "layers/.new-TOKEN", as long as it has no row; the caller frees it. */
static char *new_directory(const char *directory)
{
	const char *name = strrchr(directory, '/') + 1;
	return memory_printf("%.*s.new-%s", (int)(name - directory), directory, name);
}

static char *make_tree(struct server *server, const struct import_plan *plan,
		       const struct import_tree *tree, struct error **error)
{
	const struct layer_place place = {plan->pool.kind, plan->pool.name, tree->directory,
					  plan->size};
	if ((plan->streamed ? storage_layer_bare(server->storage, &place, error)
			    : storage_layer_empty(server->storage, &place, error)) < 0)
		return NULL;
	cleanup_free char *new = new_directory(tree->directory);
	const struct layer_row layer = {.pool = plan->pool.name, .directory = new};
	cleanup_free char *path = storage_layer_path(server->storage, &layer);
	return memory_printf("%s=%s%s", tree->name, path, plan->streamed ? "" : "/rootfs");
}

void import_words_free(char **words)
{
	free(words[1]);
	for (char **at = words + 2; *at; at++)
		free(*at);
	free(words);
}

char **import_layers_make(struct server *server, struct import_plan *plan, struct error **error)
{
	char **words = memory_alloc((plan->tree_count + 3) * sizeof(*words));
	size_t i = 0;
	while (i < plan->tree_count &&
	       (words[i + 2] = make_tree(server, plan, &plan->trees[i], error)))
		i++;
	if (i == plan->tree_count)
		return words;
	import_layers_abort(server, plan);
	import_words_free(words);
	return NULL;
}

void import_layers_abort(struct server *server, struct import_plan *plan)
{
	if (plan->layers)
		transfer_free(plan->layers);
	plan->layers = NULL;
	for (size_t i = 0; i < plan->tree_count; i++)
		storage_layer_abort(server->storage, plan->pool.name, plan->trees[i].directory);
}

/* ---- sharing ---- */

static int make_anew(struct server *server, struct import_plan *plan,
		     const struct import_tree *tree, struct error **error)
{
	cleanup_free char *new = new_directory(tree->directory);
	struct layer_row unpacked = {.pool = plan->pool.name, .directory = new, .flat = true};
	const struct layer_list chain = {&unpacked, 1};
	if (transfer_add(plan->layers, &chain, tree->given, error) < 0)
		return -1;
	storage_layer_abort(server->storage, plan->pool.name, tree->directory);
	return 0;
}

int import_layers_share(struct server *server, struct import_plan *plan,
			struct operation *operation, struct error **error)
{
	plan->layers = transfer_new(server, &plan->pool, operation);
	transfer_rounded(plan->layers);
	for (size_t i = 0; i < plan->tree_count; i++) {
		const struct import_tree *tree = &plan->trees[i];
		if (!is_made_anew(plan, i))
			transfer_adopt(plan->layers, tree->directory, tree->given);
		else if (make_anew(server, plan, tree, error) < 0)
			return -1;
		fault_point("import.shared");
	}
	return 0;
}
