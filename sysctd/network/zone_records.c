/* See zone_records.h. The formats of types are those of zone files (RFC 1035, section 5). */
#include "network/zone_records.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "memory.h"
#include "network/subnet.h"

enum {
	NAME_MAX_LENGTH = 253,
	LABEL_MAX_LENGTH = 63,
	TEXT_MAX_LENGTH = 255,
	LINE_MAX_LENGTH = 1000 /* dnsmasq reads no longer line */
};

static int fail_name(const char *name, struct error **error)
{
	return error_set(error, ERROR_INVALID, "\"%s\" is not a name of DNS", name);
}

int zone_check_name(const char *name, struct error **error)
{
	size_t label = 0;
	if (strlen(name) > NAME_MAX_LENGTH)
		return fail_name(name, error);
	for (const char *at = name;; at++) {
		if (*at == '.' || !*at) {
			if (label == 0 || label > LABEL_MAX_LENGTH || at[-1] == '-')
				return fail_name(name, error);
			label = 0;
			if (!*at)
				return 0;
		} else if (isalnum((unsigned char)*at) || *at == '_' || (*at == '-' && label > 0)) {
			label++;
		} else {
			return fail_name(name, error);
		}
	}
}

int zone_check_record_name(const char *name, struct error **error)
{
	if (strncmp(name, "*", 1) == 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "the record \"%s\": records for any name are not supported", name);
	return strcmp(name, "@") == 0 ? 0 : zone_check_name(name, error);
}

/* A name with a dot is whole, one without is in the zone, "@" is the zone. */
static char *whole_name(const char *zone, const char *name)
{
	size_t length = strlen(name);
	if (strcmp(name, "@") == 0)
		return memory_strdup(zone);
	if (length > 1 && name[length - 1] == '.')
		return memory_printf("%.*s", (int)length - 1, name);
	return strchr(name, '.') ? memory_strdup(name) : memory_printf("%s.%s", name, zone);
}

static char *record_name(const char *zone, const char *record)
{
	return strcmp(record, "@") == 0 ? memory_strdup(zone)
					: memory_printf("%s.%s", record, zone);
}

/* ---- words of a value ---- */

/* The next word, in quotes or not, without them; NULL at the end. *@text moves on. */
static char *next_word(const char **text, struct error **error)
{
	struct strbuf word = {0};
	const char *at = *text + strspn(*text, " \t");
	if (!*at)
		return NULL;
	bool quoted = *at == '"';
	if (quoted)
		at++;
	for (; *at && (quoted ? *at != '"' : !isspace((unsigned char)*at)); at++) {
		if (*at == '\\' && at[1])
			at++;
		strbuf_append_char(&word, *at);
	}
	if (quoted && *at != '"') {
		error_set(error, ERROR_INVALID, "a quote is not closed");
		strbuf_free(&word);
		return NULL;
	}
	*text = at + (quoted ? 1 : 0);
	return strbuf_steal(&word);
}

static int fail_value(const char *wanted, struct error **error)
{
	return error_set(error, ERROR_INVALID, "%s is missing or wrong", wanted);
}

/* ---- bytes of a record, as hexadecimal digits ---- */

static void append_bytes(struct strbuf *hex, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		strbuf_printf(hex, "%02x", (unsigned char)bytes[i]);
}

static int append_number(struct strbuf *hex, const char *word, int bytes, struct error **error)
{
	char *end;
	unsigned long number = word ? strtoul(word, &end, 10) : 0;
	if (!word || !isdigit((unsigned char)*word) || *end || number >> (8 * bytes))
		return fail_value("a number", error);
	strbuf_printf(hex, "%0*lx", 2 * bytes, number);
	return 0;
}

static int append_name(struct strbuf *hex, const char *zone, const char *word, struct error **error)
{
	cleanup_free char *name = word ? whole_name(zone, word) : NULL;
	char *rest = name;
	if (!name || zone_check_name(name, error) < 0)
		return fail_value("a name", error);
	for (char *label; (label = strsep(&rest, "."));) {
		strbuf_printf(hex, "%02zx", strlen(label));
		append_bytes(hex, label, strlen(label));
	}
	strbuf_append(hex, "00");
	return 0;
}

