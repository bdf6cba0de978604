/* See columns.h. */
#include "columns.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "lib/cleanup.h"
#include "lib/memory.h"

static void append_upper(struct strbuf *cell, const char *text)
{
	for (; *text; text++)
		strbuf_append_char(cell, (char)toupper((unsigned char)*text));
}

static const json_t *state_of(const json_t *instance)
{
	return json_object_get(instance, "state");
}

static const json_t *expanded_config(const json_t *instance)
{
	const json_t *config = json_object_get(instance, "expanded_config");
	return json_is_object(config) ? config : json_object_get(instance, "config");
}

static const json_t *expanded_devices(const json_t *instance)
{
	const json_t *devices = json_object_get(instance, "expanded_devices");
	return json_is_object(devices) ? devices : json_object_get(instance, "devices");
}

/* Addresses that others can use: "10.0.0.2 (eth0)", one a line. */
static void append_addresses(struct strbuf *cell, const json_t *instance, const char *family)
{
	const char *name;
	json_t *link, *address;
	size_t index;
	json_object_foreach ((json_t *)json_object_get(state_of(instance), "network"), name, link) {
		json_array_foreach (json_object_get(link, "addresses"), index, address) {
			const char *scope = json_text(address, "scope");
			if (strcmp(json_text(address, "family"), family) != 0 ||
			    strcmp(scope, "link") == 0 || strcmp(scope, "local") == 0)
				continue;
			strbuf_printf(cell, "%s%s (%s)", cell->length ? "\n" : "",
				      json_text(address, "address"), name);
		}
	}
}

static void append_ipv4(struct strbuf *cell, const json_t *instance)
{
	append_addresses(cell, instance, "inet");
}

static void append_ipv6(struct strbuf *cell, const json_t *instance)
{
	append_addresses(cell, instance, "inet6");
}

static void append_architecture(struct strbuf *cell, const json_t *instance)
{
	strbuf_append(cell, json_text(instance, "architecture"));
}

static void append_pool(struct strbuf *cell, const json_t *instance)
{
	const char *name;
	json_t *device;
	json_object_foreach ((json_t *)expanded_devices(instance), name, device)
		if (strcmp(json_text(device, "type"), "disk") == 0 &&
		    strcmp(json_text(device, "path"), "/") == 0)
			strbuf_append(cell, json_text(device, "pool"));
}

/* "2026-01-31T10:20:30.5Z" as "2026/01/31 10:20 UTC"; the year 1 means never. */
static void append_date(struct strbuf *cell, const char *date)
{
	if (strlen(date) < 16 || strncmp(date, "0001-", 5) == 0)
		return;
	strbuf_printf(cell, "%.4s/%.2s/%.2s %.5s", date, date + 5, date + 8, date + 11);
	if (date[strlen(date) - 1] == 'Z')
		strbuf_append(cell, " UTC");
}

static void append_created(struct strbuf *cell, const json_t *instance)
{
	append_date(cell, json_text(instance, "created_at"));
}

static void append_used(struct strbuf *cell, const json_t *instance)
{
	append_date(cell, json_text(instance, "last_used_at"));
}

static void append_description(struct strbuf *cell, const json_t *instance)
{
	strbuf_append(cell, json_text(instance, "description"));
}

static void append_number(struct strbuf *cell, const json_t *object, const char *key)
{
	json_int_t number = json_integer_value(json_object_get(object, key));
	if (number > 0)
		strbuf_printf(cell, "%lld", (long long)number);
}

static void append_disk(struct strbuf *cell, const json_t *instance)
{
	const json_t *disks = json_object_get(state_of(instance), "disk");
	json_int_t usage =
		json_integer_value(json_object_get(json_object_get(disks, "root"), "usage"));
	if (usage > 0)
		strbuf_append_size(cell, (double)usage);
}

static json_int_t memory_value(const json_t *instance, const char *key)
{
	const json_t *memory = json_object_get(state_of(instance), "memory");
	return json_integer_value(json_object_get(memory, key));
}

static void append_memory(struct strbuf *cell, const json_t *instance)
{
	json_int_t usage = memory_value(instance, "usage");
	if (usage > 0)
		strbuf_append_size(cell, (double)usage);
}

static void append_memory_share(struct strbuf *cell, const json_t *instance)
{
	json_int_t total = memory_value(instance, "total");
	if (total > 0)
		strbuf_printf(cell, "%.1f%%",
			      100.0 * (double)memory_value(instance, "usage") / (double)total);
}

