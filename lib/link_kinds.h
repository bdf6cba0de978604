/* Network interfaces made over another one, VLANs of bridge ports, and moving interfaces between namespaces. */
#ifndef SYSCT_LINK_KINDS_H
#define SYSCT_LINK_KINDS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "links.h"
#include "netlink.h"

/* An interface over @parent: ip-link(8), types macvlan, ipvlan and vlan. */
struct link_over {
	const char *kind; /* "macvlan", "ipvlan", "vlan" */
	const char *parent;
	const char *name;
	pid_t pid;	  /* in whose namespace it is made; 0: here */
	const char *mode; /* macvlan: bridge, vepa, passthru, private; ipvlan: l2, l3, l3s */
	uint16_t vlan;	  /* its VLAN ID, for a vlan */
	bool gvrp;
	const uint8_t *address; /* NULL: as the kernel has it; an ipvlan has its parent's */
	uint32_t mtu;		/* 0: the parent's */
	uint32_t group;		/* ip-link(8); 0: the default one */
};

/* ERROR_UNSUPPORTED where the kernel has no such interfaces, ERROR_EXISTS when the name is taken. */
int link_create_over(struct netlink *netlink, const struct link_over *link, struct error **error);

/* What an interface is known by wherever it is. */
struct link_identity {
	char kind[16]; /* as ip-link(8) has types; empty for a card */
	uint8_t address[LINK_ADDRESS_SIZE];
	uint32_t mtu;
	uint32_t group;
};

/* False when there is none of that name. */
bool link_identify(struct netlink *netlink, const char *name, struct link_identity *identity);

/**
 * link_find - index of the interface of that kind that has the MAC address now, or had it from its
 * maker, or has that name; 0 when there is none. Only the kind is beyond the reach of whoever is
 * root beside it.
 */
int link_find(struct netlink *netlink, const char *name, const struct link_identity *identity);

/**
 * link_move - bring down an interface and take it to the network namespace of @pid, under a new name.
 * @address (may be NULL) and @mtu (0: none) are set there. The socket is of the namespace it is in.
 */
int link_move(struct netlink *netlink, int index, pid_t pid, const char *new_name,
	      const uint8_t *address, uint32_t mtu, struct error **error);

enum { VLAN_MAX = 4094 };

/* What a port of a bridge with VLAN filtering carries; bridge(8), vlan. */
struct port_vlans {
	int untagged;		/* VLAN ID; 0: the bridge's own; -1: none */
	const uint16_t *tagged; /* IDs */
	size_t tagged_count;
};

/* The port's VLANs are these and no others. */
int link_set_vlans(struct netlink *netlink, const char *port, const struct port_vlans *vlans,
		   struct error **error);

/* Whether the bridge looks at VLANs: on is what ports with VLANs need. */
bool bridge_filters_vlans(const char *bridge);
int bridge_filter_vlans(struct netlink *netlink, const char *bridge, struct error **error);

#endif
