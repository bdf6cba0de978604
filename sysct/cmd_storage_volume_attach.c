/* storage volume attach, detach: devices of instances and profiles that are volumes. */
#include <stdio.h>
#include <string.h>

#include "groups.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "object.h"

/* POOL VOLUME NAME [DEVICE] [PATH] */
static struct object target(const struct cli *cli)
{
	return (struct object){(enum object_kind)cli->options.command->variant, cli_word(cli, 2),
			       NULL};
}

static int add_device(json_t *body, void *data, struct error **error)
{
	const struct cli *cli = data;
	bool named = cli->options.count == 5;
	const char *name = cli_word(cli, named ? 3 : 1), *path = cli_word(cli, named ? 4 : 3);
	/* The device is called like the volume, which may have a path below it. */
	cleanup_free char *device = memory_strndup(name, strcspn(name, "/"));
	json_t *devices = object_member(body, "devices");
	if (json_object_get(devices, device))
		return error_set(error, ERROR_EXISTS,
				 "%s has a device \"%s\" already: name another before the path",
				 cli_word(cli, 2), device);
	json_t *settings = json_pack("{s:s, s:s, s:s, s:s}", "type", "disk", "pool",
				     cli_word(cli, 0), "source", cli_word(cli, 1), "path", path);
	return settings ? json_object_set_new(devices, device, settings)
			: error_set(error, ERROR_INVALID, "the command line is not UTF-8");
}

static int run_attach(struct cli *cli, struct error **error)
{
	struct object object = target(cli);
	return object_change(cli, &object, add_device, cli, error);
}

static bool is_of_volume(const struct cli *cli, const json_t *device)
{
	const char *source = json_text(device, "source"), *volume = cli_word(cli, 1);
	size_t length = strlen(volume);
	return strcmp(json_text(device, "type"), "disk") == 0 &&
	       strcmp(json_text(device, "pool"), cli_word(cli, 0)) == 0 &&
	       strncmp(source, volume, length) == 0 && (!source[length] || source[length] == '/');
}

static int remove_device(json_t *body, void *data, struct error **error)
{
	struct cli *cli = data;
	json_t *devices = object_member(body, "devices"), *device;
	const char *name, *wanted = cli_word(cli, 3);
	cleanup_free char *found = NULL;
	int count = 0;
	json_object_foreach (devices, name, device) {
		if ((wanted && strcmp(name, wanted) != 0) || !is_of_volume(cli, device))
			continue;
		cleanup_free char *before = found;
		found = memory_strdup(name);
		count++;
	}
	if (count > 1)
		return cli_usage(cli, error, "%s has the volume %d times: name the device",
				 cli_word(cli, 2), count);
	if (!found)
		return error_set(error, ERROR_NOT_FOUND,
				 "%s has no device%s%s of its own that is this volume",
				 cli_word(cli, 2), wanted ? " " : "", wanted ? wanted : "");
	return json_object_del(devices, found);
}

static int run_detach(struct cli *cli, struct error **error)
{
	struct object object = target(cli);
	return object_change(cli, &object, remove_device, cli, error);
}

#define ATTACH(word, what, text, kind, number)                                                     \
	.path = "storage volume " word, .arguments = "POOL VOLUME " what " [DEVICE] PATH",         \
	.summary = (text), .minimum = 4, .maximum = 5, .words = {WORD_POOL, WORD_VOLUME, (kind)},  \
	.run = run_attach, .variant = (number)

#define DETACH(word, what, text, kind, number)                                                     \
	.path = "storage volume " word, .arguments = "POOL VOLUME " what " [DEVICE]",              \
	.summary = (text), .minimum = 3, .maximum = 4, .words = {WORD_POOL, WORD_VOLUME, (kind)},  \
	.run = run_detach, .variant = (number)

static const struct command commands[] = {
	{ATTACH("attach", "INSTANCE", "Give an instance a volume", WORD_INSTANCE, OBJECT_INSTANCE),
	 .description = "The same as 'config device add INSTANCE DEVICE disk pool=POOL "
			"source=VOLUME\n"
			"path=PATH'. The device is called like the volume. VOLUME/SUB/PATH is a "
			"part of it.",
	 .examples = "sysct storage volume attach default data mybox /data"},
	{DETACH("detach", "INSTANCE", "Take a volume from an instance", WORD_INSTANCE,
		OBJECT_INSTANCE)},
	{ATTACH("attach-profile", "PROFILE", "Give a profile a volume", WORD_PROFILE,
		OBJECT_PROFILE)},
	{DETACH("detach-profile", "PROFILE", "Take a volume from a profile", WORD_PROFILE,
		OBJECT_PROFILE)},
	{0},
};

const struct command_group group_storage_volume_attach = {"Images and storage", commands};