static int append_text(struct strbuf *hex, const char *word, struct error **error)
{
	size_t length = word ? strlen(word) : 0;
	if (!word || length > TEXT_MAX_LENGTH)
		return error_set(error, ERROR_INVALID, "a text of at most %d bytes is needed",
				 TEXT_MAX_LENGTH);
	strbuf_printf(hex, "%02zx", length);
	append_bytes(hex, word, length);
	return 0;
}

static int append_hex(struct strbuf *hex, const char *word, struct error **error)
{
	size_t length = word ? strlen(word) : 0;
	if (length == 0 || length % 2 || strspn(word, "0123456789abcdefABCDEF") != length)
		return fail_value("an even number of hexadecimal digits", error);
	strbuf_append(hex, word);
	return 0;
}

/*
 * Types by the letters of their fields: 1, 2: numbers of so many bytes; n: a name; s: a
 * text; S: as many texts as there are; r: a text that goes to the end; x: hexadecimal.
 */
static const struct {
	const char *name;
	unsigned number;
	const char *fields;
} types[] = {
	{"CAA", 257, "1sr"}, {"HINFO", 13, "ss"},  {"MX", 15, "2n"},	 {"NAPTR", 35, "22sssn"},
	{"NS", 2, "n"},	     {"PTR", 12, "n"},	   {"RP", 17, "nn"},	 {"SPF", 99, "S"},
	{"SRV", 33, "222n"}, {"SSHFP", 44, "11x"}, {"TLSA", 52, "111x"}, {"TXT", 16, "S"},
	{"URI", 256, "22r"},
};

static int append_field(struct strbuf *hex, char field, const char *zone, const char *word,
			struct error **error)
{
	switch (field) {
	case '1':
		return append_number(hex, word, 1, error);
	case '2':
		return append_number(hex, word, 2, error);
	case 'n':
		return append_name(hex, zone, word, error);
	case 'x':
		return append_hex(hex, word, error);
	case 'r':
		if (!word)
			return fail_value("a text", error);
		append_bytes(hex, word, strlen(word));
		return 0;
	default:
		return append_text(hex, word, error);
	}
}

static int append_value(struct strbuf *hex, const char *fields, const char *zone, const char *value,
			struct error **error)
{
	for (const char *field = fields; *field; field++) {
		cleanup_free char *word = next_word(&value, error);
		if (append_field(hex, *field, zone, word, error) < 0)
			return -1;
	}
	for (;;) {
		cleanup_free char *word = next_word(&value, error);
		if (!word)
			return error && *error ? -1 : 0;
		if (strcmp(fields, "S") != 0)
			return error_set(error, ERROR_INVALID, "\"%s\" is too much", word);
		if (append_text(hex, word, error) < 0)
			return -1;
	}
}

static int find_type(const char *type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].name, type) == 0)
			return (int)i;
	return -1;
}

static int append_rr(struct strbuf *line, int row, const char *zone, const char *name,
		     const char *value, struct error **error)
{
	strbuf_printf(line, "dns-rr=%s,%u,", name, types[row].number);
	return append_value(line, types[row].fields, zone, value, error);
}

/* ---- entries ---- */

static int family_of(const char *type)
{
	return strcmp(type, "A") == 0 ? AF_INET : strcmp(type, "AAAA") == 0 ? AF_INET6 : 0;
}

static const char *text_of(const json_t *entry, const char *field)
{
	const char *text = json_string_value(json_object_get(entry, field));
	return text ? text : "";
}

static long long ttl_of(const json_t *entry)
{
	return (long long)json_integer_value(json_object_get(entry, "ttl"));
}

static int check_cname(const char *zone, const char *record, const char *value, size_t count,
		       bool (*local)(const char *name, void *data), void *data,
		       struct error **error)
{
	cleanup_free char *target = whole_name(zone, value);
	cleanup_free char *name = record_name(zone, record);
	if (zone_check_name(target, error) < 0)
		return -1;
	if (count > 1)
		return error_set(error, ERROR_INVALID, "a CNAME is the only entry of its record");
	if (strcasecmp(target, name) == 0)
		return error_set(error, ERROR_INVALID, "it leads to itself");
	if (!local(target, data))
		return error_set(error, ERROR_UNSUPPORTED,
				 "%s is in no zone of this server: dnsmasq cannot serve a CNAME to "
				 "the outside",
				 target);
	return 0;
}

