/* See netlink.h. */
#include "netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"

enum { ANSWER_SIZE = 32768 };

int netlink_open(struct netlink *netlink, struct error **error)
{
	*netlink = (struct netlink)NETLINK_INIT;
	netlink->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (netlink->fd < 0)
		return error_errno(error, errno, "opening a netlink socket");
	int one = 1;
	/* Without it errors come with the whole request, and dumps ignore their filters. */
	setsockopt(netlink->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	setsockopt(netlink->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	return 0;
}

/* A socket belongs to the namespace that the thread is in when it is made. */
int netlink_open_in(struct netlink *netlink, int space, struct error **error)
{
	*netlink = (struct netlink)NETLINK_INIT;
	cleanup_close int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0 || setns(space, CLONE_NEWNET) < 0)
		return error_errno(error, errno, "entering a network namespace");
	int result = netlink_open(netlink, error);
	/* A thread that stays there would do to the instance what is meant for the host. */
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	return result;
}

void netlink_close(struct netlink *netlink)
{
	cleanup_close_fd(&netlink->fd);
	netlink->fd = -1;
}

static void append(struct netlink_request *request, const void *bytes, size_t length)
{
	size_t padded = NLMSG_ALIGN(length);
	if (request->length + padded <= sizeof(request->bytes)) {
		if (length > 0)
			memcpy(request->bytes + request->length, bytes, length);
		memset(request->bytes + request->length + length, 0, padded - length);
	}
	request->length += padded; /* too long is seen by netlink_send() */
}

void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags,
		   const void *header, size_t length)
{
	struct nlmsghdr message = {.nlmsg_type = type, .nlmsg_flags = flags | NLM_F_REQUEST};
	request->length = 0;
	append(request, &message, sizeof(message));
	append(request, header, length);
}

void netlink_add(struct netlink_request *request, uint16_t type, const void *bytes, size_t length)
{
	struct rtattr attribute = {
		.rta_type = type,
		.rta_len = (unsigned short)(RTA_LENGTH(0) + length),
	};
	append(request, &attribute, sizeof(attribute));
	append(request, bytes, length);
}

void netlink_add_u8(struct netlink_request *request, uint16_t type, uint8_t value)
{
	netlink_add(request, type, &value, sizeof(value));
}

void netlink_add_u16(struct netlink_request *request, uint16_t type, uint16_t value)
{
	netlink_add(request, type, &value, sizeof(value));
}

void netlink_add_u32(struct netlink_request *request, uint16_t type, uint32_t value)
{
	netlink_add(request, type, &value, sizeof(value));
}

void netlink_add_text(struct netlink_request *request, uint16_t type, const char *text)
{
	netlink_add(request, type, text, strlen(text) + 1);
}

size_t netlink_nest(struct netlink_request *request, uint16_t type, const void *header,
		    size_t length)
{
	size_t start = request->length;
	struct rtattr attribute = {.rta_type = type | NLA_F_NESTED, .rta_len = 0};
	append(request, &attribute, sizeof(attribute));
	append(request, header, length);
	return start;
}

void netlink_nest_end(struct netlink_request *request, size_t nest)
{
	struct rtattr *attribute = (struct rtattr *)(void *)(request->bytes + nest);
	if (request->length <= sizeof(request->bytes))
		attribute->rta_len = (unsigned short)(request->length - nest);
}

static int post(struct netlink *netlink, struct netlink_request *request, uint16_t flags)
{
	struct nlmsghdr *message = (struct nlmsghdr *)(void *)request->bytes;
	if (request->length > sizeof(request->bytes)) {
		errno = EMSGSIZE;
		return -1;
	}
	message->nlmsg_len = (uint32_t)request->length;
	message->nlmsg_seq = ++netlink->sequence;
	message->nlmsg_flags |= flags;
	ssize_t sent = send(netlink->fd, request->bytes, request->length, 0);
	return sent == (ssize_t)request->length ? 0 : -1;
}

struct visitor {
	void (*visit)(const struct nlmsghdr *message, void *data);
	void *data;
};

/* One datagram; 1 when it ended the answer, 0 when more comes, -1 with errno. */
static int take(const struct netlink *netlink, const unsigned char *bytes, size_t length,
		const struct visitor *visitor)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)bytes;
	for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
		if (message->nlmsg_seq != netlink->sequence)
			continue; /* the rest of an answer that nobody waits for any more */
		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *problem = NLMSG_DATA(message);
			errno = -problem->error;
			return problem->error ? -1 : 1;
		}
		if (visitor->visit)
			visitor->visit(message, visitor->data);
		if (!(message->nlmsg_flags & NLM_F_MULTI))
			return 1; /* the answer to a question is one message */
	}
	return 0;
}

static int receive(const struct netlink *netlink, const struct visitor *visitor)
{
	_Alignas(struct nlmsghdr) unsigned char bytes[ANSWER_SIZE];
	for (;;) {
		ssize_t count = recv(netlink->fd, bytes, sizeof(bytes), 0);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -1;
		int result = take(netlink, bytes, (size_t)count, visitor);
		if (result)
			return result < 0 ? -1 : 0;
	}
}

int netlink_send(struct netlink *netlink, struct netlink_request *request)
{
	struct visitor nobody = {.visit = NULL};
	return post(netlink, request, NLM_F_ACK) < 0 ? -1 : receive(netlink, &nobody);
}

int netlink_get(struct netlink *netlink, struct netlink_request *request,
		void (*visit)(const struct nlmsghdr *message, void *data), void *data)
{
	struct visitor visitor = {.visit = visit, .data = data};
	return post(netlink, request, 0) < 0 ? -1 : receive(netlink, &visitor);
}

int netlink_dump(struct netlink *netlink, struct netlink_request *request,
		 void (*visit)(const struct nlmsghdr *message, void *data), void *data)
{
	struct visitor visitor = {.visit = visit, .data = data};
	return post(netlink, request, NLM_F_DUMP) < 0 ? -1 : receive(netlink, &visitor);
}

static void sort_out(const struct rtattr *attribute, size_t length,
		     const struct rtattr **attributes, size_t count)
{
	memset(attributes, 0, count * sizeof(*attributes));
	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
		size_t type = attribute->rta_type & NLA_TYPE_MASK;
		if (type < count)
			attributes[type] = attribute;
	}
}

void netlink_attributes(const struct nlmsghdr *message, size_t header,
			const struct rtattr **attributes, size_t count)
{
	const unsigned char *start =
		(const unsigned char *)NLMSG_DATA(message) + NLMSG_ALIGN(header);
	sort_out((const struct rtattr *)(const void *)start, NLMSG_PAYLOAD(message, header),
		 attributes, count);
}

void netlink_nested(const struct rtattr *nest, const struct rtattr **attributes, size_t count)
{
	sort_out(RTA_DATA(nest), RTA_PAYLOAD(nest), attributes, count);
}
