/* doc/config-keys.md, made from the tables of keys and device types. */
#include <string.h>

#include "instance/config_keys.h"
#include "instance/device_types.h"
#include "network/network.h"

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

static void write_network_keys(FILE *out)
{
	const char *fallback, *help, *name;
	fputs("\n## Networks\n\nKeys of a managed bridge (`sysct network set`).\n\n"
	      "| key | default | meaning |\n|---|---|---|\n",
	      out);
	for (size_t i = 0; (name = network_config_key(i, &fallback, &help)); i++) {
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
	write_network_keys(out);
}
