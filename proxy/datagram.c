/*
 * Datagrams. Each client has a session: a socket of its own to the target, by which answers find
 * back, from the address that the client had written to. A session ends when nothing has come for
 * some minutes; there is a bounded number, and the one unused for longest makes room. Nothing is
 * kept for a socket that is full: datagrams may be lost. A target that takes a stream gets
 * what comes, with a little kept while it connects.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"
#include "proxy/proxy.h"
#include "strbuf.h"

enum {
	BATCH = 16,
	DATAGRAM = 65536,
	CONTROL = 64,
	BUCKETS = 1024,
	MOST_SESSIONS = 4096,
	IDLE = 180,	  /* seconds */
	LOOK_EVERY = 10,  /* seconds */
	MOST_KEPT = 65536 /* bytes, of a session whose stream connects */
};

/* The address that a client has written to, as ancillary data for the answer. */
union local {
	struct in_pktinfo four;
	struct in6_pktinfo six;
};

struct session {
	struct event_source source; /* the socket to the target */
	struct proxy_listener *listener;
	struct sockaddr_storage client;
	socklen_t client_length;
	int local_level; /* IPPROTO_IP, IPPROTO_IPV6; -1: not known */
	union local local;
	struct strbuf kept;
	time_t used;
	struct session *next;	       /* in its bucket */
	struct session *older, *newer; /* by use */
};

struct datagrams {
	struct proxy *proxy;
	struct event_source timer;
	bool streams; /* the target takes a stream */
	size_t count, most;
	struct session *oldest, *newest, *buckets[BUCKETS];
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	struct sockaddr_storage names[BATCH];
	_Alignas(struct cmsghdr) char controls[BATCH][CONTROL];
	char bytes[BATCH][DATAGRAM];
};

static time_t seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

/* ---- the table ---- */

static struct session **bucket(struct datagrams *datagrams, const struct sockaddr_storage *client,
			       socklen_t length)
{
	const unsigned char *byte = (const unsigned char *)client;
	uint32_t hash = 2166136261U;
	for (socklen_t i = 0; i < length; i++)
		hash = (hash ^ byte[i]) * 16777619U;
	return &datagrams->buckets[hash % BUCKETS];
}

static void unlink_use(struct datagrams *datagrams, struct session *session)
{
	*(session->older ? &session->older->newer : &datagrams->oldest) = session->newer;
	*(session->newer ? &session->newer->older : &datagrams->newest) = session->older;
}

static void link_use(struct datagrams *datagrams, struct session *session)
{
	session->used = seconds();
	session->newer = NULL;
	session->older = datagrams->newest;
	*(datagrams->newest ? &datagrams->newest->newer : &datagrams->oldest) = session;
	datagrams->newest = session;
}

static void session_end(struct datagrams *datagrams, struct session *session)
{
	struct session **at = bucket(datagrams, &session->client, session->client_length);
	while (*at && *at != session)
		at = &(*at)->next;
	if (*at)
		*at = session->next;
	unlink_use(datagrams, session);
	event_loop_remove(&datagrams->proxy->loop, &session->source);
	close(session->source.fd);
	strbuf_free(&session->kept);
	free(session);
	datagrams->count--;
}

static void arm(struct datagrams *datagrams)
{
	struct itimerspec later = {.it_value.tv_sec = LOOK_EVERY};
	timerfd_settime(datagrams->timer.fd, 0, &later, NULL);
}

static void timer_ready(struct event_source *source, uint32_t events)
{
	struct datagrams *datagrams = source->data;
	uint64_t count;
	(void)events;
	if (read(source->fd, &count, sizeof(count)) < 0)
		return;
	while (datagrams->oldest && datagrams->oldest->used + IDLE <= seconds())
		session_end(datagrams, datagrams->oldest);
	if (datagrams->oldest)
		arm(datagrams);
}

/* ---- messages ---- */

static void prepare(struct datagrams *datagrams, bool names)
{
	for (int i = 0; i < BATCH; i++) {
		datagrams->vectors[i] = (struct iovec){datagrams->bytes[i], DATAGRAM};
		datagrams->messages[i].msg_hdr = (struct msghdr){
			.msg_name = names ? &datagrams->names[i] : NULL,
			.msg_namelen = names ? sizeof(datagrams->names[i]) : 0,
			.msg_iov = &datagrams->vectors[i],
			.msg_iovlen = 1,
			.msg_control = names ? datagrams->controls[i] : NULL,
			.msg_controllen = names ? CONTROL : 0,
		};
	}
}

