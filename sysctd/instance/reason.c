/*
 * Why an instance stopped, where that is worth telling: kept in memory and, for
 * a restarted daemon, in the file "end" beside its console's log. So is what it lacks
 * while it runs, in the file "warning".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "instance/internal.h"
#include "log.h"
#include "memory.h"

static char *describe_end(const json_t *state)
{
	const char *reason = json_string_value(json_object_get(state, "reason"));
	int status = (int)json_integer_value(json_object_get(state, "status"));
	if (!reason)
		return memory_strdup("its monitor was killed");
	if (strcmp(reason, "exit") == 0)
		return memory_printf("init exited with status %d", status);
	if (strcmp(reason, "signal") == 0)
		return memory_printf("init was killed by signal %d", status);
	if (strcmp(reason, "error") == 0)
		return memory_strdup(json_string_value(json_object_get(state, "message")));
	return NULL;
}

/* The files "end" and "warning". */
static char *note_file(const struct instance *instance, const char *name)
{
	cleanup_free char *directory = instance_log_directory(instance);
	return memory_printf("%s/%s", directory, name);
}

/* @note: a member of @instance. */
static void set_note(struct instance *instance, char **note, const char *text)
{
	pthread_mutex_lock(&instance->lock);
	free(*note);
	*note = text ? memory_strdup(text) : NULL;
	pthread_mutex_unlock(&instance->lock);
}

static void load_note(struct instance *instance, char **note, const char *name)
{
	cleanup_free char *path = note_file(instance, name);
	cleanup_free char *text = file_try_read_at(AT_FDCWD, path);
	if (text)
		set_note(instance, note, text);
}

static char *copy_note(struct instance *instance, char *const *note)
{
	pthread_mutex_lock(&instance->lock);
	char *text = *note ? memory_strdup(*note) : NULL;
	pthread_mutex_unlock(&instance->lock);
	return text;
}

void instance_keep_reason(struct instance *instance, const json_t *state)
{
	cleanup_free char *reason = describe_end(state);
	cleanup_free char *path = note_file(instance, "end");
	if (!reason || instance->stop_wanted)
		return;
	log_event(LOG_LEVEL_WARNING, instance->name, "%s", reason);
	set_note(instance, &instance->last_error, reason);
	/* A note for people: that it cannot be written is no reason to fail. */
	file_replace_at(AT_FDCWD, path, reason, strlen(reason), 0600, false, NULL);
}

void instance_forget_reason(struct instance *instance)
{
	cleanup_free char *path = note_file(instance, "end");
	if (!instance->last_error)
		return;
	set_note(instance, &instance->last_error, NULL);
	unlink(path);
}

void instance_load_reason(struct instance *instance)
{
	load_note(instance, &instance->last_error, "end");
}

char *instance_reason(struct instance *instance)
{
	return copy_note(instance, &instance->last_error);
}

void instance_warn(struct instance *instance, const char *warning)
{
	cleanup_free char *path = note_file(instance, "warning");
	if (warning)
		file_replace_at(AT_FDCWD, path, warning, strlen(warning), 0600, false, NULL);
	else if (instance->warning)
		unlink(path);
	set_note(instance, &instance->warning, warning);
}

void instance_load_warning(struct instance *instance)
{
	load_note(instance, &instance->warning, "warning");
}

char *instance_warning(struct instance *instance)
{
	return copy_note(instance, &instance->warning);
}

static char *console_tail(const struct instance *instance, size_t lines)
{
	cleanup_free char *directory = instance_log_directory(instance);
	cleanup_free char *path = memory_printf("%s/console.log", directory);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[4097];
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	ssize_t count = size <= 0 ? 0 : pread(fd, text, 4096, size > 4096 ? size - 4096 : 0);
	if (count <= 0)
		return memory_strdup("");
	text[count] = '\0';
	char *at = text + count;
	while (at > text && lines > 0)
		if (*--at == '\n' && at[1] && --lines == 0)
			at++;
	return memory_strdup(at);
}

char *instance_explain_end(struct instance *instance)
{
	cleanup_free char *reason = instance_reason(instance);
	if (!reason)
		return NULL;
	cleanup_free char *tail = console_tail(instance, 10);
	return memory_printf("%s%s%s", reason, *tail ? "; the console's last lines:\n" : "", tail);
}
