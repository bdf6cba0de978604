/*
 * sysct-proxy: one proxy device of a running instance. Its monitor starts it, as real root on the
 * host, with
 *
 *   argv: INSTANCE/DEVICE KEY=VALUE...   (see main.c)
 *   3: a socket of packets to the monitor, which gets one: "ready", or the kind of an error and
 *      its message; when the monitor closes it the proxy ends
 *   4: pidfd of the instance's init
 *
 * It listens on the one side, goes to the other, drops all privileges, and forwards: one thread,
 * one epoll loop, and no byte of a stream comes into its memory (splice(2)).
 */
#ifndef SYSCT_PROXY_H
#define SYSCT_PROXY_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "error.h"
#include "proxy_address.h"
#include "runtime/event_loop.h"

enum { PROXY_CONTROL = 3, PROXY_PIDFD = 4 };

struct proxy {
	const char *name; /* INSTANCE/DEVICE */
	struct proxy_address listen, connect;
	bool in_instance; /* it listens there and connects on the host */
	bool header;	  /* PROXY protocol */
	bool remove;	  /* only removes what a proxy before has left at listen */
	mode_t mode;	  /* of a listening socket in the file system, and its owner */
	uid_t uid;
	gid_t gid;
	uid_t run_uid; /* what it runs as, ids of the host */
	gid_t run_gid;
	rlim_t most_files;
	int empty; /* descriptor of an empty directory */
	struct event_loop loop;
	struct streams *streams;
	struct datagrams *datagrams;
	struct proxy_listener *listeners; /* one for each port of listen */
};

struct proxy_listener {
	struct event_source source;
	struct proxy *proxy;
	size_t index; /* of the port in proxy->connect */
	bool paused;
};

/* Tells the monitor: NULL is "ready". Frees the error. */
void proxy_report(struct error *error);

/* ---- listen.c ---- */

/* All sockets, in the namespaces of the side that listens; afterwards we are on the host again. */
int listeners_open(struct proxy *proxy, struct error **error);

/* Instead of listening: removes a stale socket at listen. */
int listeners_remove(struct proxy *proxy, struct error **error);

/* ---- confine.c ---- */

/* As many descriptors as there can be, and a directory for later; before the privileges go. */
int confine_prepare(struct proxy *proxy, struct error **error);

/* To the side that connects, without any privilege. */
int confine(const struct proxy *proxy, struct error **error);

/* ---- connect.c ---- */

/**
 * target_open - a non-blocking socket that connects, or is connected already.
 * -1 with errno; EAGAIN for a unix socket whose queue is full: try again later.
 */
int target_open(const struct proxy *proxy, size_t index);

/* A stream's usual options: no delay of small packets, dead peers are noticed. */
void target_tune(int fd);

/* The header for a client that is connected at @client (-1: not known) into @text; its length. */
size_t target_header(int client, char text[static 128]);

/* Closes so that the peer sees a reset. */
void target_reset(int fd);

/* ---- stream.c, datagram.c: serve what a listener gets ---- */

int streams_start(struct proxy *proxy, struct error **error);
int datagrams_start(struct proxy *proxy, struct error **error);

#endif
