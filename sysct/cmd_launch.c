/* launch, init, copy: one POST, and the wait for its operation. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "assign.h"
#include "groups.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "operation.h"
#include "output.h"

enum { VARIANT_INIT, VARIANT_LAUNCH, VARIANT_COPY };

static const struct option_row create_options[] = {
	{"config", 'c', "KEY=VALUE", "a configuration key (repeatable)", WORD_KEY},
	{"profile", 'p', "PROFILE", "a profile to apply, in this order (repeatable)", WORD_PROFILE},
	{"no-profiles", 0, NULL, "apply no profile, not even 'default'", WORD_OTHER},
	{"device", 'd', "NAME,KEY=VALUE...", "a device, or settings of a profile's (repeatable)",
	 WORD_OTHER},
	{"ephemeral", 'e', NULL, "the instance is deleted when it stops", WORD_OTHER},
	{"storage", 's', "POOL", "storage pool of the root disk", WORD_POOL},
	{"network", 'n', "NETWORK", "network of its NIC eth0", WORD_NETWORK},
	{"description", 0, "TEXT", "a description", WORD_OTHER},
	{0},
};

static const struct option_row copy_options[] = {
	{"config", 'c', "KEY=VALUE", "a configuration key (repeatable)", WORD_KEY},
	{"profile", 'p', "PROFILE", "profiles in place of the source's (repeatable)", WORD_PROFILE},
	{"no-profiles", 0, NULL, "apply no profile", WORD_OTHER},
	{"device", 'd', "NAME,KEY=VALUE...", "a device (repeatable)", WORD_OTHER},
	{"ephemeral", 'e', NULL, "the copy is deleted when it stops", WORD_OTHER},
	{"description", 0, "TEXT", "a description", WORD_OTHER},
	{"instance-only", 0, NULL, "without the snapshots of the source", WORD_OTHER},
	{"storage", 's', "POOL", "storage pool of the copy's root disk", WORD_POOL},
	{"refresh", 0, NULL, "bring NAME, a stopped copy of SOURCE, up to date", WORD_OTHER},
	{"start", 0, NULL, "start it at once", WORD_OTHER},
	{0},
};

/* The member @key of @object, made when it is missing. */
static json_t *member(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);
	if (!json_is_object(value)) {
		value = json_object();
		json_object_set_new(object, key, value);
	}
	return value;
}

static int add_assignments(const struct options *options, json_t *body, struct error **error)
{
	const char *word;
	for (int at = 0; (word = options_next(options, "config", &at));)
		if (assign_add(member(body, "config"), word, "configuration", error) < 0)
			return -1;
	for (int at = 0; (word = options_next(options, "device", &at));)
		if (assign_device(member(body, "devices"), word, error) < 0)
			return -1;
	return 0;
}

static void add_profiles(const struct options *options, json_t *body)
{
	const char *name;
	json_t *profiles = json_array();
	for (int at = 0; (name = options_next(options, "profile", &at));)
		json_array_append_new(profiles, json_string(name));
	if (json_array_size(profiles) || options_given(options, "no-profiles"))
		json_object_set(body, "profiles", profiles);
	json_decref(profiles);
}

/* Settings of a device without its type are meant for the profile's device of
 * that name: they are put on top of it. */
static int complete_device(struct cli *cli, const json_t *profiles, const char *name,
			   json_t *device, struct error **error)
{
	cleanup_json json_t *fallback = json_pack("[s]", "default");
	const json_t *names = profiles ? profiles : fallback;
	size_t index;
	json_t *profile_name;
	cleanup_json json_t *inherited = json_object();
	json_array_foreach (names, index, profile_name) {
		cleanup_free char *path =
			client_path("/1.0/profiles/%s", json_string_value(profile_name), NULL);
		cleanup_json json_t *profile = client_get(cli_client(cli), path, error);
		if (!profile)
			return -1;
		json_t *found = json_object_get(json_object_get(profile, "devices"), name);
		if (json_is_object(found)) {
			json_object_clear(inherited);
			json_object_update(inherited, found);
		}
	}
	json_object_update_missing(device, inherited);
	return 0;
}

static int complete_devices(struct cli *cli, json_t *body, struct error **error)
{
	const char *name;
	json_t *device;
	json_object_foreach (json_object_get(body, "devices"), name, device) {
		if (!json_is_object(device) || *json_text(device, "type"))
			continue;
		if (complete_device(cli, json_object_get(body, "profiles"), name, device, error) <
		    0)
			return -1;
		if (!*json_text(device, "type") && strcmp(name, "root") == 0) {
			json_object_set_new(device, "type", json_string("disk"));
			json_object_set_new(device, "path", json_string("/"));
		}
	}
	return 0;
}

/* A fingerprint is hexadecimal and long; everything else is an alias. */
static bool is_fingerprint(const char *image)
{
	size_t length = strlen(image);
	return length >= 12 && length <= 64 && strspn(image, "0123456789abcdef") == length;
}

static void add_source(const struct cli *cli, json_t *body)
{
	const char *what = cli_word(cli, 0);
	const char *name = cli_word(cli, 1);
	int variant = cli->options.command->variant;
	json_t *source =
		variant == VARIANT_COPY
			? json_pack("{s:s, s:s, s:b, s:b}", "type", "copy", "source", what,
				    "instance_only", options_given(&cli->options, "instance-only"),
				    "refresh", options_given(&cli->options, "refresh"))
			: json_pack("{s:s, s:s}", "type", "image",
				    is_fingerprint(what) ? "fingerprint" : "alias", what);
	json_object_set_new(body, "source", source);
	json_object_set_new(body, "type", json_string("container"));
	if (name)
		json_object_set_new(body, "name", json_string(name));
	if (variant == VARIANT_LAUNCH || options_given(&cli->options, "start"))
		json_object_set_new(body, "start", json_true());
}

