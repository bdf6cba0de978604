/* See listener.h. */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"

enum { FIRST_PASSED = 3, BACKLOG = 1024 };

static bool passed;

/* sd_listen_fds(3) is an environment variable with our pid and a count. */
static int passed_socket(struct error **error)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	if (!pid || !count || atol(pid) != (long)getpid() || atoi(count) < 1)
		return -1;
	if (atoi(count) > 1) {
		error_set(error, ERROR_INVALID, "one socket is needed, %s were passed", count);
		return -1;
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	fcntl(FIRST_PASSED, F_SETFD, FD_CLOEXEC);
	passed = true;
	return FIRST_PASSED;
}

static int find_group(const char *name, gid_t *gid, struct error **error)
{
	const struct group *group = getgrnam(name ? name : "sysct");
	*gid = group ? group->gr_gid : 0;
	if (!group && name)
		return error_set(error, ERROR_NOT_FOUND, "there is no group \"%s\"", name);
	return 0;
}

/* Through its directory's descriptor: sun_path holds 107 bytes, a path may have more. */
static int bind_at(int fd, const char *path, struct error **error)
{
	cleanup_free char *directory = memory_strdup(path);
	char *slash = strrchr(directory, '/');
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (!slash)
		return error_set(error, ERROR_INVALID, "the socket needs an absolute path");
	*slash = '\0';
	cleanup_close int parent = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return error_errno(error, errno, "opening %s", directory);
	unlinkat(parent, slash + 1, 0); /* of a daemon that was killed: we hold the lock */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", parent,
		 slash + 1);
	mode_t mask = umask(0177);
	int result = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	return result < 0 ? error_errno(error, errno, "binding %s", path) : 0;
}

int listener_open(const char *path, const char *group, struct error **error)
{
	int inherited = passed_socket(error);
	gid_t gid;
	if (inherited >= 0 || (error && *error))
		return inherited;
	if (find_group(group, &gid, error) < 0)
		return -1;
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(error, errno, "making a socket");
	if (bind_at(fd, path, error) < 0)
		return -1;
	if (chown(path, 0, gid) < 0 || chmod(path, 0660) < 0 || listen(fd, BACKLOG) < 0)
		return error_errno(error, errno, "listening at %s", path);
	return steal_fd(&fd);
}

void listener_remove(const char *path)
{
	if (!passed)
		unlink(path);
}

void listener_notify_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = path ? strlen(path) : 0;
	if (length == 0 || length >= sizeof(address.sun_path))
		return;
	cleanup_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	static const char ready[] = "READY=1";
	/* Nobody listening is no reason to fail. */
	if (fd >= 0 &&
	    sendto(fd, ready, sizeof(ready) - 1, MSG_NOSIGNAL, (struct sockaddr *)&address,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
		return;
}
