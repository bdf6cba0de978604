/* See device_types.h. A type is in the table when its behaviour is there. */
#include "instance/device_types.h"

#include <ctype.h>
#include <string.h>

#include "instance/disk_check.h"
#include "instance/proxy_check.h"
#include "network/acl.h"
#include "network/nic.h"

enum { LONGEST_NAME = 64 };

static const struct device_key disk_keys[] = {
	{"path", true, disk_check_path,
	 "Where the disk is in the instance; `/` is the root disk. A mount point that is missing "
	 "is "
	 "made."},
	{"pool", false, disk_check_pool,
	 "Storage pool: of the root disk, or of the volume in `source`."},
	{"propagation", false, disk_check_propagation,
	 "`private` (unset), or `slave`: what the host mounts below the source later is seen, "
	 "too."},
	{"readonly", false, disk_check_bool, "`true`: nothing can be written."},
	{"recursive", false, disk_check_bool,
	 "`true`: with what is mounted below the source when the disk is attached."},
	{"required", false, disk_check_bool,
	 "`false`: it is left out when the source is missing, until the next start or change. "
	 "Unset: the start fails."},
	{"shift", false, disk_check_bool,
	 "`true`: ids 0 to 65535 of the source are those of the instance, by an idmapped mount. "
	 "Unset: they are the host's, and what the instance has no id for belongs to nobody. "
	 "Volumes are always shifted."},
	{"size", false, disk_check_size,
	 "Of the root disk: the most that it may hold, where the pool can keep it to that (see "
	 "storage.md); unset: as much as the pool. Of a `tmpfs:`; unset: half of the memory."},
	{"source", false, disk_check_source,
	 "Directory or file of the host; `tmpfs:`; with `pool` a custom volume, `VOLUME` or "
	 "`VOLUME/SUB/PATH`. The root disk has none."},
	{0},
};

