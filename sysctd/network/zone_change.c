/* What the API does with zones and their records (zones.h). */
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "fault.h"
#include "instance/config_keys_values.h"
#include "network/manager.h"
#include "network/zone_records.h"
#include "network/zones.h"
#include "server.h"

static const struct {
	const char *name, *fallback, *help;
} keys[] = {
	{"dns.nameservers", NULL, "Names of DNS servers, separated by commas: the NS records."},
	{"network.nat", "true", "Whether addresses of networks with NAT get names in the zone."},
	{"user.*", NULL, "Anything; sysct only keeps it."},
};

const char *zone_config_key(size_t index, const char **fallback, const char **help)
{
	if (index >= sizeof(keys) / sizeof(keys[0]))
		return NULL;
	*fallback = keys[index].fallback;
	*help = keys[index].help;
	return keys[index].name;
}

static int check_key(const char *zone, const char *key, const char *value, struct error **error)
{
	bool parsed;
	if (strncmp(key, "user.", 5) == 0)
		return 0;
	if (strncmp(key, "peers.", 6) == 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "\"%s\" is not supported: the dnsmasq of the networks serves the "
				 "zone, and zone transfers are not among what it does",
				 key);
	if (strcmp(key, "dns.contact") == 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "\"dns.contact\" is not supported: no SOA record is served");
	if (strcmp(key, "dns.nameservers") == 0)
		return zone_nameservers_check(zone, value, error);
	if (strcmp(key, "network.nat") == 0)
		return bool_parse(value, &parsed, NULL) == 0
			       ? 0
			       : error_set(error, ERROR_INVALID, "\"%s\" is not true or false",
					   value);
	return error_set(error, ERROR_INVALID, "a zone has no key \"%s\"", key);
}

static void drop_empty(json_t *config)
{
	const char *key;
	json_t *value;
	void *next;
	json_object_foreach_safe (config, next, key, value)
		if (!*json_string_value(value))
			json_object_del(config, key);
}

static int check_zone(const struct object_row *row, struct error **error)
{
	const char *key;
	json_t *value;
	drop_empty(row->config);
	if (zone_check_name(row->name, error) < 0)
		return -1;
	json_object_foreach (row->config, key, value)
		if (check_key(row->name, key, json_string_value(value), error) < 0)
			return error_prefix(error, "%s", key);
	return 0;
}

/* What the rows say, in the name servers of all networks. */
static int apply(struct networks *networks, struct error **error)
{
	if (zones_load(networks, error) < 0)
		return -1;
	int result = 0;
	for (struct network *at = networks->first; at && result == 0; at = at->next)
		if (zones_forward(at) || zones_reverse(at))
			result = dnsmasq_up(networks->server, at, false, error);
	names_rewrite(networks);
	networks_wake(networks);
	return result;
}

int zone_create(struct server *server, struct object_row *row, struct error **error)
{
	if (check_zone(row, error) < 0)
		return -1;
	networks_hold(server);
	int result = db_object_create(server->db, &db_zones, row, error);
	if (result == 0)
		result = zones_load(server->networks, error);
	networks_release(server);
	return result;
}

static int update_locked(struct server *server, const struct object_row *row, struct error **error)
{
	cleanup_object_row struct object_row old = {0};
	if (db_object_get(server->db, &db_zones, row->name, &old, error) < 0 ||
	    db_object_update(server->db, &db_zones, row, error) < 0)
		return -1;
	fault_point("zone.row");
	if (apply(server->networks, error) == 0)
		return 0;
	db_object_update(server->db, &db_zones, &old, NULL);
	apply(server->networks, NULL);
	return -1;
}

int zone_update(struct server *server, const struct object_row *row, struct error **error)
{
	if (check_zone(row, error) < 0)
		return -1;
	networks_hold(server);
	int result = update_locked(server, row, error);
	networks_release(server);
	return result;
}

int zone_delete(struct server *server, const char *name, struct error **error)
{
	networks_hold(server);
	int result = db_object_delete(server->db, &db_zones, name, error);
	if (result == 0)
		result = zones_load(server->networks, error);
	networks_release(server);
	return result;
}

/* ---- records ---- */

static bool is_local(const char *name, void *data)
{
	const struct networks *networks = data;
	const char *zone;
	json_t *content;
	size_t length = strlen(name);
	json_object_foreach (networks->zones, zone, content) {
		size_t end = strlen(zone);
		if (length >= end && strcasecmp(name + length - end, zone) == 0 &&
		    (length == end || name[length - end - 1] == '.'))
			return true;
	}
	return false;
}

static int check_record(struct networks *networks, struct part_row *row, struct error **error)
{
	const char *key;
	json_t *value;
	drop_empty(row->config);
	if (!json_object_get(networks->zones, row->owner))
		return error_set(error, ERROR_NOT_FOUND, "Network zone not found: \"%s\"",
				 row->owner);
	json_object_foreach (row->config, key, value)
		if (strncmp(key, "user.", 5) != 0)
			return error_set(error, ERROR_INVALID, "a record has no key \"%s\"", key);
	if (zone_check_record_name(row->name, error) < 0)
		return -1;
	return zone_records_check(row->owner, row->name, row->list, is_local, networks, error);
}

static int create_record(struct server *server, struct part_row *row, struct error **error)
{
	if (check_record(server->networks, row, error) < 0 ||
	    db_part_create(server->db, &db_records, row, error) < 0)
		return -1;
	fault_point("record.row");
	if (apply(server->networks, error) == 0)
		return 0;
	db_part_delete(server->db, &db_records, row->owner, row->name, NULL);
	apply(server->networks, NULL);
	return -1;
}

int zone_record_create(struct server *server, struct part_row *row, struct error **error)
{
	networks_hold(server);
	int result = create_record(server, row, error);
	networks_release(server);
	return result;
}

static int update_record(struct server *server, struct part_row *row, struct error **error)
{
	cleanup_part_row struct part_row old = {0};
	if (check_record(server->networks, row, error) < 0 ||
	    db_part_get(server->db, &db_records, row->owner, row->name, &old, error) < 0 ||
	    db_part_update(server->db, &db_records, row, error) < 0)
		return -1;
	fault_point("record.changed");
	if (apply(server->networks, error) == 0)
		return 0;
	db_part_update(server->db, &db_records, &old, NULL);
	apply(server->networks, NULL);
	return -1;
}

int zone_record_update(struct server *server, struct part_row *row, struct error **error)
{
	networks_hold(server);
	int result = update_record(server, row, error);
	networks_release(server);
	return result;
}

int zone_record_delete(struct server *server, const char *zone, const char *name,
		       struct error **error)
{
	networks_hold(server);
	int result = db_part_delete(server->db, &db_records, zone, name, error);
	if (result == 0) {
		fault_point("record.deleted");
		apply(server->networks, NULL);
	}
	networks_release(server);
	return result;
}
