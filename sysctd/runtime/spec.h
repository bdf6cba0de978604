/*
 * What to run: the OCI runtime-spec's config.json, with one object more,
 * "sysct", for what the runtime-spec has no word for. runtime/ reads it,
 * instance/spec_make.c writes it. doc/architecture.md lists the fields.
 */
#ifndef SYSCT_SPEC_H
#define SYSCT_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "error.h"

struct spec {
	json_t *json;
	/* Borrowed from json: */
	const char *name;
	const char *cgroup;	 /* linux.cgroupsPath, relative */
	const char *console_log; /* sysct.console_log, may be NULL */
	const char *seccomp;	 /* sysct.seccomp: file with a BPF program, may be NULL */
	bool seccomp_listener;	 /* sysct.seccomp_listener: it asks about sysinfo(2) */
	const json_t *process;
	const json_t *mounts;
	const json_t *linux_;
	const json_t *rootfs;  /* sysct.rootfs */
	const json_t *nics;    /* sysct.nics, may be NULL */
	const json_t *proxies; /* sysct.proxies, may be NULL */
	const json_t *lxcfs;   /* sysct.lxcfs, may be NULL */
	const json_t *disks;   /* sysct.disks, may be NULL */
	uid_t root_uid;	       /* host id of the instance's uid 0 */
	gid_t root_gid;
	struct timespec written_at; /* the file's st_ctim */
};

/**
 * spec_load - read and check a config.json.
 * Everything that the monitor needs is checked here, so that the rest may rely on it.
 */
int spec_load(struct spec *spec, const char *path, struct error **error);
void spec_free(struct spec *spec);

/* "sysct.nics" as the file has it now: NICs come and go while it runs. The caller drops it. */
json_t *spec_read_nics(const struct spec *spec, const char *path);

/* The value at "a.b.c", or NULL. */
const json_t *spec_get(const json_t *object, const char *path);

/* NULL-terminated array of the strings of a JSON array; the caller frees the array alone. */
char **spec_strings(const json_t *array);

#endif
