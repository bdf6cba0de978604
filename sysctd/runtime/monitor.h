/*
 * sysct-monitor: the parent of one instance's init. It is no child of sysctd
 * and outlives it; sysctd finds it again through its socket.
 *
 * Messages to it (lib/message.h), one answer each:
 *   {"op": "status"}            {"state": "running", "pid": n, ...} + pidfd of init
 *   {"op": "watch"}             the same; then {"event": ...} messages as they happen
 *   {"op": "exec", ...}         no answer here: the control descriptor gets it (monitor_session.c)
 *   {"op": "console"}           + stream and control descriptors; the control gets the answer
 *   {"op": "signal", "signal": n}  to init
 *   {"op": "kill"}              ends every process of the instance
 *   {"op": "proxies", "proxies": [...]}  its proxy devices from now on; the answer comes when all listen
 *   {"op": "disks", "disks": [...]}  its disks from now on; the answer comes when they are there
 * Events: {"event": "stopped", "reason": "halt"|"exit"|"signal"|"error", "status": n,
 * "message": text} and {"event": "rebooted", "pid": n} + the new pidfd.
 */
#ifndef SYSCT_MONITOR_H
#define SYSCT_MONITOR_H

#include <stdbool.h>

#include "attach.h"
#include "cgroup.h"
#include "console.h"
#include "container.h"
#include "event_loop.h"
#include "message.h"
#include "monitor_files.h"
#include "spec.h"

struct disk_change;
struct monitor_client;
struct monitor_disk;
struct monitor_session;
struct monitor_sysinfo;

struct monitor {
	struct event_loop loop;
	struct spec spec;
	struct cgroup cgroup;
	struct console console;
	struct container container;
	struct container_filter filter;
	int host_mounts; /* the mount namespace that it was born in */
	struct event_source listener, init, console_master, console_client, signals, reboot_timer;
	struct event_source
		console_control; /* of the attached client: {"resize": [columns, rows]} */
	struct message_reader console_reader;
	long long started_at; /* nanoseconds, CLOCK_REALTIME */
	long long boot_clock; /* nanoseconds, CLOCK_MONOTONIC, of the last start */
	int quick_reboots;
	struct monitor_client *clients;
	struct monitor_session *sessions;
	struct monitor_sysinfo *sysinfo; /* who may ask */
	struct monitor_proxy *proxies;
	struct monitor_client *proxy_client; /* waits for proxies to listen */
	struct error *proxy_problem;	     /* why the first of them does not */
	struct monitor_disk *disks;	     /* in the order of their paths */
	struct disk_change *disk_change;     /* under way, or NULL */
};

/* Ends every process of the instance; one that waits to boot again does not boot. */
int monitor_kill(struct monitor *monitor, struct error **error);

/* monitor_clients.c */
int monitor_clients_listen(struct monitor *monitor, int listener);
int monitor_client_add(struct monitor *monitor, int socket, bool watching);
void monitor_clients_send(struct monitor *monitor, json_t *event, int fd);
void monitor_client_answer(struct monitor_client *client, json_t *body); /* takes the body */
json_t *monitor_status(const struct monitor *monitor);

/* monitor_session.c */
void monitor_session_start(struct monitor *monitor, struct message *request);
void monitor_sessions_end(struct monitor *monitor);

/* monitor_sysinfo.c */

/* Calls of sysinfo(2) that come from @listener (seccomp_unotify(2)), which is taken, are answered from now on. */
void monitor_sysinfo_listen(struct monitor *monitor, int listener);
void monitor_sysinfo_end(struct monitor *monitor);

/* monitor_proxies.c */

/* Those of the spec; returns when all listen. On failure monitor_proxies_end() must follow. */
int monitor_proxies_start(struct monitor *monitor, struct error **error);

/* Those of the spec after a reboot from inside; one that cannot listen is tried again. */
void monitor_proxies_resume(struct monitor *monitor);

/* @wanted instead of those there are; @client gets the answer when all listen, unless it fails here. */
int monitor_proxies_change(struct monitor *monitor, struct monitor_client *client,
			   const json_t *wanted, struct error **error);
void monitor_proxies_end(struct monitor *monitor);

/* monitor_disks.c */

/* Init runs with the disks of the spec. */
void monitor_disks_started(struct monitor *monitor);

/* @wanted, in the order of paths, instead of those there are; @client gets the answer, unless it fails here. */
int monitor_disks_change(struct monitor *monitor, struct monitor_client *client, json_t *wanted,
			 struct error **error);

/* The client goes away. */
void monitor_disks_forget(struct monitor *monitor, const struct monitor_client *client);
void monitor_disks_end(struct monitor *monitor);

/* monitor_console.c */
int monitor_console_start(struct monitor *monitor, struct error **error);
void monitor_console_attach(struct monitor *monitor, struct message *request);
void monitor_console_detach(struct monitor *monitor);

#endif