/* Beside what --device says of the same NIC. */
static void add_network(const struct options *options, json_t *body)
{
	const char *network = options_value(options, "network");
	if (!network)
		return;
	json_t *device = member(member(body, "devices"), "eth0");
	json_object_set_new(device, "type", json_string("nic"));
	json_object_set_new(device, "network", json_string(network));
	if (!json_object_get(device, "name"))
		json_object_set_new(device, "name", json_string("eth0"));
}

static json_t *make_body(struct cli *cli, struct error **error)
{
	const struct options *options = &cli->options;
	const char *pool = options_value(options, "storage");
	const char *description = options_value(options, "description");
	cleanup_json json_t *body = input_read_configuration(error);
	if (!body || add_assignments(options, body, error) < 0) {
		cli_mark_usage(cli);
		return NULL;
	}
	add_source(cli, body);
	add_profiles(options, body);
	add_network(options, body);
	if (options_given(options, "ephemeral"))
		json_object_set_new(body, "ephemeral", json_true());
	if (description)
		json_object_set_new(body, "description", json_string(description));
	if (pool)
		json_object_set_new(member(member(body, "devices"), "root"), "pool",
				    json_string(pool));
	if (complete_devices(cli, body, error) < 0)
		return NULL;
	return json_steal(&body);
}

/* The name in the operation's resources: "/1.0/instances/NAME". */
static char *created_name(const json_t *operation)
{
	const json_t *resources = json_object_get(operation, "resources");
	const json_t *list = json_object_get(resources, "instances");
	if (!list)
		list = json_object_get(resources, "containers");
	const char *path = json_string_value(json_array_get(list, 0));
	const char *slash = path ? strrchr(path, '/') : NULL;
	return memory_strdup(slash ? slash + 1 : "");
}

static int run_create(struct cli *cli, struct error **error)
{
	const char *given = cli_word(cli, 1);
	static const char *const doing[] = {"Creating", "Launching", "Copying"};
	static const char *const done[] = {"Created", "Launched", "Made"};
	int variant = cli->options.command->variant;
	cleanup_json json_t *operation = NULL;
	cleanup_json json_t *body = make_body(cli, error);
	if (!body)
		return -1;
	cleanup_free char *label =
		memory_printf("%s %s", doing[variant], given ? given : cli_word(cli, 0));
	if (operation_run(cli, "POST", "/1.0/instances", body, label, &operation, error) < 0)
		return -1;
	cleanup_free char *name = given ? memory_strdup(given) : created_name(operation);
	/* A script that let the daemon choose the name reads it here. */
	if (!given && (cli->quiet || !isatty(STDOUT_FILENO)))
		printf("%s\n", name);
	cli_say(cli, "%s %s", done[variant], name);
	return output_flush(error);
}

static const char create_description[] = "IMAGE is the alias of an image, such as 'debian' or "
					 "'debian/12', or its fingerprint. An image\n"
					 "that can be built from a template is built at its first "
					 "use. Without NAME the daemon chooses\n"
					 "one, and it is printed. A YAML file on standard input "
					 "gives configuration, devices and profiles.";

static const struct command commands[] = {
	{
		.path = "launch",
		.arguments = "IMAGE [NAME]",
		.summary = "Create an instance from an image and start it",
		.description = create_description,
		.examples = "sysct launch debian mybox\n"
			    "sysct launch debian/12 db -c limits.memory=2GiB -c limits.cpu=2\n"
			    "sysct launch debian scratch --ephemeral\n"
			    "sysct launch debian big -d root,size=20GiB",
		.options = create_options,
		.minimum = 1,
		.maximum = 2,
		.words = {WORD_IMAGE, WORD_OTHER, WORD_OTHER},
		.run = run_create,
		.variant = VARIANT_LAUNCH,
	},
	{
		.path = "init",
		.aliases = "create",
		.arguments = "IMAGE [NAME]",
		.summary = "Create an instance from an image and leave it stopped",
		.description = create_description,
		.options = create_options,
		.minimum = 1,
		.maximum = 2,
		.words = {WORD_IMAGE, WORD_OTHER, WORD_OTHER},
		.run = run_create,
		.variant = VARIANT_INIT,
	},
	{
		.path = "copy",
		.aliases = "cp",
		.arguments = "SOURCE[/SNAPSHOT] [NAME]",
		.summary = "Make an instance like another one, or like a snapshot of it",
		.description =
			"The copy shares what it has in common with the source, so it takes "
			"a moment whatever the\n"
			"size is, but for a copy to another pool, and for pools of the driver dir. "
			"It has addresses, ids and a life of its own. The source may "
			"run. Snapshots of\n"
			"the source are copied, too, unless a single one is named or "
			"--instance-only given.",
		.examples = "sysct copy mybox other\n"
			    "sysct copy mybox/clean test1 --ephemeral --start",
		.options = copy_options,
		.minimum = 1,
		.maximum = 2,
		.words = {WORD_INSTANCE, WORD_OTHER, WORD_OTHER},
		.run = run_create,
		.variant = VARIANT_COPY,
	},
	{0},
};

const struct command_group group_create = {"Create instances", commands};
