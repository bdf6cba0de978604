/* See zones.h. networks->zones is {ZONE: {"config": {}, "records": {NAME: entries}}}. */
#include "network/zones.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "instance/config_keys_values.h"
#include "log.h"
#include "memory.h"
#include "network/manager.h"
#include "network/zone_records.h"
#include "server.h"

static const char *const zone_keys[] = {"dns.zone.forward", "dns.zone.reverse.ipv4",
					"dns.zone.reverse.ipv6"};

/* ---- which zones a network names ---- */

/* @key: one of the keys; the first of zone_keys has a list. */
static void each_zone(const json_t *config, const char *key, visit_zone visit, void *data)
{
	const char *value = network_config_get(config, key);
	cleanup_free char *copy = memory_strdup(value ? value : "");
	char *rest = copy;
	for (char *one; (one = strsep(&rest, ","));) {
		one += strspn(one, " ");
		one[strcspn(one, " ")] = '\0';
		if (*one)
			visit(one, data);
	}
}

struct search {
	const char *zone;
	bool found;
};

static void compare(const char *zone, void *data)
{
	struct search *search = data;
	search->found = search->found || strcmp(zone, search->zone) == 0;
}

static bool names(const struct network *network, const char *key, const char *zone)
{
	struct search search = {zone, false};
	each_zone(network->config, key, compare, &search);
	return search.found;
}

static bool uses(const struct network *network, const char *zone)
{
	for (int i = 0; i < 3; i++)
		if (names(network, zone_keys[i], zone))
			return true;
	return false;
}

void zones_each_forward(const struct network *network, visit_zone visit, void *data)
{
	each_zone(network->config, zone_keys[0], visit, data);
}

bool zones_forward(const struct network *network)
{
	return network_config_get(network->config, zone_keys[0]);
}

bool zones_reverse(const struct network *network)
{
	return network_config_get(network->config, zone_keys[1]) ||
	       network_config_get(network->config, zone_keys[2]);
}

/* ---- checks ---- */

struct check {
	const struct networks *networks;
	const char *suffix; /* of reverse names of a family, or NULL */
	int count;
	struct error **error;
	int result;
};

static bool ends_in(const char *name, const char *suffix)
{
	size_t length = strlen(name), end = strlen(suffix);
	return length > end && name[length - end - 1] == '.' &&
	       strcasecmp(name + length - end, suffix) == 0;
}

static void check_zone(const char *zone, void *data)
{
	struct check *check = data;
	if (check->result < 0)
		return;
	check->count++;
	if (!json_object_get(check->networks->zones, zone))
		check->result = error_set(check->error, ERROR_INVALID,
					  "there is no network zone \"%s\"", zone);
	else if (check->suffix && !ends_in(zone, check->suffix))
		check->result = error_set(check->error, ERROR_INVALID, "\"%s\" does not end in %s",
					  zone, check->suffix);
	else if (check->suffix && check->count > 1)
		check->result = error_set(check->error, ERROR_INVALID, "it takes one zone");
}

int zones_check_network(const struct networks *networks, const json_t *config, struct error **error)
{
	static const char *const suffixes[] = {NULL, "in-addr.arpa", "ip6.arpa"};
	for (int i = 0; i < 3; i++) {
		struct check check = {networks, suffixes[i], 0, error, 0};
		each_zone(config, zone_keys[i], check_zone, &check);
		if (check.result < 0)
			return error_prefix(error, "%s", zone_keys[i]);
	}
	return 0;
}

/* ---- what is known of them ---- */

int zones_load(struct networks *networks, struct error **error)
{
	cleanup_object_list struct object_list zones = {0};
	cleanup_part_list struct part_list records = {0};
	struct db *db = networks->server->db;
	if (db_object_list(db, &db_zones, &zones, error) < 0 ||
	    db_part_list(db, &db_records, NULL, &records, error) < 0)
		return -1;
	json_t *all = json_object();
	for (size_t i = 0; i < zones.count; i++)
		json_object_set_new(
			all, zones.rows[i].name,
			json_pack("{s:O, s:{}}", "config", zones.rows[i].config, "records"));
	for (size_t i = 0; i < records.count; i++)
		json_object_set(
			json_object_get(json_object_get(all, records.rows[i].owner), "records"),
			records.rows[i].name, records.rows[i].list);
	json_decref(networks->zones);
	networks->zones = all;
	return 0;
}

static const json_t *config_of(const struct networks *networks, const char *zone)
{
	return json_object_get(json_object_get(networks->zones, zone), "config");
}

