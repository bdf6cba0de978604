#include "lxcfs/service.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"

enum { FIRST_KEPT = 3 /* SD_LISTEN_FDS_START */ };

/* @fd: goes with the message; -1: none. A manager that does not listen is none. */
static void tell(const char *text, int fd)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	cleanup_close int socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct iovec vector = {(char *)text, strlen(text)};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {{0}};
	struct msghdr message = {
		.msg_name = &address,
		.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)),
		.msg_iov = &vector,
		.msg_iovlen = 1};
	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	if (socket_fd >= 0)
		sendmsg(socket_fd, &message, MSG_NOSIGNAL);
}

void service_tell_ready(const struct inheritance *inheritance)
{
	tell("FDSTORE=1\nFDNAME=fuse", inheritance->fuse);
	tell("FDSTORE=1\nFDNAME=memory", inheritance->memory);
	tell("READY=1", -1);
}

/* A mount of this kind at this very path, the topmost one. */
static bool is_mounted(const char *mountpoint)
{
	cleanup_free char *mounts = file_try_read_at(AT_FDCWD, "/proc/self/mountinfo");
	cleanup_free char *wanted = memory_printf(" %s ", mountpoint);
	bool mounted = false;
	char *rest = mounts;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (strstr(line, wanted))
			mounted = strstr(line, " - fuse.lxcfs ") != NULL;
	return mounted;
}

bool service_take_kept(struct inheritance *inheritance)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	if (!pid || !count || !names || atoi(pid) != getpid())
		return false;
	cleanup_free char *copy = memory_strdup(names);
	char *rest = copy;
	bool mounted = is_mounted(inheritance->mountpoint);
	for (int fd = FIRST_KEPT; fd < FIRST_KEPT + atoi(count); fd++) {
		const char *name = strsep(&rest, ":");
		if (name && mounted && strcmp(name, "fuse") == 0 && inheritance->fuse < 0)
			inheritance->fuse = fd;
		else if (name && mounted && strcmp(name, "memory") == 0 && inheritance->memory < 0)
			inheritance->memory = fd;
		else
			close(fd);
	}
	return inheritance->fuse >= 0 && inheritance->memory >= 0;
}
