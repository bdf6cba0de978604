/* See proxies.h. */
#include "instance/proxies.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "fault.h"
#include "instance/internal.h"
#include "instance/proxy_check.h"
#include "log.h"
#include "memory.h"
#include "network/addresses.h"
#include "network/dnat.h"
#include "network/manager.h"
#include "network/nic.h"
#include "proxy_address.h"
#include "server.h"

static bool is_proxy(const json_t *device, bool nat)
{
	return nic_has(device, "type", "proxy") && proxy_is_true(device, "nat") == nat;
}

/* ---- those with a process ---- */

/* An id of the instance as the host has it, or one of the host; unset: the instance's root. */
static int add_run_id(json_t *proxy, const char *key, const struct instance_row *row,
		      const json_t *device, const char *device_key, struct error **error)
{
	const char *text = nic_value(device, device_key);
	unsigned long long id = text ? strtoull(text, NULL, 10) : 0;
	bool on_host = text && proxy_is_in_instance(device);
	if (!on_host && id >= row->id_count)
		return error_set(error, ERROR_INVALID, "%s: the instance has %u ids, not %s",
				 device_key, (unsigned int)row->id_count, text);
	cleanup_free char *value = memory_printf("%llu", on_host ? id : row->id_base + id);
	return json_object_set_new(proxy, key, json_string(value));
}

static json_t *describe(const struct server *server, const struct instance_row *row,
			const char *name, const json_t *device, struct error **error)
{
	static const char *const copied[][2] = {
		{"listen", NULL}, {"connect", NULL}, {"mode", "0644"}, {"uid", "0"}, {"gid", "0"}};
	cleanup_free char *program = memory_printf("%s/sysct-proxy", server->libexec);
	json_t *proxy = json_pack("{s:s, s:s, s:s}", "device", name, "program", program, "bind",
				  proxy_is_in_instance(device) ? "instance" : "host");
	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
		const char *value = nic_value(device, copied[i][0]);
		json_object_set_new(proxy, copied[i][0], json_string(value ? value : copied[i][1]));
	}
	if (proxy_is_true(device, "proxy_protocol"))
		json_object_set_new(proxy, "proxy_protocol", json_string("true"));
	if (add_run_id(proxy, "run_uid", row, device, "security.uid", error) == 0 &&
	    add_run_id(proxy, "run_gid", row, device, "security.gid", error) == 0)
		return proxy;
	error_prefix(error, "device \"%s\"", name);
	json_decref(proxy);
	return NULL;
}

json_t *proxies_spec(const struct server *server, const struct instance_row *row,
		     const json_t *devices, struct error **error)
{
	json_t *proxies = json_array(), *device;
	const char *name;
	json_object_foreach ((json_t *)devices, name, device) {
		if (!is_proxy(device, false))
			continue;
		json_t *proxy = describe(server, row, name, device, error);
		if (!proxy) {
			json_decref(proxies);
			return NULL;
		}
		json_array_append_new(proxies, proxy);
	}
	return proxies;
}

static json_t *running_proxies(const char *directory)
{
	json_t *spec = monitor_read_spec(directory);
	json_t *proxies = json_incref(json_object_get(json_object_get(spec, "sysct"), "proxies"));
	json_decref(spec);
	return proxies ? proxies : json_array();
}

int proxies_replug(struct instance *instance, const struct instance_row *row, const json_t *devices,
		   struct error **error)
{
	cleanup_free char *directory = instance_run_directory(instance);
	json_t *old = running_proxies(directory);
	json_t *new = proxies_spec(instance->server, row, devices, error);
	int result = new ? 0 : -1;
	if (new && !json_equal(old, new)) {
		result = monitor_change_proxies(directory, new, error);
		fault_point("proxies.changed");
		if (result < 0)
			monitor_change_proxies(directory, old, NULL);
	}
	json_decref(old);
	json_decref(new);
	return result;
}

void proxies_restore(struct instance *instance)
{
	cleanup_free char *directory = instance_run_directory(instance);
	json_t *old = running_proxies(directory);
	monitor_change_proxies(directory, old, NULL);
	json_decref(old);
}

/* ---- nat ---- */

struct translations {
	struct dnat *entries;
	size_t count;
};

static void add_text(json_t *addresses, const char *text)
{
	if (text && *text) /* may have a prefix */
		json_array_append_new(addresses, json_stringn(text, strcspn(text, "/")));
}

/* What the host knows to be the instance's: of managed bridges, and of routed NICs. */
static json_t *known_addresses(struct networks *networks, const json_t *nics)
{
	json_t *addresses = json_array();
	const json_t *nic, *text;
	size_t i, j;
	json_array_foreach (nics, i, nic) {
		struct nic_addresses managed;
		if (nic_addresses(networks, nic, &managed)) {
			add_text(addresses, managed.ipv4);
			add_text(addresses, managed.ipv6);
		} else if (json_object_get(nic, "host_routes")) {
			json_array_foreach (json_object_get(nic, "addresses"), j, text)
				add_text(addresses, json_string_value(text));
		}
	}
	return addresses;
}

