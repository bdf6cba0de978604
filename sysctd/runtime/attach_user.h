/* Who an attached command runs as, and its environment. Runs inside the instance. */
#ifndef SYSCT_ATTACH_USER_H
#define SYSCT_ATTACH_USER_H

#include <jansson.h>
#include <sys/types.h>

#include "error.h"

enum { ATTACH_GROUPS_MAX = 256 };

struct attach_user {
	uid_t uid;
	gid_t gid;
	gid_t groups[ATTACH_GROUPS_MAX]; /* of group(5), as initgroups(3) would take them */
	size_t group_count;
	char name[64];
	char home[256];
};

/**
 * attach_user_find - "user" and "group" of the request (numbers or names,
 * default root) by the instance's own /etc/passwd and /etc/group. A user that
 * is asked for without a group comes with its supplementary groups.
 */
int attach_user_find(const json_t *request, struct attach_user *user, struct error **error);

/* The request's "env" over PATH, HOME, USER and LANG; NULL-terminated. */
char **attach_user_environment(const json_t *request, const struct attach_user *user);

#endif