static const struct device_key nic_keys[] = {
	{"attached", false, nic_check_bool, "`false`: the instance has it not, for now."},
	{"boot.priority", false, nic_check_order,
	 "NICs with a higher one are made first, and get the first free names `ethN`."},
	{"connected", false, nic_check_bool, "`false`: as if its cable was pulled out."},
	{"gvrp", false, nic_check_bool, "`true`: the VLAN is announced by GVRP."},
	{"host_name", false, nic_check_name,
	 "Name of the host's end. Unset: `veth` and a number that stays the same."},
	{"hwaddr", false, nic_check_hwaddr,
	 "MAC address. Unset: one that the instance keeps (`volatile.DEVICE.hwaddr`)."},
	{"ipv4.address", false, nic_check_ipv4,
	 "Address that DHCP gives it; unset: a free one. For `routed` and `ipvlan`: the addresses "
	 "that it has."},
	{"ipv4.gateway", false, nic_check_gateway4,
	 "`auto` or `none`: whether `routed` and `ipvlan` have a default route; an address for "
	 "`ipvlan` "
	 "in mode `l2`."},
	{"ipv4.host_address", false, nic_check_ipv4,
	 "Address of the host's end of `routed`, its gateway. Unset: `169.254.0.1`."},
	{"ipv4.host_table", false, nic_check_table,
	 "Table that the host's route to `routed` is in beside the main one."},
	{"ipv4.routes", false, nic_check_routes4,
	 "Subnets, separated by commas, that the host reaches through it."},
	{"ipv6.address", false, nic_check_ipv6,
	 "Address that DHCPv6 gives it, where the network has `ipv6.dhcp.stateful`; as "
	 "`ipv4.address`."},
	{"ipv6.gateway", false, nic_check_gateway6, "As `ipv4.gateway`."},
	{"ipv6.host_address", false, nic_check_ipv6, "As `ipv4.host_address`. Unset: `fe80::1`."},
	{"ipv6.host_table", false, nic_check_table, "As `ipv4.host_table`."},
	{"ipv6.routes", false, nic_check_routes6, "As `ipv4.routes`."},
	{"limits.egress", false, nic_check_rate,
	 "What it may send, in bits a second (`100Mbit`); what is more is dropped."},
	{"limits.ingress", false, nic_check_rate,
	 "What it may receive, in bits a second; what is more waits, for 50 ms at most."},
	{"limits.max", false, nic_check_rate, "Both."},
	{"limits.priority", false, nic_check_priority,
	 "Priority of what it sends, for queueing disciplines of the host (`SO_PRIORITY`)."},
	{"mode", false, nic_check_mode,
	 "Of `macvlan`: `bridge` (unset), `vepa`, `passthru` or `private`; of `ipvlan`: `l3s` "
	 "(unset), `l3` or `l2`."},
	{"mtu", false, nic_check_mtu, "MTU. Unset: the network's, or the parent's."},
	{"name", false, nic_check_name, "Name in the instance. Unset: the first free `ethN`."},
	{"network", false, nic_check_name, "The managed network that it is in."},
	{"nictype", false, nic_check_type,
	 "Without `network`: `bridged` (in the bridge `parent` of the host), `p2p` (a link to the "
	 "host alone), `routed` (the host routes its addresses and answers for them on `parent`), "
	 "`macvlan` and `ipvlan` (over the host's interface `parent`), `physical` (`parent` "
	 "itself)."},
	{"parent", false, nic_check_name, "The bridge or interface of the host."},
	{"queue.tx.length", false, nic_check_queue,
	 "Packets that may wait to be sent. Unset: the kernel's."},
	{"security.acls", false, acl_check_list,
	 "Network ACLs, separated by commas, that say what it may send and receive."},
	{"security.acls.default.egress.action", false, acl_check_default,
	 "`allow`, `drop` or `reject` (unset): what it sends and matches no rule."},
	{"security.acls.default.egress.logged", false, nic_check_bool, "`true`: that is logged."},
	{"security.acls.default.ingress.action", false, acl_check_default,
	 "`allow`, `drop` or `reject` (unset): what comes to it and matches no rule."},
	{"security.acls.default.ingress.logged", false, nic_check_bool, "`true`: that is logged."},
	{"security.ipv4_filtering", false, nic_check_bool,
	 "`true`: it can use no IPv4 address but its own, and serve no DHCP; implies "
	 "`security.mac_filtering`."},
	{"security.ipv6_filtering", false, nic_check_bool,
	 "`true`: it can use no IPv6 address but its own, and send no router advertisements; "
	 "implies `security.mac_filtering`."},
	{"security.mac_filtering", false, nic_check_bool,
	 "`true`: it can use no MAC address but its own."},
	{"security.port_isolation", false, nic_check_bool,
	 "`true`: it reaches the host and what is beyond, but no other isolated NIC of the "
	 "bridge."},
	{"vlan", false, nic_check_vlan,
	 "VLAN of its untagged packets in the bridge, or `none`; for the other types: the VLAN of "
	 "`parent` that it is on."},
	{"vlan.tagged", false, nic_check_vlans,
	 "VLANs (`10,20-29`) that it sends and receives tagged in the bridge."},
	{0},
};