static int find_target(const json_t *addresses, const struct proxy_address *connect,
		       struct address *target, struct error **error)
{
	static const unsigned char zero[16];
	struct address wanted = {.family = connect->family};
	char name[ADDRESS_TEXT];
	size_t i;
	const json_t *text;
	memcpy(wanted.bytes, connect->address, sizeof(wanted.bytes));
	bool any = memcmp(wanted.bytes, zero, sizeof(zero)) == 0;
	json_array_foreach (addresses, i, text)
		if (address_parse(connect->family, json_string_value(text), target) &&
		    (any || address_equal(target, &wanted)))
			return 0;
	address_format(&wanted, name);
	return error_set(
		error, ERROR_INVALID,
		"nat must lead to an address that the host knows to be the instance's (of a "
		"NIC in a managed network, or a routed one), and %s is none",
		name);
}

/* Ports that follow each other on both sides are one entry. */
static void add_ports(struct translations *all, const struct dnat *common,
		      const struct proxy_address *listen, const struct proxy_address *connect)
{
	bool one = connect->count == 1;
	for (size_t i = 0, last; i < listen->count; i = last + 1) {
		for (last = i; last + 1 < listen->count; last++)
			if (listen->ports[last + 1] != listen->ports[last] + 1 ||
			    (!one && connect->ports[last + 1] != connect->ports[last] + 1))
				break;
		struct dnat entry = *common;
		entry.listen_first = listen->ports[i];
		entry.listen_last = listen->ports[last];
		entry.target_first = connect->ports[one ? 0 : i];
		entry.target_last = connect->ports[one ? 0 : last];
		all->entries =
			memory_realloc(all->entries, (all->count + 1) * sizeof(*all->entries));
		all->entries[all->count++] = entry;
	}
}

static int add_translation(struct translations *all, const json_t *device, const json_t *addresses,
			   struct error **error)
{
	cleanup_proxy_address struct proxy_address listen = {0}, connect = {0};
	struct dnat common = {0};
	if (proxy_address_parse(nic_value(device, "listen"), &listen, error) < 0 ||
	    proxy_address_parse(nic_value(device, "connect"), &connect, error) < 0 ||
	    find_target(addresses, &connect, &common.target, error) < 0)
		return -1;
	common.protocol = listen.kind == PROXY_TCP ? IPPROTO_TCP : IPPROTO_UDP;
	common.listen.family = listen.family;
	memcpy(common.listen.bytes, listen.address, sizeof(listen.address));
	add_ports(all, &common, &listen, &connect);
	return 0;
}

/* The manager's lock is held. The caller frees the entries, also after a failure. */
static int collect(struct networks *networks, const json_t *devices, const json_t *nics,
		   struct translations *all, struct error **error)
{
	json_t *addresses = known_addresses(networks, nics), *device;
	const char *name;
	int result = 0;
	json_object_foreach ((json_t *)devices, name, device)
		if (result == 0 && is_proxy(device, true) &&
		    add_translation(all, device, addresses, error) < 0)
			result = error_prefix(error, "device \"%s\"", name);
	json_decref(addresses);
	return result;
}

static char *owner_of(const char *name)
{
	return memory_printf("proxy devices of %s", name);
}

int proxies_translate(struct server *server, const char *name, const json_t *devices,
		      const json_t *nics, struct error **error)
{
	struct translations all = {0};
	cleanup_free char *owner = owner_of(name);
	networks_hold(server);
	int result = collect(server->networks, devices, nics, &all, error);
	if (result == 0 && all.count)
		result = dnat_set(server->networks, owner, all.entries, all.count, error);
	else if (result == 0)
		dnat_remove(server->networks, owner);
	networks_release(server);
	free(all.entries);
	return result;
}

void proxies_untranslate(struct server *server, const char *name)
{
	cleanup_free char *owner = owner_of(name);
	networks_hold(server);
	dnat_remove(server->networks, owner);
	networks_release(server);
}

/* ---- a starting daemon ---- */

static bool load(struct instance *instance, struct instance_row *row, json_t **devices)
{
	return instance_get_state(instance) != INSTANCE_STOPPED &&
	       db_instance_get_by_id(instance->server->db, instance->id, row, NULL) == 0 &&
	       instance_expand(instance->server, row, NULL, devices, NULL) == 0;
}

static void note_one(struct instance *instance, void *data)
{
	cleanup_instance_row struct instance_row row = {0};
	cleanup_free char *owner = owner_of(instance->name);
	struct translations all = {0};
	json_t *devices = NULL;
	(void)data;
	if (load(instance, &row, &devices)) {
		json_t *nics = instance_running_nics(instance);
		networks_hold(instance->server);
		if (collect(instance->server->networks, devices, nics, &all, NULL) == 0)
			dnat_note(instance->server->networks, owner, all.entries, all.count);
		networks_release(instance->server);
		json_decref(nics);
	}
	free(all.entries);
	json_decref(devices);
}

void proxies_note(struct server *server)
{
	instance_registry_each(server, note_one, NULL);
}

static void refresh_one(struct instance *instance, void *data)
{
	cleanup_instance_row struct instance_row row = {0};
	cleanup_error struct error *error = NULL;
	cleanup_free char *directory = instance_run_directory(instance);
	json_t *devices = NULL;
	(void)data;
	if (load(instance, &row, &devices)) {
		json_t *proxies = proxies_spec(instance->server, &row, devices, &error);
		if (proxies && monitor_change_proxies(directory, proxies, &error) < 0)
			log_event(LOG_LEVEL_WARNING, instance->name, "%s", error_message(error));
		json_decref(proxies);
	}
	json_decref(devices);
}

void proxies_refresh(struct server *server)
{
	instance_registry_each(server, refresh_one, NULL);
}
