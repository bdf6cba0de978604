/* See nics.h. Without interfaces not a single system call is made. */
#include "nics.h"

#include <fcntl.h>
#include <stdio.h>

#include "cleanup.h"
#include "file.h"
#include "links.h"
#include "netlink.h"

static const char *text(const json_t *nic, const char *key)
{
	return json_string_value(json_object_get(nic, key));
}

static int parse(const json_t *nic, pid_t pid, struct veth *veth, struct error **error)
{
	const char *address = text(nic, "hwaddr");
	*veth = (struct veth){
		.host_name = text(nic, "host_name"),
		.bridge = text(nic, "bridge"),
		.name = text(nic, "name"),
		.pid = pid,
		.mtu = (uint32_t)json_integer_value(json_object_get(nic, "mtu")),
		.isolated = json_is_true(json_object_get(nic, "isolated")),
		.hairpin = json_is_true(json_object_get(nic, "hairpin")),
		.ingress = (uint64_t)json_integer_value(json_object_get(nic, "ingress")),
	};
	if (veth->host_name && veth->name && address && link_address_parse(address, veth->address))
		return 0;
	return error_set(error, ERROR_INVALID, "sysct.nics needs host_name, name and hwaddr");
}

static int create(struct netlink *netlink, const json_t *nic, pid_t pid, struct error **error)
{
	struct veth veth;
	return parse(nic, pid, &veth, error) < 0 ? -1 : veth_create(netlink, &veth, error);
}

int nics_create(const json_t *nics, pid_t pid, struct error **error)
{
	cleanup_netlink struct netlink netlink = NETLINK_INIT;
	size_t count = json_array_size(nics);
	if (count == 0)
		return 0;
	if (netlink_open(&netlink, error) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (create(&netlink, json_array_get(nics, i), pid, error) == 0)
			continue;
		while (i-- > 0)
			link_delete(&netlink, text(json_array_get(nics, i), "host_name"), NULL);
		return -1;
	}
	return 0;
}

int nics_adjust(const json_t *nic, struct error **error)
{
	cleanup_netlink struct netlink netlink = NETLINK_INIT;
	struct veth veth;
	if (parse(nic, 0, &veth, error) < 0 || netlink_open(&netlink, error) < 0)
		return -1;
	return veth_adjust(&netlink, &veth, error);
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