static const struct device_key proxy_keys[] = {
	{"bind", false, proxy_check_bind,
	 "The side that listens: `host` (unset) or `instance`; the other connects."},
	{"connect", true, proxy_check_address,
	 "Where connections lead: `tcp:ADDRESS:PORT`, `udp:ADDRESS:PORT`, `unix:PATH` or "
	 "`unix:@ABSTRACT`; IPv6 in brackets. One port, or as many as in `listen`."},
	{"gid", false, proxy_check_id, "Group of the listening socket `unix:PATH`. Unset: 0."},
	{"listen", true, proxy_check_address,
	 "Where it listens, as in `connect`; ports are a list with ranges (`80,443,1000-1010`)."},
	{"mode", false, proxy_check_mode, "Mode of the listening socket `unix:PATH`. Unset: 0644."},
	{"nat", false, proxy_check_bool,
	 "`true`: no process forwards, the host translates addresses, and the instance sees the "
	 "client's. Needs an address of the host, and an address of the instance that the host "
	 "knows; for `0.0.0.0` or `[::]` the first one is taken."},
	{"proxy_protocol", false, proxy_check_bool,
	 "`true`: a tcp server is told the client's address by HAProxy's PROXY header (version "
	 "1)."},
	{"security.gid", false, proxy_check_id, "As `security.uid`, of groups."},
	{"security.uid", false, proxy_check_id,
	 "User on the connecting side that the proxy runs as, without any privilege. Unset: the "
	 "instance's root, which on the host is an unprivileged user."},
	{"uid", false, proxy_check_id, "User who owns the listening socket `unix:PATH`. Unset: 0."},
	{0},
};

static const struct device_key no_keys[] = {{0}};

static const struct device_type types[] = {
	{"disk", disk_keys,
	 "The root file system of an instance, or a directory, file, volume or tmpfs in it."},
	{"nic", nic_keys, "A network interface."},
	{"none", no_keys, "No device: hides the device of that name in a profile."},
	{"proxy", proxy_keys, "Forwards connections between the host and an instance."},
};

/* Types and keys of NICs that LXD or Incus has, for a message that tells so. */
static const char *const unsupported_types[] = {
	"gpu", "infiniband", "pci", "tpm", "unix-block", "unix-char", "unix-hotplug", "usb", NULL,
};
static const char *const unsupported_nic_keys[] = {
	"acceleration",
	"io.bus",
	"ipv4.host_tables",
	"ipv4.neighbor_probe",
	"ipv4.routes.external",
	"ipv6.host_tables",
	"ipv6.neighbor_probe",
	"ipv6.routes.external",
	"vrf",
	NULL,
};

