/* See template.h. */
#include "image/template.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "image/command.h"
#include "log.h"
#include "memory.h"
#include "server.h"

enum { MATCH_TIMEOUT = 30000, NOT_MINE = 3 };

struct template_list {
	char **paths;
	size_t count;
};

static void template_list_clear(struct template_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->paths[i]);
	free(list->paths);
}

#define cleanup_template_list __attribute__((cleanup(template_list_clear)))

void template_match_clear(struct template_match *match)
{
	free(match->path);
	free(match->name);
	free(match->description);
	json_decref(match->options);
	json_decref(match->aliases);
	*match = (struct template_match){0};
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static bool has_name(const struct template_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(base_name(list->paths[i]), name) == 0)
			return true;
	return false;
}

/* Others must not be able to change what root runs. */
static bool is_template(const char *path)
{
	struct stat status;
	if (stat(path, &status) < 0 || !S_ISREG(status.st_mode) || access(path, X_OK) < 0)
		return false;
	bool safe =
		(status.st_uid == 0 || status.st_uid == geteuid()) && !(status.st_mode & S_IWOTH);
	if (!safe)
		log_event(LOG_LEVEL_WARNING, NULL,
			  "template %s is not used: others than root can write it", path);
	return safe;
}

static void add_directory(struct template_list *list, const char *directory)
{
	struct dirent **entries = NULL;
	int count = scandir(directory, &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		cleanup_free char *path = memory_printf("%s/%s", directory, name);
		if (name[0] != '.' && !has_name(list, name) && is_template(path)) {
			list->paths = memory_realloc(list->paths,
						     (list->count + 1) * sizeof(*list->paths));
			list->paths[list->count++] = steal_pointer(&path);
		}
		free(entries[i]);
	}
	free(entries);
}

static void list_templates(struct server *server, struct template_list *list)
{
	cleanup_free char *own = memory_printf("%s/templates", server->paths.config);
	add_directory(list, own);
	if (server->templates)
		add_directory(list, server->templates);
}

static int not_found(const char *alias, const struct template_list *list, struct error **error)
{
	cleanup_strbuf struct strbuf names = {0};
	for (size_t i = 0; i < list->count; i++)
		strbuf_printf(&names, "%s%s", i ? ", " : "", base_name(list->paths[i]));
	return error_set(error, ERROR_NOT_FOUND,
			 "there is no image \"%s\", and no template makes one (templates: %s)",
			 alias, names.length ? names.text : "none");
}

static int broken_answer(const char *path, const char *why, struct error **error)
{
	return error_set(error, ERROR_INTERNAL, "template %s: its answer to \"match\" %s",
			 base_name(path), why);
}

static int parse_answer(const char *path, const char *text, struct template_match *match,
			struct error **error)
{
	json_error_t problem;
	json_t *answer = json_loads(text ? text : "", 0, &problem);
	json_t *options = json_object_get(answer, "options");
	json_t *aliases = json_object_get(answer, "aliases");
	const char *description = json_string_value(json_object_get(answer, "description"));
	int result = 0;
	if (!answer)
		result = broken_answer(path, "is no JSON", error);
	else if (!json_is_object(options) || !json_is_array(aliases))
		result = broken_answer(path, "lacks options or aliases", error);
	else
		*match = (struct template_match){
			.path = memory_strdup(path),
			.name = memory_strdup(base_name(path)),
			.description = memory_strdup(description ? description : ""),
			.options = json_incref(options),
			.aliases = json_incref(aliases),
		};
	json_decref(answer);
	return result;
}

/* 1 when the template makes @alias, 0 when it does not know it, -1 when it refuses it. */
static int ask(const char *path, const char *alias, struct template_match *match,
	       struct error **error)
{
	cleanup_command_output struct command_output output = {0};
	const char *const argv[] = {path, "match", alias, NULL};
	if (command_capture(argv, MATCH_TIMEOUT, &output, error) < 0)
		return -1;
	if (output.status == NOT_MINE)
		return 0;
	if (output.status == 0)
		return parse_answer(path, output.out.text, match, error) < 0 ? -1 : 1;
	cleanup_free char *line = command_last_line(output.err.text);
	if (line)
		return error_set(error, ERROR_INVALID, "%s", line);
	return error_set(error, ERROR_INTERNAL, "template %s ended with status %d", base_name(path),
			 output.status);
}

int template_find(struct server *server, const char *alias, struct template_match *match,
		  struct error **error)
{
	cleanup_template_list struct template_list list = {0};
	list_templates(server, &list);
	for (size_t i = 0; i < list.count; i++) {
		int answer = ask(list.paths[i], alias, match, error);
		if (answer != 0)
			return answer < 0 ? -1 : 0;
	}
	return not_found(alias, &list, error);
}

static bool is_option_name(const char *name)
{
	const char *at = name;
	while (isalnum((unsigned char)*at) || *at == '-' || *at == '_' || *at == '.')
		at++;
	return at != name && !*at;
}

int template_match_override(struct template_match *match, const json_t *options,
			    struct error **error)
{
	const char *key;
	json_t *value;
	json_t *merged = json_deep_copy(match->options);
	json_decref(match->options);
	match->options = merged;
	json_object_foreach ((json_t *)options, key, value) {
		if (!is_option_name(key) || !json_is_string(value))
			return error_set(error, ERROR_INVALID,
					 "template option \"%s\" must be a name with a text", key);
		json_object_set(merged, key, value);
	}
	return 0;
}