static void append_name(struct strbuf *cell, const json_t *instance)
{
	strbuf_append(cell, json_text(instance, "name"));
}

static void append_processes(struct strbuf *cell, const json_t *instance)
{
	append_number(cell, state_of(instance), "processes");
}

static void append_pid(struct strbuf *cell, const json_t *instance)
{
	append_number(cell, state_of(instance), "pid");
}

static void append_profiles(struct strbuf *cell, const json_t *instance)
{
	size_t index;
	json_t *name;
	json_array_foreach (json_object_get(instance, "profiles"), index, name)
		strbuf_printf(cell, "%s%s", index ? "\n" : "",
			      json_is_string(name) ? json_string_value(name) : "");
}

static void append_status(struct strbuf *cell, const json_t *instance)
{
	append_upper(cell, json_text(instance, "status"));
}

static void append_snapshots(struct strbuf *cell, const json_t *instance)
{
	strbuf_printf(cell, "%zu", json_array_size(json_object_get(instance, "snapshots")));
}

static void append_type(struct strbuf *cell, const json_t *instance)
{
	const char *type = json_text(instance, "type");
	append_upper(cell, *type ? type : "container");
	if (json_is_true(json_object_get(instance, "ephemeral")))
		strbuf_append(cell, " (EPHEMERAL)");
}

static void append_cpu(struct strbuf *cell, const json_t *instance)
{
	const json_t *cpu = json_object_get(state_of(instance), "cpu");
	json_int_t usage = json_integer_value(json_object_get(cpu, "usage"));
	if (usage > 0)
		strbuf_printf(cell, "%llds", (long long)(usage / 1000000000));
}

static void append_project(struct strbuf *cell, const json_t *instance)
{
	strbuf_append(cell, json_text(instance, "project"));
}

static void append_location(struct strbuf *cell, const json_t *instance)
{
	strbuf_append(cell, json_text(instance, "location"));
}

static void append_image(struct strbuf *cell, const json_t *instance)
{
	strbuf_append(cell, json_text(expanded_config(instance), "volatile.base_image"));
}

static void append_image_short(struct strbuf *cell, const json_t *instance)
{
	strbuf_printf(cell, "%.12s", json_text(expanded_config(instance), "volatile.base_image"));
}

const struct column_row column_rows[] = {
	{'4', "IPV4", "IPv4 addresses", COLUMN_NETWORK, append_ipv4},
	{'6', "IPV6", "IPv6 addresses", COLUMN_NETWORK, append_ipv6},
	{'a', "ARCHITECTURE", "architecture", COLUMN_PLAIN, append_architecture},
	{'b', "STORAGE POOL", "storage pool of the root disk", COLUMN_PLAIN, append_pool},
	{'c', "CREATED AT", "date of creation", COLUMN_PLAIN, append_created},
	{'d', "DESCRIPTION", "description", COLUMN_PLAIN, append_description},
	{'D', "DISK USAGE", "bytes that the root disk uses", COLUMN_STATE, append_disk},
	{'e', "PROJECT", "project", COLUMN_PLAIN, append_project},
	{'f', "BASE IMAGE", "fingerprint of the image, 12 digits", COLUMN_PLAIN,
	 append_image_short},
	{'F', "BASE IMAGE", "fingerprint of the image", COLUMN_PLAIN, append_image},
	{'l', "LAST USED AT", "date of the last start", COLUMN_PLAIN, append_used},
	{'L', "LOCATION", "location", COLUMN_PLAIN, append_location},
	{'m', "MEMORY USAGE", "memory in use", COLUMN_STATE, append_memory},
	{'M', "MEMORY USAGE%", "memory in use, of its limit", COLUMN_STATE, append_memory_share},
	{'n', "NAME", "name", COLUMN_PLAIN, append_name},
	{'N', "PROCESSES", "number of processes", COLUMN_STATE, append_processes},
	{'p', "PID", "process id of init on the host", COLUMN_NETWORK, append_pid},
	{'P', "PROFILES", "profiles", COLUMN_PLAIN, append_profiles},
	{'s', "STATE", "state", COLUMN_PLAIN, append_status},
	{'S', "SNAPSHOTS", "number of snapshots", COLUMN_NETWORK, append_snapshots},
	{'t', "TYPE", "type, and if it is ephemeral", COLUMN_PLAIN, append_type},
	{'u', "CPU USAGE", "seconds of CPU time used", COLUMN_STATE, append_cpu},
	{0},
};

static struct column *add_column(struct columns *columns)
{
	columns->list = memory_realloc(columns->list, sizeof(struct column) * (columns->count + 1));
	struct column *column = &columns->list[columns->count++];
	*column = (struct column){.width = -1};
	return column;
}