static void note_local(struct session *session, struct msghdr *header)
{
	struct cmsghdr *at = CMSG_FIRSTHDR(header);
	for (; at; at = CMSG_NXTHDR(header, at)) {
		bool four = at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO;
		if (!four && (at->cmsg_level != IPPROTO_IPV6 || at->cmsg_type != IPV6_PKTINFO))
			continue;
		session->local_level = at->cmsg_level;
		memcpy(&session->local, CMSG_DATA(at),
		       four ? sizeof(session->local.four) : sizeof(session->local.six));
		if (four)
			session->local.four.ipi_ifindex = 0;
		else if (!IN6_IS_ADDR_LINKLOCAL(&session->local.six.ipi6_addr))
			session->local.six.ipi6_ifindex = 0;
	}
}

static void put_local(const struct session *session, struct msghdr *header)
{
	bool four = session->local_level == IPPROTO_IP;
	size_t size = four ? sizeof(session->local.four) : sizeof(session->local.six);
	if (session->local_level < 0) {
		header->msg_control = NULL;
		return;
	}
	header->msg_controllen = CMSG_SPACE(size);
	struct cmsghdr *at = CMSG_FIRSTHDR(header);
	at->cmsg_level = session->local_level;
	at->cmsg_type = four ? IP_PKTINFO : IPV6_PKTINFO;
	at->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(at), &session->local, size);
}

/* ---- from the target to the client ---- */

static void answer(struct datagrams *datagrams, struct session *session, int count)
{
	for (int i = 0; i < count; i++) {
		struct msghdr *header = &datagrams->messages[i].msg_hdr;
		datagrams->vectors[i].iov_len = datagrams->messages[i].msg_len;
		header->msg_name = &session->client;
		header->msg_namelen = session->client_length;
		header->msg_control = datagrams->controls[i];
		put_local(session, header);
	}
	/* What cannot be sent is passed over: one message must not hold up the others. */
	for (int sent = 0; sent < count;) {
		int some = sendmmsg(session->listener->source.fd, datagrams->messages + sent,
				    (unsigned)(count - sent), MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += some > 0 ? some : 1;
	}
}

static void answer_stream(struct datagrams *datagrams, struct session *session)
{
	ssize_t count = recv(session->source.fd, datagrams->bytes[0], DATAGRAM / 2, 0);
	if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
		session_end(datagrams, session);
	} else if (count > 0) {
		prepare(datagrams, false);
		datagrams->messages[0].msg_len = (unsigned)count;
		answer(datagrams, session, 1);
	}
}

/* The stream takes again: what was kept, else it is watched for answers alone. */
static void flush(struct datagrams *datagrams, struct session *session)
{
	struct strbuf *kept = &session->kept;
	ssize_t count =
		kept->length ? send(session->source.fd, kept->text, kept->length, MSG_NOSIGNAL) : 0;
	if (count < 0 && errno != EAGAIN && errno != EINTR) {
		session_end(datagrams, session);
		return;
	}
	if (count > 0)
		strbuf_consume(kept, (size_t)count);
	if (kept->length == 0)
		event_loop_change(&datagrams->proxy->loop, &session->source, EPOLLIN);
}

static void session_ready(struct event_source *source, uint32_t events)
{
	struct session *session = source->data;
	struct datagrams *datagrams = session->listener->proxy->datagrams;
	unlink_use(datagrams, session);
	link_use(datagrams, session);
	if (datagrams->streams) {
		if (events & EPOLLOUT)
			flush(datagrams, session);
		else
			answer_stream(datagrams, session);
		return;
	}
	prepare(datagrams, false);
	int count = recvmmsg(source->fd, datagrams->messages, BATCH, MSG_DONTWAIT, NULL);
	if (count > 0)
		answer(datagrams, session, count);
}

/* ---- from the client to the target ---- */

static struct session *session_find(struct datagrams *datagrams, struct proxy_listener *listener,
				    const struct msghdr *header)
{
	struct session *at = *bucket(datagrams, (struct sockaddr_storage *)header->msg_name,
				     header->msg_namelen);
	while (at && (at->listener != listener || at->client_length != header->msg_namelen ||
		      memcmp(&at->client, header->msg_name, header->msg_namelen) != 0))
		at = at->next;
	return at;
}

static void put_header(struct session *session)
{
	char text[128];
	if (session->listener->proxy->header)
		strbuf_append_bytes(&session->kept, text, target_header(-1, text));
}

