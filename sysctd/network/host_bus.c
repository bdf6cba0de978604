/* See host_bus.h; sd-bus(3), org.freedesktop.resolve1(5), firewalld.dbus(5). */
#include "network/host_bus.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "cleanup.h"
#include "log.h"
#include "memory.h"
#include "network/manager.h"
#include "network/zones.h"

#define RESOLVED  "org.freedesktop.resolve1"
#define FIREWALLD "org.fedoraproject.FirewallD1"
#define ZONE	  "sysct" /* etc/firewalld-zone.xml */

struct host_bus {
	sd_bus *bus;
	json_t *told; /* {bridge: null}: those that firewalld may know */
};

void host_bus_touch(struct networks *networks)
{
	networks->bus_stale = true;
}

/* ---- messages ---- */

static void drop_message(sd_bus_message **message)
{
	sd_bus_message_unref(*message);
}
#define cleanup_bus_message __attribute__((cleanup(drop_message)))

/* Somebody who is not there is nobody to tell. */
static bool is_absent(const sd_bus_error *error)
{
	return sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	       sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
}

static int on_reply(sd_bus_message *reply, void *data, sd_bus_error *unused)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	(void)unused;
	if (error && !is_absent(error))
		log_event(LOG_LEVEL_WARNING, NULL, "%s: %s", (const char *)data, error->message);
	return 1;
}

static int ignore_reply(sd_bus_message *reply, void *data, sd_bus_error *unused)
{
	(void)reply;
	(void)data;
	(void)unused;
	return 1;
}

static sd_bus_message *new_call(const struct host_bus *host, const char *service, const char *path,
				const char *interface, const char *member)
{
	sd_bus_message *message = NULL;
	if (sd_bus_message_new_method_call(host->bus, &message, service, path, interface, member) <
	    0)
		return NULL;
	sd_bus_message_set_auto_start(message, 0);
	return message;
}

/* @what, which is freed with the call, is what @handler gets. */
static void call(const struct host_bus *host, sd_bus_message *message,
		 sd_bus_message_handler_t handler, const char *what)
{
	sd_bus_slot *slot = NULL;
	char *copy = memory_strdup(what);
	if (sd_bus_call_async(host->bus, &slot, message, handler, copy, 0) < 0) {
		free(copy);
		return;
	}
	sd_bus_slot_set_destroy_callback(slot, free);
	sd_bus_slot_set_floating(slot, 1);
	sd_bus_slot_unref(slot);
}

/* ---- systemd-resolved ---- */

static sd_bus_message *resolved_call(const struct host_bus *host, const char *member, int index)
{
	sd_bus_message *message =
		new_call(host, RESOLVED, "/org/freedesktop/resolve1", RESOLVED ".Manager", member);
	if (message)
		sd_bus_message_append(message, "i", index);
	return message;
}

static void set_flag(const struct host_bus *host, int index, const char *member, const char *types,
		     const void *value)
{
	cleanup_bus_message sd_bus_message *message = resolved_call(host, member, index);
	if (!message)
		return;
	sd_bus_message_append_basic(message, *types, value);
	call(host, message, on_reply, "telling systemd-resolved");
}

static void append_server(sd_bus_message *message, const struct subnet *subnet)
{
	int family = subnet->address.family;
	if (!family)
		return;
	sd_bus_message_open_container(message, SD_BUS_TYPE_STRUCT, "iay");
	sd_bus_message_append(message, "i", family);
	sd_bus_message_append_array(message, 'y', subnet->address.bytes,
				    family == AF_INET ? 4 : 16);
	sd_bus_message_close_container(message);
}

static void set_servers(const struct host_bus *host, const struct network *network, int index)
{
	cleanup_bus_message sd_bus_message *message = resolved_call(host, "SetLinkDNS", index);
	if (!message)
		return;
	sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "(iay)");
	append_server(message, &network->ipv4);
	append_server(message, &network->ipv6);
	sd_bus_message_close_container(message);
	call(host, message, on_reply, "telling systemd-resolved");
}

