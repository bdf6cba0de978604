/* See nics.h. Without interfaces not a single system call is made. */
#include "nics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "link_kinds.h"
#include "links.h"
#include "log.h"
#include "memory.h"

/* What an interface is made for; both sockets are opened when first needed. */
struct place {
	pid_t pid;
	struct netlink host, inside;
};

#define PLACE_INIT(instance)                                                                       \
	{                                                                                          \
		.pid = (instance), .host = NETLINK_INIT, .inside = NETLINK_INIT                    \
	}

static void place_clear(struct place *place)
{
	netlink_close(&place->host);
	netlink_close(&place->inside);
}
#define cleanup_place __attribute__((cleanup(place_clear)))

static const char *text(const json_t *nic, const char *key)
{
	return json_string_value(json_object_get(nic, key));
}

static uint32_t number(const json_t *nic, const char *key)
{
	return (uint32_t)json_integer_value(json_object_get(nic, key));
}

static bool is_kind(const json_t *nic, const char *kind)
{
	const char *own = text(nic, "kind");
	return own && strcmp(own, kind) == 0;
}

static struct netlink *on_host(struct place *place, struct error **error)
{
	if (place->host.fd < 0 && netlink_open(&place->host, error) < 0)
		return NULL;
	return &place->host;
}

static struct netlink *inside(struct place *place, struct error **error)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)place->pid);
	if (place->inside.fd >= 0)
		return &place->inside;
	cleanup_close int space = open(path, O_RDONLY | O_CLOEXEC);
	if (space < 0) {
		error_errno(error, errno, "opening %s", path);
		return NULL;
	}
	return netlink_open_in(&place->inside, space, error) < 0 ? NULL : &place->inside;
}

/* ---- veth pairs ---- */

static int parse(const json_t *nic, pid_t pid, struct veth *veth, struct error **error)
{
	const char *address = text(nic, "hwaddr");
	*veth = (struct veth){
		.host_name = text(nic, "host_name"),
		.bridge = text(nic, "bridge"),
		.name = text(nic, "name"),
		.pid = pid,
		.mtu = number(nic, "mtu"),
		.isolated = json_is_true(json_object_get(nic, "isolated")),
		.hairpin = json_is_true(json_object_get(nic, "hairpin")),
		.ingress = (uint64_t)json_integer_value(json_object_get(nic, "ingress")),
		.queue_length = number(nic, "queue"),
		.down = json_is_true(json_object_get(nic, "down")),
	};
	if (veth->host_name && veth->name && address && link_address_parse(address, veth->address))
		return 0;
	return error_set(error, ERROR_INVALID, "sysct.nics needs host_name, name and hwaddr");
}

static int set_vlans(struct netlink *netlink, const json_t *nic, struct error **error)
{
	const json_t *untagged = json_object_get(nic, "vlan"),
		     *tagged = json_object_get(nic, "tagged");
	size_t count = json_array_size(tagged);
	if (!untagged && count == 0)
		return 0;
	cleanup_free uint16_t *ids = memory_alloc((count + 1) * sizeof(*ids));
	for (size_t i = 0; i < count; i++)
		ids[i] = (uint16_t)json_integer_value(json_array_get(tagged, i));
	struct port_vlans vlans = {(int)json_integer_value(untagged), ids, count};
	return link_set_vlans(netlink, text(nic, "host_name"), &vlans, error);
}

static int create_veth(struct place *place, const json_t *nic, struct error **error)
{
	struct veth veth;
	struct netlink *netlink = on_host(place, error);
	if (!netlink || parse(nic, place->pid, &veth, error) < 0 ||
	    veth_create(netlink, &veth, error) < 0)
		return -1;
	if (set_vlans(netlink, nic, error) == 0 && nics_address_host(netlink, nic, error) == 0)
		return 0;
	link_delete(netlink, veth.host_name, NULL);
	return -1;
}

/* ---- interfaces over one of the host, or that itself ---- */

static const uint8_t *parse_address(const char *given, uint8_t address[static LINK_ADDRESS_SIZE])
{
	return given && link_address_parse(given, address) ? address : NULL;
}

static int create_over(struct place *place, const json_t *nic, struct error **error)
{
	uint8_t address[LINK_ADDRESS_SIZE];
	struct netlink *netlink = on_host(place, error);
	struct link_over link = {
		.kind = text(nic, "kind"),
		.parent = text(nic, "parent"),
		.name = text(nic, "name"),
		.pid = place->pid,
		.mode = text(nic, "mode"),
		.vlan = (uint16_t)number(nic, "vlan_id"),
		.gvrp = json_is_true(json_object_get(nic, "gvrp")),
		.mtu = number(nic, "mtu"),
	};
	if (!netlink)
		return -1;
	if (!is_kind(nic, "ipvlan"))
		link.address = parse_address(text(nic, "hwaddr"), address);
	return link_create_over(netlink, &link, error);
}