static struct session *session_start(struct datagrams *datagrams, struct proxy_listener *listener,
				     const struct msghdr *header)
{
	struct session **place =
		bucket(datagrams, (struct sockaddr_storage *)header->msg_name, header->msg_namelen);
	if (datagrams->count >= datagrams->most)
		session_end(datagrams, datagrams->oldest);
	int fd = target_open(datagrams->proxy, listener->index);
	if (fd < 0)
		return NULL;
	struct session *session = memory_alloc(sizeof(*session));
	*session = (struct session){
		.source = {fd, session_ready, session},
		.listener = listener,
		.client_length = header->msg_namelen,
		.local_level = -1,
		.next = *place,
	};
	memcpy(&session->client, header->msg_name, header->msg_namelen);
	put_header(session);
	*place = session;
	link_use(datagrams, session);
	event_loop_add(&datagrams->proxy->loop, &session->source,
		       datagrams->streams ? EPOLLOUT : EPOLLIN);
	if (datagrams->count++ == 0)
		arm(datagrams);
	return session;
}

static struct session *session_of(struct datagrams *datagrams, struct proxy_listener *listener,
				  struct msghdr *header)
{
	struct session *session = session_find(datagrams, listener, header);
	if (session) {
		unlink_use(datagrams, session);
		link_use(datagrams, session);
	} else {
		session = session_start(datagrams, listener, header);
	}
	if (session)
		note_local(session, header);
	return session;
}

static void keep(struct datagrams *datagrams, struct session *session, int index)
{
	const struct iovec *vector = &datagrams->vectors[index];
	if (session->kept.length + vector->iov_len > MOST_KEPT)
		return;
	strbuf_append_bytes(&session->kept, vector->iov_base, vector->iov_len);
	event_loop_change(&datagrams->proxy->loop, &session->source, EPOLLOUT);
}

/* Messages of one client that came together go together. */
static void pass(struct datagrams *datagrams, struct session *session, int first, int count)
{
	for (int i = first; i < first + count; i++) {
		struct msghdr *header = &datagrams->messages[i].msg_hdr;
		datagrams->vectors[i].iov_len = datagrams->messages[i].msg_len;
		header->msg_name = NULL;
		header->msg_namelen = 0;
		header->msg_control = NULL;
		header->msg_controllen = 0;
		if (datagrams->streams)
			keep(datagrams, session, i);
	}
	/* The first call may report that an earlier one was refused. */
	for (int tries = 0; !datagrams->streams && count > 0 && tries < BATCH; tries++) {
		int some = sendmmsg(session->source.fd, datagrams->messages + first,
				    (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (some < 0 && errno != ECONNREFUSED)
			return;
		first += some > 0 ? some : 0;
		count -= some > 0 ? some : 0;
	}
}

static void listener_ready(struct event_source *source, uint32_t events)
{
	struct proxy_listener *listener = source->data;
	struct datagrams *datagrams = listener->proxy->datagrams;
	(void)events;
	prepare(datagrams, true);
	int count = recvmmsg(source->fd, datagrams->messages, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0, next; i < count; i = next) {
		struct session *session =
			session_of(datagrams, listener, &datagrams->messages[i].msg_hdr);
		for (next = i + 1; session && next < count; next++)
			if (session_find(datagrams, listener, &datagrams->messages[next].msg_hdr) !=
			    session)
				break;
		if (session)
			pass(datagrams, session, i, next - i);
	}
}

int datagrams_start(struct proxy *proxy, struct error **error)
{
	struct datagrams *datagrams = memory_alloc(sizeof(*datagrams));
	size_t others = 64 + proxy->listen.count;
	size_t room = proxy->most_files > others + 1 ? proxy->most_files - others : 1;
	proxy->datagrams = datagrams;
	datagrams->proxy = proxy;
	datagrams->streams = proxy->connect.kind != PROXY_UDP;
	datagrams->most = room < MOST_SESSIONS ? room : MOST_SESSIONS;
	datagrams->timer =
		(struct event_source){timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
				      timer_ready, datagrams};
	if (datagrams->timer.fd < 0 || event_loop_add(&proxy->loop, &datagrams->timer, EPOLLIN) < 0)
		return error_errno(error, errno, "making a timer");
	for (size_t i = 0; i < proxy->listen.count; i++) {
		struct event_source *source = &proxy->listeners[i].source;
		*source = (struct event_source){source->fd, listener_ready, &proxy->listeners[i]};
		if (event_loop_add(&proxy->loop, source, EPOLLIN) < 0)
			return error_errno(error, errno, "watching a socket");
	}
	return 0;
}