/* network.nat=false: no names for addresses that the world never sees. */
static bool tells(const struct networks *networks, const char *zone, const struct network *network,
		  bool ipv6)
{
	const char *nat =
		json_string_value(json_object_get(config_of(networks, zone), "network.nat"));
	bool wanted = true;
	return !nat || bool_parse(nat, &wanted, NULL) < 0 || wanted ||
	       !network_config_bool(network->config, ipv6 ? "ipv6.nat" : "ipv4.nat");
}

/* ---- dnsmasq ---- */

struct writing {
	const struct networks *networks;
	const struct network *network;
	struct strbuf *text;
};

static void write_local(const char *zone, void *data)
{
	const struct writing *writing = data;
	strbuf_printf(writing->text, "local=/%s/\n", zone);
}

static void write_gateway(const char *zone, void *data)
{
	const struct writing *writing = data;
	const struct subnet *const subnets[] = {&writing->network->ipv4, &writing->network->ipv6};
	for (int i = 0; i < 2; i++) {
		char address[ADDRESS_TEXT];
		if (!subnets[i]->address.family ||
		    !tells(writing->networks, zone, writing->network, i == 1))
			continue;
		address_format(&subnets[i]->address, address);
		strbuf_printf(writing->text, "host-record=%s.gw.%s,%s\n", writing->network->name,
			      zone, address);
	}
}

void zones_write_config(const struct networks *networks, const struct network *network,
			struct strbuf *config)
{
	struct writing writing = {networks, network, config};
	const char *zone, *name;
	json_t *content, *entries;
	for (int i = 0; i < 3; i++)
		each_zone(network->config, zone_keys[i], write_local, &writing);
	each_zone(network->config, zone_keys[0], write_gateway, &writing);
	json_object_foreach (networks->zones, zone, content) {
		const char *servers = json_string_value(
			json_object_get(config_of(networks, zone), "dns.nameservers"));
		if (!uses(network, zone))
			continue;
		if (servers)
			zone_nameservers_write(zone, servers, config);
		json_object_foreach (json_object_get(content, "records"), name, entries)
			zone_records_write(zone, name, entries, NULL, config);
	}
}

bool zones_write_records(const struct networks *networks, const struct network *network,
			 const char *directory)
{
	cleanup_strbuf struct strbuf hosts = {0};
	cleanup_error struct error *error = NULL;
	cleanup_free char *path = memory_printf("%s/records.d/records", directory);
	cleanup_free char *old = file_try_read_at(AT_FDCWD, path);
	const char *zone, *name;
	json_t *content, *entries;
	json_object_foreach (networks->zones, zone, content)
		if (uses(network, zone))
			json_object_foreach (json_object_get(content, "records"), name, entries)
				zone_records_write(zone, name, entries, &hosts, NULL);
	const char *text = hosts.text ? hosts.text : "";
	if (strcmp(text, old ? old : "") == 0)
		return false;
	if (file_replace_at(AT_FDCWD, path, text, strlen(text), 0644, false, &error) < 0)
		log_event(LOG_LEVEL_ERROR, NULL, "network %s: %s", network->name,
			  error_message(error));
	return true;
}

bool zones_have_records(const struct networks *networks, const struct network *network)
{
	const char *zone;
	json_t *content;
	json_object_foreach (networks->zones, zone, content)
		if (uses(network, zone) && json_object_size(json_object_get(content, "records")))
			return true;
	return false;
}

/* ---- names of instances ---- */

struct host {
	const struct networks *networks;
	const struct network *network, *in;
	const char *name, *address;
	struct strbuf *hosts;
	bool first;
};

static void add_host(const char *zone, void *data)
{
	struct host *host = data;
	bool ipv6 = strchr(host->address, ':');
	const char *key = zone_keys[ipv6 ? 2 : 1];
	const char *reverse = network_config_get(host->network->config, key);
	/* Reverse names are those of the first zone, in all networks of the reverse zone. */
	bool shared = host->first && reverse && names(host->in, key, reverse);
	host->first = false;
	if ((names(host->network, zone_keys[0], zone) || shared) &&
	    tells(host->networks, zone, host->in, ipv6))
		strbuf_printf(host->hosts, "%s %s.%s\n", host->address, host->name, zone);
}

void zones_add_hosts(const struct networks *networks, const struct network *network,
		     const struct network *in, const char *name, const char *address,
		     struct strbuf *hosts)
{
	struct host host = {networks, network, in, name, address, hosts, true};
	each_zone(in->config, zone_keys[0], add_host, &host);
}