static void append_reverse(sd_bus_message *message, const struct subnet *subnet)
{
	char domain[SUBNET_REVERSE_TEXT];
	if (subnet->address.family && subnet_reverse(subnet, domain))
		sd_bus_message_append(message, "(sb)", domain, 1);
}

static void append_domain(const char *domain, void *message)
{
	sd_bus_message_append(message, "(sb)", domain, 1);
}

/* For names below these it asks the bridge, and for no others ("routing only"). */
static void set_domains(const struct host_bus *host, const struct network *network, int index)
{
	cleanup_bus_message sd_bus_message *message = resolved_call(host, "SetLinkDomains", index);
	if (!message)
		return;
	sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "(sb)");
	append_domain(network_config_get(network->config, "dns.domain"), message);
	zones_each_forward(network, append_domain, message);
	append_reverse(message, &network->ipv4);
	append_reverse(message, &network->ipv6);
	sd_bus_message_close_container(message);
	call(host, message, on_reply, "telling systemd-resolved");
}

static void tell_resolved(const struct host_bus *host, const struct network *network)
{
	static const int no = 0;
	int index = (int)if_nametoindex(network->name);
	const char *mode = network_config_get(network->config, "dns.mode");
	if (index == 0)
		return;
	bool serves = network->ipv4.address.family || network->ipv6.address.family;
	if (!serves || strcmp(mode, "none") == 0) {
		cleanup_bus_message sd_bus_message *message =
			resolved_call(host, "RevertLink", index);
		if (message)
			call(host, message, on_reply, "telling systemd-resolved");
		return;
	}
	set_servers(host, network, index);
	set_domains(host, network, index);
	set_flag(host, index, "SetLinkDefaultRoute", "b", &no);
	/* The domain is nobody's but ours: nothing above it could vouch for it. */
	set_flag(host, index, "SetLinkDNSSEC", "s", "no");
	set_flag(host, index, "SetLinkDNSOverTLS", "s", "no");
	set_flag(host, index, "SetLinkMulticastDNS", "s", "no");
	set_flag(host, index, "SetLinkLLMNR", "s", "no");
}

/* ---- firewalld ---- */

static sd_bus_message *zone_call(const struct host_bus *host, const char *member)
{
	return new_call(host, FIREWALLD, "/org/fedoraproject/FirewallD1", FIREWALLD ".zone",
			member);
}

static int on_added(sd_bus_message *reply, void *data, sd_bus_error *unused)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	(void)unused;
	if (!error || is_absent(error))
		return 1;
	if (error->message && strncmp(error->message, "INVALID_ZONE", 12) == 0)
		log_event(LOG_LEVEL_WARNING, NULL,
			  "firewalld does not know the zone " ZONE
			  ", and drops what instances of %s send: install its file, then "
			  "firewall-cmd --reload",
			  (const char *)data);
	else
		log_event(LOG_LEVEL_WARNING, NULL, "firewalld, for %s: %s", (const char *)data,
			  error->message);
	return 1;
}

/* Only one that is in no zone yet: what the administrator has chosen for it stays. */
static int on_zone(sd_bus_message *reply, void *data, sd_bus_error *unused)
{
	const char *zone = NULL, *bridge = data;
	(void)unused;
	if (sd_bus_message_get_error(reply) || sd_bus_message_read(reply, "s", &zone) < 0 || *zone)
		return 1;
	struct host_bus host = {.bus = sd_bus_message_get_bus(reply)};
	cleanup_bus_message sd_bus_message *message = zone_call(&host, "addInterface");
	if (message && sd_bus_message_append(message, "ss", ZONE, bridge) >= 0)
		call(&host, message, on_added, bridge);
	return 1;
}

