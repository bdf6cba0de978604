/*
 * The file server of this daemon, sysct-lxcfs(8), whose files are mounted over those of /proc and /sys in instances.
 * It lives on its own, outside the daemon's control group: a restarted daemon finds it by its socket, run/lxcfs.socket,
 * and tells it when its program was replaced. Where there is none, instances start without it.
 */
#ifndef SYSCT_DAEMON_LXCFS_H
#define SYSCT_DAEMON_LXCFS_H

#include <jansson.h>
#include <stdbool.h>

struct lxcfs;
struct server;

/* Finds it or starts it; when that fails, the log tells why, once. */
struct lxcfs *lxcfs_create(const struct server *server);

/**
 * lxcfs_spec - "sysct.lxcfs" of an instance's specification: the directory that it is mounted at, and what of it
 * goes where ("source", "paths"). One that has died is started again.
 * Returns a new reference, or NULL when there is none: lxcfs_problem() tells why.
 */
json_t *lxcfs_spec(struct lxcfs *lxcfs);

/* Why instances that start now would see the host's values, for people; NULL: they do not. The caller frees it. */
char *lxcfs_problem(struct lxcfs *lxcfs);

/* @stop: it ends too, as no instance needs it. */
void lxcfs_free(struct lxcfs *lxcfs, bool stop);

#endif