static int take_physical(struct place *place, const json_t *nic, struct error **error)
{
	uint8_t address[LINK_ADDRESS_SIZE];
	struct netlink *netlink = on_host(place, error);
	int index = netlink ? link_index(netlink, text(nic, "parent")) : 0;
	if (!netlink)
		return -1;
	if (index == 0)
		return error_set(error, ERROR_NOT_FOUND, "the host has no network interface \"%s\"",
				 text(nic, "parent"));
	return link_move(netlink, index, place->pid, text(nic, "name"),
			 parse_address(text(nic, "hwaddr"), address), number(nic, "mtu"), error);
}

/* The instance may have renamed it, or called something of its own by its name. */
static int give_back(struct netlink *netlink, const json_t *nic, struct error **error)
{
	const json_t *restore = json_object_get(nic, "restore");
	struct link_identity identity = {.mtu = number(restore, "mtu")};
	uint8_t address[LINK_ADDRESS_SIZE] = {0};
	const char *kind = text(restore, "kind");
	snprintf(identity.kind, sizeof(identity.kind), "%s", kind ? kind : "");
	parse_address(text(restore, "hwaddr"), address);
	memcpy(identity.address, address, sizeof(address));
	int index = link_find(netlink, "", &identity);
	if (index == 0) {
		parse_address(text(nic, "hwaddr"), identity.address);
		index = link_find(netlink, text(nic, "name"), &identity);
	}
	if (index == 0)
		return 0;
	return link_move(netlink, index, getpid(), text(restore, "name"), address, identity.mtu,
			 error);
}

/* ---- all of them ---- */

static int remove_nic(struct place *place, const json_t *nic, struct error **error)
{
	bool ours = !json_object_get(nic, "kind");
	struct netlink *netlink = ours ? on_host(place, error) : inside(place, error);
	if (!netlink)
		return -1;
	if (is_kind(nic, "physical"))
		return give_back(netlink, nic, error);
	return link_delete(netlink, text(nic, ours ? "host_name" : "name"), error);
}

static int create(struct place *place, const json_t *nic, struct error **error)
{
	int result = !json_object_get(nic, "kind") ? create_veth(place, nic, error)
		     : is_kind(nic, "physical")	   ? take_physical(place, nic, error)
						   : create_over(place, nic, error);
	if (result < 0 || !json_object_get(nic, "addresses"))
		return result;
	struct netlink *netlink = inside(place, error);
	if (netlink && nics_address_inside(netlink, nic, error) == 0)
		return 0;
	remove_nic(place, nic, NULL);
	return -1;
}

int nics_create(const json_t *nics, pid_t pid, struct error **error)
{
	cleanup_place struct place place = PLACE_INIT(pid);
	for (size_t i = 0; i < json_array_size(nics); i++) {
		const json_t *nic = json_array_get(nics, i);
		if (create(&place, nic, error) == 0)
			continue;
		error_prefix(error, "NIC \"%s\"", text(nic, "device"));
		while (i-- > 0)
			remove_nic(&place, json_array_get(nics, i), NULL);
		return -1;
	}
	return 0;
}

int nics_remove(const json_t *nic, pid_t pid, struct error **error)
{
	cleanup_place struct place place = PLACE_INIT(pid);
	return remove_nic(&place, nic, error);
}

bool nics_must_return(const json_t *nics)
{
	for (size_t i = 0; i < json_array_size(nics); i++)
		if (is_kind(json_array_get(nics, i), "physical"))
			return true;
	return false;
}

void nics_return(const json_t *nics, int space)
{
	cleanup_netlink struct netlink netlink = NETLINK_INIT;
	cleanup_error struct error *problem = NULL;
	if (netlink_open_in(&netlink, space, &problem) < 0)
		log_event(LOG_LEVEL_ERROR, NULL, "%s", error_message(problem));
	for (size_t i = 0; netlink.fd >= 0 && i < json_array_size(nics); i++) {
		cleanup_error struct error *error = NULL;
		const json_t *nic = json_array_get(nics, i);
		if (is_kind(nic, "physical") && give_back(&netlink, nic, &error) < 0)
			log_event(LOG_LEVEL_ERROR, NULL, "giving back %s: %s", text(nic, "parent"),
				  error_message(error));
	}
}

int nics_adjust(const json_t *nic, struct error **error)
{
	cleanup_netlink struct netlink netlink = NETLINK_INIT;
	struct veth veth;
	if (json_object_get(nic, "kind"))
		return 0;
	if (parse(nic, 0, &veth, error) < 0 || netlink_open(&netlink, error) < 0)
		return -1;
	return veth_adjust(&netlink, &veth, error) < 0 ? -1 : set_vlans(&netlink, nic, error);
}

void nics_prepare(const json_t *nics)
{
	char path[96];
	for (size_t i = 0; i < json_array_size(nics); i++) {
		const json_t *nic = json_array_get(nics, i);
		if (!text(nic, "network"))
			continue;
		snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_dad",
			 text(nic, "name"));
		file_poke_at(AT_FDCWD, path, "0", NULL); /* without IPv6 it is not there */
	}
}
