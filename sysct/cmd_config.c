/* config: the settings of an instance, or of the server when no instance is named. */
#include "groups.h"
#include "object.h"

static const char server_or_instance[] = "Without NAME it is about the server.";

static const struct command commands[] = {
	{
		.path = "config get",
		.arguments = "[NAME] KEY",
		.summary = "Print one setting",
		.description = server_or_instance,
		.options = object_expanded_options,
		.minimum = 1,
		.maximum = 2,
		.words = {WORD_INSTANCE, WORD_KEY, WORD_KEY},
		.run = object_run_get,
		.variant = OBJECT_INSTANCE,
	},
	{
		.path = "config set",
		.arguments = "[NAME] KEY=VALUE...",
		.summary = "Change settings",
		.description = "Without NAME it is about the server. KEY VALUE is understood too, "
			       "and '-' as VALUE reads\n"
			       "it from standard input. An empty value removes the key.",
		.examples = "sysct config set mybox limits.memory=2GiB limits.cpu=2\n"
			    "sysct config set mybox user.key - < file",
		.minimum = 1,
		.maximum = -1,
		.words = {WORD_INSTANCE, WORD_KEY, WORD_KEY},
		.run = object_run_set,
		.variant = OBJECT_INSTANCE,
	},
	{
		.path = "config unset",
		.arguments = "[NAME] KEY...",
		.summary = "Remove settings",
		.description = server_or_instance,
		.minimum = 1,
		.maximum = -1,
		.words = {WORD_INSTANCE, WORD_KEY, WORD_KEY},
		.run = object_run_unset,
		.variant = OBJECT_INSTANCE,
	},
	{
		.path = "config show",
		.arguments = "[NAME]",
		.summary = "Print all settings as YAML",
		.description = server_or_instance,
		.options = object_expanded_options,
		.maximum = 1,
		.words = {WORD_INSTANCE, WORD_OTHER, WORD_OTHER},
		.run = object_run_show,
		.variant = OBJECT_INSTANCE,
	},
	{
		.path = "config edit",
		.arguments = "[NAME]",
		.summary = "Edit all settings as YAML",
		.description = "The editor is $VISUAL, $EDITOR or vi. When standard input is no "
			       "terminal the YAML is\n"
			       "read from it. Without NAME it is about the server.",
		.maximum = 1,
		.words = {WORD_INSTANCE, WORD_OTHER, WORD_OTHER},
		.run = object_run_edit,
		.variant = OBJECT_INSTANCE,
	},
	{0},
};

const struct command_group group_config = {"Configure", commands};