static void tell_firewalld(const struct host_bus *host, const char *bridge)
{
	cleanup_bus_message sd_bus_message *message = zone_call(host, "getZoneOfInterface");
	if (message && sd_bus_message_append(message, "s", bridge) >= 0)
		call(host, message, on_zone, bridge);
}

static void forget_in_firewalld(const struct host_bus *host, const char *bridge)
{
	cleanup_bus_message sd_bus_message *message = zone_call(host, "removeInterface");
	if (message && sd_bus_message_append(message, "ss", ZONE, bridge) >= 0)
		call(host, message, ignore_reply, bridge);
}

/* ---- the bus ---- */

static int on_change(sd_bus_message *signal, void *data, sd_bus_error *unused)
{
	(void)signal;
	(void)unused;
	host_bus_touch(data);
	return 0;
}

/* Started again, both have forgotten; firewalld also when it reads its configuration anew. */
static void watch(struct networks *networks, sd_bus *bus)
{
	static const char *const rules[] = {
		"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',"
		"arg0='" RESOLVED "'",
		"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',"
		"arg0='" FIREWALLD "'",
		"type='signal',sender='" FIREWALLD "',member='Reloaded'",
	};
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		sd_bus_add_match_async(bus, NULL, rules[i], on_change, ignore_reply, networks);
}

static void disconnect(struct networks *networks)
{
	if (networks->bus)
		sd_bus_close_unref(networks->bus->bus);
	if (networks->bus)
		json_decref(networks->bus->told);
	free(networks->bus);
	networks->bus = NULL;
}

static void connect_bus(struct networks *networks)
{
	sd_bus *bus = NULL;
	if (sd_bus_open_system(&bus) < 0)
		return;
	networks->bus = memory_alloc(sizeof(*networks->bus));
	*networks->bus = (struct host_bus){bus, json_object()};
	watch(networks, bus);
}

static void forget_gone(struct networks *networks)
{
	struct host_bus *host = networks->bus;
	const char *bridge;
	json_t *unused;
	void *next;
	json_object_foreach_safe (host->told, next, bridge, unused) {
		if (*networks_place(networks, bridge))
			continue;
		forget_in_firewalld(host, bridge);
		json_object_del(host->told, bridge);
	}
}

static void tell_all(struct networks *networks)
{
	forget_gone(networks);
	for (const struct network *at = networks->first; at; at = at->next) {
		tell_resolved(networks->bus, at);
		tell_firewalld(networks->bus, at->name);
		json_object_set_new(networks->bus->told, at->name, json_null());
	}
}

void host_bus_look(struct networks *networks)
{
	int result = 0;
	if (networks->bus_stale && !networks->bus)
		connect_bus(networks);
	while (networks->bus && (result = sd_bus_process(networks->bus->bus, NULL)) > 0)
		;
	if (result < 0) {
		log_event(LOG_LEVEL_INFO, NULL, "the system bus went away: %s", strerror(-result));
		disconnect(networks);
	}
	if (networks->bus && networks->bus_stale)
		tell_all(networks);
	networks->bus_stale = false;
}

struct pollfd host_bus_wait(const struct networks *networks, int *timeout)
{
	uint64_t until = UINT64_MAX;
	*timeout = -1;
	if (!networks->bus)
		return (struct pollfd){.fd = -1};
	sd_bus *bus = networks->bus->bus;
	long long now = networks_now();
	if (sd_bus_get_timeout(bus, &until) >= 0 && until != UINT64_MAX)
		*timeout = (long long)(until / 1000) > now ? (int)((long long)(until / 1000) - now)
							   : 0;
	return (struct pollfd){sd_bus_get_fd(bus), (short)sd_bus_get_events(bus), 0};
}

void host_bus_close(struct networks *networks, bool forget)
{
	if (networks->bus && forget) {
		const char *bridge;
		json_t *unused;
		json_object_foreach (networks->bus->told, bridge, unused)
			forget_in_firewalld(networks->bus, bridge);
		sd_bus_flush(networks->bus->bus);
	}
	disconnect(networks);
}
