/* doc/config-keys.md, made from the tables of keys and device types. */
#include <string.h>

#include "instance/config_keys.h"
#include "instance/device_types.h"
#include "network/forwards.h"
#include "network/network.h"
#include "network/zones.h"

static void write_cell(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static const char *scope_text(const struct config_key *key)
{
	if (key->protected)
		return "no";
	return key->scopes & CONFIG_SCOPE_PROFILE ? "instance, profile" : "instance";
}

static void write_key(FILE *out, const struct config_key *key)
{
	fprintf(out, "| `%s` | %s | ", key->name, config_type_to_string(key->type));
	if (key->fallback)
		fprintf(out, "`%s`", key->fallback);
	fprintf(out, " | %s | %s | ", key->live ? "yes" : "no", scope_text(key));
	write_cell(out, key->help);
	fputs(" |\n", out);
}

static size_t group_length(const char *name)
{
	return strcspn(name, ".");
}

static void write_keys(FILE *out)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);
	for (size_t i = 0; i < count; i++) {
		size_t length = group_length(keys[i].name);
		if (i == 0 || length != group_length(keys[i - 1].name) ||
		    strncmp(keys[i].name, keys[i - 1].name, length) != 0)
			fprintf(out,
				"\n## %.*s\n\n| key | type | default | live | can be set on | "
				"meaning |\n"
				"|---|---|---|---|---|---|\n",
				(int)length, keys[i].name);
		write_key(out, &keys[i]);
	}
}

static void write_device(FILE *out, const struct device_type *type)
{
	fprintf(out, "\n### %s\n\n%s\n", type->name, type->help);
	if (!type->keys->name)
		return;
	fputs("\n| key | required | meaning |\n|---|---|---|\n", out);
	for (const struct device_key *key = type->keys; key->name; key++) {
		fprintf(out, "| `%s` | %s | ", key->name, key->required ? "yes" : "no");
		write_cell(out, key->help);
		fputs(" |\n", out);
	}
}

static void write_table(FILE *out, const char *title, const char *about,
			const char *(*key)(size_t index, const char **fallback, const char **help))
{
	const char *fallback, *help, *name;
	fprintf(out, "\n## %s\n\n%s\n\n| key | default | meaning |\n|---|---|---|\n", title, about);
	for (size_t i = 0; (name = key(i, &fallback, &help)); i++) {
		fprintf(out, "| `%s` | ", name);
		if (fallback)
			fprintf(out, "`%s`", fallback);
		fputs(" | ", out);
		write_cell(out, help);
		fputs(" |\n", out);
	}
}

void config_keys_write_reference(FILE *out)
{
	size_t count;
	const struct device_type *types = device_types(&count);
	fputs("# Configuration keys\n\n"
	      "Made from the table in `sysctd/instance/config_keys.c`; do not edit it here. A key "
	      "that\n"
	      "is *live* has effect in a running instance, others from the next start. `*` stands "
	      "for\n"
	      "any name.\n",
	      out);
	write_keys(out);
	fputs("\n## Devices\n", out);
	for (size_t i = 0; i < count; i++)
		write_device(out, &types[i]);
	write_table(out, "Networks", "Keys of a managed bridge (`sysct network set`).",
		    network_config_key);
	write_table(
		out, "Forwards of networks",
		"Keys of a forward (`sysct network forward set`); its ports are a list of their "
		"own.",
		forward_config_key);
	write_table(out, "Network zones",
		    "Keys of a zone (`sysct network zone set`). A record has `user.*` and entries.",
		    zone_config_key);
}