static bool is_listed(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

const struct device_type *device_types(size_t *count)
{
	*count = sizeof(types) / sizeof(types[0]);
	return types;
}

const struct device_type *device_type_find(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

static const struct device_key *find_key(const struct device_type *type, const char *name)
{
	for (const struct device_key *key = type->keys; key->name; key++)
		if (strcmp(key->name, name) == 0)
			return key;
	return NULL;
}

static int check_name(const char *name, struct error **error)
{
	size_t length = strlen(name);
	bool good = length > 0 && length <= LONGEST_NAME && isalnum((unsigned char)*name);
	for (const char *at = name; good && *at; at++)
		good = isalnum((unsigned char)*at) || strchr("-_.:", *at);
	if (good)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "not a name for a device: use up to %d letters, digits and \"-_.:\", the "
			 "first a letter or digit",
			 LONGEST_NAME);
}

static const struct device_type *check_type(const json_t *device, struct error **error)
{
	const char *name = json_string_value(json_object_get(device, "type"));
	const struct device_type *type = name ? device_type_find(name) : NULL;
	if (type)
		return type;
	if (!name || !*name)
		error_set(error, ERROR_INVALID, "it has no type");
	else if (is_listed(unsupported_types, name))
		error_set(error, ERROR_UNSUPPORTED,
			  "devices of type \"%s\" are not supported by sysct yet", name);
	else
		error_set(error, ERROR_INVALID, "there is no device type \"%s\"", name);
	return NULL;
}

static int check_pair(const struct device_type *type, const char *name, const json_t *value,
		      struct error **error)
{
	if (strcmp(name, "type") == 0)
		return 0;
	if (!json_is_string(value))
		return error_set(error, ERROR_INVALID, "the value of \"%s\" is not a text", name);
	const struct device_key *key = find_key(type, name);
	if (key)
		return key->validate(json_string_value(value), error);
	const char *why = strcmp(type->name, "disk") == 0 ? disk_key_missing(name) : NULL;
	if (why)
		return error_set(error, ERROR_UNSUPPORTED,
				 "\"%s\" of a disk is not supported by sysct: %s", name, why);
	if (strcmp(type->name, "nic") == 0 && is_listed(unsupported_nic_keys, name))
		return error_set(error, ERROR_UNSUPPORTED,
				 "\"%s\" of a device of type \"%s\" is not supported by sysct yet",
				 name, type->name);
	return error_set(error, ERROR_INVALID, "a device of type \"%s\" has no key \"%s\"",
			 type->name, name);
}

static int validate_device(const char *device_name, const json_t *device, struct error **error)
{
	const char *name;
	json_t *value;
	if (!json_is_object(device))
		return error_set(error, ERROR_INVALID, "it is not an object");
	if (check_name(device_name, error) < 0)
		return -1;
	const struct device_type *type = check_type(device, error);
	if (!type)
		return -1;
	json_object_foreach ((json_t *)device, name, value)
		if (check_pair(type, name, value, error) < 0)
			return -1;
	for (const struct device_key *key = type->keys; key->name; key++)
		if (key->required && !json_object_get(device, key->name))
			return error_set(error, ERROR_INVALID, "it has no \"%s\"", key->name);
	if (strcmp(type->name, "proxy") == 0)
		return proxy_check_device(device, error);
	if (strcmp(type->name, "disk") == 0)
		return disk_check_device(device, error);
	return strcmp(type->name, "nic") == 0 ? nic_check_device(device, error) : 0;
}

int devices_validate(const json_t *devices, struct error **error)
{
	const char *name, *root = NULL;
	json_t *device;
	if (devices && !json_is_object(devices))
		return error_set(error, ERROR_INVALID, "the devices are not an object");
	json_object_foreach ((json_t *)devices, name, device) {
		if (validate_device(name, device, error) < 0)
			return error_prefix(error, "device \"%s\"", name);
		if (root && disk_is_root(device))
			return error_set(error, ERROR_INVALID,
					 "devices \"%s\" and \"%s\" are both a root disk", root,
					 name);
		if (disk_is_root(device))
			root = name;
	}
	return disks_check_paths(devices, error);
}

const json_t *devices_find_root(const json_t *devices, const char **name)
{
	const char *key;
	json_t *device;
	json_object_foreach ((json_t *)devices, key, device) {
		if (!disk_is_root(device))
			continue;
		if (name)
			*name = key;
		return device;
	}
	return NULL;
}

const char *devices_root_pool(const json_t *devices, struct error **error)
{
	const json_t *root = devices_find_root(devices, NULL);
	const char *pool = json_string_value(json_object_get(root, "pool"));
	if (!pool)
		error_set(error, ERROR_INVALID,
			  "the instance has no root disk: give it a profile that has one (as "
			  "\"default\" has), or a device of type disk with path \"/\" and a pool");
	return pool;
}

static int apply_profile(const struct profile_list *profiles, const char *name, json_t *config,
			 json_t *devices, struct error **error)
{
	const struct profile_row *profile = profile_list_find(profiles, name);
	if (!profile)
		return error_set(error, ERROR_NOT_FOUND, "Profile not found: \"%s\"",
				 name ? name : "");
	json_object_update(config, profile->config);
	json_object_update(devices, profile->devices);
	return 0;
}

static void give(json_t **to, json_t *value)
{
	if (to)
		*to = value;
	else
		json_decref(value);
}

int config_expand(const struct profile_list *profiles, const json_t *names, const json_t *config,
		  const json_t *devices, json_t **expanded_config, json_t **expanded_devices,
		  struct error **error)
{
	json_t *all_config = json_object();
	json_t *all_devices = json_object();
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		if (apply_profile(profiles, name, all_config, all_devices, error) < 0) {
			json_decref(all_config);
			json_decref(all_devices);
			return -1;
		}
	}
	json_object_update(all_config, (json_t *)config);
	json_object_update(all_devices, (json_t *)devices);
	give(expanded_config, all_config);
	give(expanded_devices, all_devices);
	return 0;
}
