/* Network interfaces: bridges, veth pairs, addresses, by rtnetlink(7). */
#ifndef SYSCT_LINKS_H
#define SYSCT_LINKS_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "netlink.h"

enum { LINK_ADDRESS_SIZE = 6, LINK_ADDRESS_TEXT = 18 };

/* "00:16:3e:01:02:03"; false when it is none, or a group's. */
bool link_address_parse(const char *text, uint8_t address[static LINK_ADDRESS_SIZE]);
void link_address_format(const uint8_t address[static LINK_ADDRESS_SIZE],
			 char text[static LINK_ADDRESS_TEXT]);

/* Whether the kernel and its tools take it as a name of an interface (at most 15 bytes). */
int link_check_name(const char *name, struct error **error);

/* A pair: one end here, in a bridge or none, the other in the network namespace of a process. */
struct veth {
	const char *host_name;
	const char *bridge; /* NULL: none */
	const char *name;   /* of the other end */
	pid_t pid;	    /* in whose namespace that is */
	uint8_t address[LINK_ADDRESS_SIZE];
	uint32_t mtu;  /* 0: the kernel's */
	bool isolated; /* bridge(8): reaches only ports that are not isolated */
	bool hairpin;
	uint64_t ingress;      /* bytes a second to the other end; 0: no limit */
	uint32_t queue_length; /* packets that wait for a busy interface; 0: the kernel's */
	bool down;	       /* as if the cable was pulled out */
};

/**
 * veth_create - make the pair, put this end into the bridge and up.
 * A pair of this name that an ended instance has left for a moment is removed before.
 * The host's end gets no addresses. On failure nothing of it is left.
 */
int veth_create(struct netlink *netlink, const struct veth *veth, struct error **error);

/* Isolation, hairpin, ingress and being down of a pair that is there, as @veth says; the rest is left alone. */
int veth_adjust(struct netlink *netlink, const struct veth *veth, struct error **error);

/* Of the socket's namespace; 0 when there is none of that name. */
int link_index(struct netlink *netlink, const char *name);

/* Missing is no error. */
int link_delete(struct netlink *netlink, const char *name, struct error **error);

/* ERROR_EXISTS when there is an interface of that name. @address may be NULL; @mtu 0: the kernel's. */
int bridge_create(struct netlink *netlink, const char *name, const uint8_t *address, uint32_t mtu,
		  struct error **error);

/* Whether there is an interface of that name, and whether it is a bridge. */
bool link_exists(const char *name);
bool link_is_bridge(const char *name);

int link_set_up(struct netlink *netlink, const char *name, bool up, struct error **error);
int link_set_mtu(struct netlink *netlink, const char *name, uint32_t mtu, struct error **error);
int link_set_address(struct netlink *netlink, const char *name, const uint8_t *address,
		     struct error **error);

/* @bridge NULL: out of its bridge. */
int link_set_master(struct netlink *netlink, const char *name, const char *bridge,
		    struct error **error);

/**
 * link_add_ip, link_remove_ip - an address of the interface.
 * @family: AF_INET or AF_INET6; @address: its 4 or 16 bytes. There already, or missing, is fine.
 * IPv6 is usable at once (no duplicate address detection).
 */
int link_add_ip(struct netlink *netlink, const char *name, int family, const void *address,
		int prefix, struct error **error);
int link_remove_ip(struct netlink *netlink, const char *name, int family, const void *address,
		   int prefix, struct error **error);

#endif
