#include "lxcfs/status_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "config.h"
#include "unix_path.h"

int status_socket_listen(const char *path, struct error **error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (*path != '/')
		return error_set(error, ERROR_INVALID, "the socket \"%s\" needs an absolute path",
				 path);
	cleanup_close int directory = unix_path_directory(path, error);
	const char *name = strrchr(path, '/') + 1;
	if (directory < 0)
		return -1;
	if (unix_path_remove_stale(directory, name, error) < 0)
		return error_prefix(error, "socket %s", path);
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Through the directory: sun_path holds 107 bytes, a path may have more. */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", directory,
		 name);
	mode_t mask = umask(0177);
	int bound = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (bound < 0 || listen(fd, 16) < 0)
		return error_errno(error, errno, "listening at %s", path);
	return steal_fd(&fd);
}

void status_socket_answer(int listener, const char *mountpoint, unsigned workers)
{
	int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0)
		return;
	dprintf(client,
		"{\"pid\": %d, \"version\": \"%s\", \"mountpoint\": \"%s\", \"workers\": %u}\n",
		(int)getpid(), PACKAGE_VERSION, mountpoint, workers);
	close(client);
}
