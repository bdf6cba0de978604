/*
 * Where things lie. With SYSCT_DIR=/x everything of one daemon is below /x;
 * else the usual directories of the system (DESIGN section 2).
 */
#ifndef SYSCT_PATHS_H
#define SYSCT_PATHS_H

struct paths {
	char *state;  /* /var/lib/sysct: database, pools */
	char *run;    /* /run/sysct: socket, monitors */
	char *log;    /* /var/log/sysct */
	char *config; /* /etc/sysct */
	char *socket; /* of the REST API */
	char *cgroup; /* of this daemon, relative to the root of each hierarchy: "sysct" */
};

/* Fills @paths from the environment; paths_free() releases it. */
void paths_init(struct paths *paths);
void paths_free(struct paths *paths);

/* The socket alone, for clients. The caller frees it. */
char *paths_socket(void);

#endif