static int add_letters(struct columns *columns, const char *letters, struct error **error)
{
	for (; *letters; letters++) {
		const struct column_row *row = column_rows;
		while (row->letter && row->letter != *letters)
			row++;
		if (!row->letter)
			return error_set(error, ERROR_INVALID, "unknown column '%c'", *letters);
		struct column *column = add_column(columns);
		column->row = row;
		column->header = memory_strdup(row->header);
	}
	return 0;
}

/* The next part of "a:b:c", cut off in place; NULL after the last. */
static char *next_part(char **rest)
{
	return *rest ? strsep(rest, ":") : NULL;
}

/* "[config:|devices:]KEY[:HEADER][:WIDTH]" */
static int add_key(struct columns *columns, const char *text, struct error **error)
{
	cleanup_free char *copy = memory_strdup(text);
	char *rest = copy;
	bool devices = strncmp(text, "devices:", 8) == 0;
	if (devices || strncmp(text, "config:", 7) == 0)
		next_part(&rest);
	char *key = next_part(&rest);
	const char *header = next_part(&rest);
	const char *width = next_part(&rest);
	char *dot = key ? strchr(key, '.') : NULL;
	if (!key || !*key || (devices && (!dot || dot == key || !dot[1])))
		return error_set(error, ERROR_INVALID, "column '%s' names no key", text);
	struct column *column = add_column(columns);
	column->header = memory_strdup(header && *header ? header : key);
	if (!header || !*header)
		for (char *c = column->header; *c; c++)
			*c = (char)toupper((unsigned char)*c);
	if (devices) {
		*dot = '\0';
		column->device = memory_strdup(key);
		key = dot + 1;
	}
	column->key = memory_strdup(key);
	char *end = NULL;
	column->width = width ? strtol(width, &end, 10) : -1;
	if (end && (end == width || *end))
		return error_set(error, ERROR_INVALID, "column '%s': bad width '%s'", text, width);
	if (column->width == 0)
		column->width = (long)strlen(column->header);
	return 0;
}

int columns_parse(struct columns *columns, const char *text, struct error **error)
{
	cleanup_free char *copy = memory_strdup(text);
	char *rest = copy, *part;
	*columns = (struct columns){0};
	while ((part = strsep(&rest, ","))) {
		bool key = strpbrk(part, ".:") != NULL;
		if ((key ? add_key(columns, part, error) : add_letters(columns, part, error)) < 0)
			return -1;
	}
	return columns->count ? 0 : error_set(error, ERROR_INVALID, "no column was given");
}

void columns_free(struct columns *columns)
{
	for (size_t i = 0; i < columns->count; i++) {
		free(columns->list[i].header);
		free(columns->list[i].key);
		free(columns->list[i].device);
	}
	free(columns->list);
	*columns = (struct columns){0};
}

enum column_source columns_source(const struct columns *columns)
{
	enum column_source source = COLUMN_PLAIN;
	for (size_t i = 0; i < columns->count; i++)
		if (columns->list[i].row && columns->list[i].row->source > source)
			source = columns->list[i].row->source;
	return source;
}

bool columns_are_brief(const struct columns *columns)
{
	for (size_t i = 0; i < columns->count; i++)
		if (!columns->list[i].row || !strchr("ns46tS", columns->list[i].row->letter))
			return false;
	return true;
}

void columns_start(const struct columns *columns, struct table *table)
{
	cleanup_free const char **headers = memory_alloc(sizeof(char *) * columns->count);
	for (size_t i = 0; i < columns->count; i++)
		headers[i] = columns->list[i].header;
	table_init(table, headers, columns->count);
}

static void append_key(struct strbuf *cell, const struct column *column, const json_t *instance)
{
	const json_t *map = column->device
				    ? json_object_get(expanded_devices(instance), column->device)
				    : expanded_config(instance);
	const char *text = json_text(map, column->key);
	size_t length = strlen(text);
	if (column->width >= 0 && length > (size_t)column->width)
		length = (size_t)column->width;
	strbuf_append_bytes(cell, text, length);
}

void columns_add(const struct columns *columns, struct table *table, const json_t *instance)
{
	for (size_t i = 0; i < columns->count; i++) {
		cleanup_strbuf struct strbuf cell = {0};
		if (columns->list[i].row)
			columns->list[i].row->append(&cell, instance);
		else
			append_key(&cell, &columns->list[i], instance);
		table_add(table, cell.text);
	}
}
