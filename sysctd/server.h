/*
 * The one global object of the daemon, passed down to everything.
 * main.c makes it; each subject owns the member it is named after.
 */
#ifndef SYSCT_SERVER_H
#define SYSCT_SERVER_H

#include <stdint.h>

#include "db/instances.h"
#include "paths.h"

struct api_server;
struct backup_names;
struct db;
struct event_hub;
struct image_builder;
struct instance_registry;
struct lxcfs;
struct merger;
struct networks;
struct operation_manager;
struct recovery;
struct scheduler;
struct storage;
struct usage_counter;

struct server {
	struct paths paths;
	struct id_pool ids; /* from /etc/subuid and /etc/subgid */
	char *libexec;	    /* directory of our own programs (sysct-monitor, sysct-unpack) */
	char *templates;    /* directory of the templates that come with sysct */
	char *seccomp;	    /* file with the compiled default filter */
	char *seccomp_ask;  /* the same, where sysinfo(2) is answered by the monitor */
	struct db *db;
	struct event_hub *events;
	struct operation_manager *operations;
	struct storage *storage;
	struct recovery *recovery;
	struct usage_counter *usage;
	struct image_builder *images;
	struct instance_registry *instances;
	struct networks *networks;
	struct lxcfs *lxcfs;
	struct scheduler *scheduler;
	struct merger *merger;
	struct backup_names *backup_names;
	struct api_server *api;
	int64_t started_at; /* nanoseconds since the epoch */
};

#endif
