/*
 * rtnetlink(7) in small: requests with attributes, their answers, and dumps.
 * The monitor uses it for each start, so it is a few hundred bytes of stack and no library.
 */
#ifndef SYSCT_NETLINK_H
#define SYSCT_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* A socket of the network namespace that it was opened in. Used by one thread at a time. */
struct netlink {
	int fd;
	uint32_t sequence;
};

#define NETLINK_INIT                                                                               \
	{                                                                                          \
		.fd = -1                                                                           \
	}

int netlink_open(struct netlink *netlink, struct error **error);

/**
 * netlink_open_in - a socket of another network namespace, for the calling thread to use from here.
 * @space: descriptor of the namespace (/proc/PID/ns/net). Needs CAP_SYS_ADMIN there (setns(2)).
 */
int netlink_open_in(struct netlink *netlink, int space, struct error **error);
void netlink_close(struct netlink *netlink);
#define cleanup_netlink __attribute__((cleanup(netlink_close)))

enum { NETLINK_REQUEST_SIZE = 1024 };

/* A request under construction. What does not fit is noticed by netlink_send(). */
struct netlink_request {
	_Alignas(struct nlmsghdr) unsigned char bytes[NETLINK_REQUEST_SIZE];
	size_t length;
};

/**
 * netlink_begin - an empty request.
 * @type: RTM_*; @flags: NLM_F_* beside NLM_F_REQUEST; @header: the fixed part (struct ifinfomsg).
 */
void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags,
		   const void *header, size_t length);
void netlink_add(struct netlink_request *request, uint16_t type, const void *bytes, size_t length);
void netlink_add_u8(struct netlink_request *request, uint16_t type, uint8_t value);
void netlink_add_u16(struct netlink_request *request, uint16_t type, uint16_t value);
void netlink_add_u32(struct netlink_request *request, uint16_t type, uint32_t value);
void netlink_add_text(struct netlink_request *request, uint16_t type, const char *text);

/* A nested attribute; what is added until netlink_nest_end() is inside. @header may be NULL. */
size_t netlink_nest(struct netlink_request *request, uint16_t type, const void *header,
		    size_t length);
void netlink_nest_end(struct netlink_request *request, size_t nest);

/* Sends and waits for the kernel's word. 0, or -1 with errno (also EMSGSIZE). */
int netlink_send(struct netlink *netlink, struct netlink_request *request);

/* The same for a request that is answered by one message, which is given to @visit. */
int netlink_get(struct netlink *netlink, struct netlink_request *request,
		void (*visit)(const struct nlmsghdr *message, void *data), void *data);

/* Sends and gives every message of the answer to @visit, up to the end. 0, or -1 with errno. */
int netlink_dump(struct netlink *netlink, struct netlink_request *request,
		 void (*visit)(const struct nlmsghdr *message, void *data), void *data);

/**
 * netlink_attributes - where the attributes of a message are.
 * @header: length of the fixed part. @attributes: pointers by type, NULL where there is none.
 */
void netlink_attributes(const struct nlmsghdr *message, size_t header,
			const struct rtattr **attributes, size_t count);

/* The same for the inside of a nested attribute. */
void netlink_nested(const struct rtattr *nest, const struct rtattr **attributes, size_t count);

#endif