static int check_other(const char *zone, const char *record, const char *type, const json_t *entry,
		       struct error **error)
{
	cleanup_strbuf struct strbuf line = {0};
	cleanup_free char *name = record_name(zone, record);
	int row = find_type(type);
	if (row < 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "records of this type are not supported by sysct");
	if (ttl_of(entry) > 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "dnsmasq serves a ttl with A, AAAA and CNAME only");
	if (append_rr(&line, row, zone, name, text_of(entry, "value"), error) < 0)
		return -1;
	return line.length < LINE_MAX_LENGTH
		       ? 0
		       : error_set(error, ERROR_INVALID, "the value is too long for dnsmasq");
}

static void raise_case(json_t *entry)
{
	cleanup_free char *type = memory_strdup(text_of(entry, "type"));
	for (char *at = type; *at; at++)
		*at = (char)toupper((unsigned char)*at);
	json_object_set_new(entry, "type", json_string(type));
}

int zone_records_check(const char *zone, const char *record, json_t *entries,
		       bool (*local)(const char *name, void *data), void *data,
		       struct error **error)
{
	size_t i;
	json_t *entry;
	json_array_foreach (entries, i, entry) {
		struct address address;
		int result = 0;
		raise_case(entry);
		const char *type = text_of(entry, "type"), *value = text_of(entry, "value");
		for (const char *at = value; *at && result == 0; at++)
			if (iscntrl((unsigned char)*at))
				result = error_set(error, ERROR_INVALID,
						   "the value has a control "
						   "character");
		if (result == 0 && family_of(type))
			result = address_parse(family_of(type), value, &address)
					 ? 0
					 : error_set(error, ERROR_INVALID, "\"%s\" is no address",
						     value);
		else if (result == 0 && strcmp(type, "CNAME") == 0)
			result = check_cname(zone, record, value, json_array_size(entries), local,
					     data, error);
		else if (result == 0)
			result = check_other(zone, record, type, entry, error);
		if (result < 0)
			return error_prefix(error, "entry %zu (%s)", i + 1, type);
	}
	return 0;
}

static void write_entry(const char *zone, const char *name, const json_t *entry,
			struct strbuf *hosts, struct strbuf *config)
{
	const char *type = text_of(entry, "type"), *value = text_of(entry, "value");
	cleanup_free char *ttl =
		ttl_of(entry) > 0 ? memory_printf(",%lld", ttl_of(entry)) : memory_strdup("");
	if (family_of(type) && !*ttl) {
		if (hosts)
			strbuf_printf(hosts, "%s %s\n", value, name);
	} else if (config && family_of(type)) {
		strbuf_printf(config, "host-record=%s,%s%s\n", name, value, ttl);
	} else if (config && strcmp(type, "CNAME") == 0) {
		cleanup_free char *target = whole_name(zone, value);
		strbuf_printf(config, "cname=%s,%s%s\n", name, target, ttl);
	} else if (config && find_type(type) >= 0) {
		cleanup_strbuf struct strbuf line = {0};
		if (append_rr(&line, find_type(type), zone, name, value, NULL) == 0)
			strbuf_printf(config, "%s\n", line.text);
	}
}

void zone_records_write(const char *zone, const char *record, const json_t *entries,
			struct strbuf *hosts, struct strbuf *config)
{
	cleanup_free char *name = record_name(zone, record);
	size_t i;
	const json_t *entry;
	json_array_foreach (entries, i, entry)
		write_entry(zone, name, entry, hosts, config);
}

int zone_nameservers_check(const char *zone, const char *names, struct error **error)
{
	cleanup_free char *copy = memory_strdup(names);
	char *rest = copy;
	for (char *one; (one = strsep(&rest, ","));) {
		cleanup_strbuf struct strbuf hex = {0};
		if (append_name(&hex, zone, one + strspn(one, " "), error) < 0)
			return -1;
	}
	return 0;
}

void zone_nameservers_write(const char *zone, const char *names, struct strbuf *config)
{
	cleanup_free char *copy = memory_strdup(names);
	char *rest = copy;
	for (char *one; (one = strsep(&rest, ","));) {
		cleanup_strbuf struct strbuf line = {0};
		if (append_rr(&line, find_type("NS"), zone, zone, one, NULL) == 0)
			strbuf_printf(config, "%s\n", line.text);
	}
}
