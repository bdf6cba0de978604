/* See unix_path.h. */
#include "unix_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"

int unix_path_directory(const char *path, struct error **error)
{
	cleanup_free char *directory =
		memory_strndup(path, (size_t)(strrchr(path, '/') + 1 - path));
	int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_errno(error, errno, "directory %s", directory) : fd;
}

/* connect(2) refuses only where a socket is that nobody listens to. */
static bool is_stale(int directory, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t room = sizeof(address.sun_path);
	int length = directory == AT_FDCWD ? snprintf(address.sun_path, room, "%s", name)
					   : snprintf(address.sun_path, room, "/proc/self/fd/%d/%s",
						      directory, name);
	if (fd < 0 || length < 0 || (size_t)length >= room)
		return false;
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
	       errno == ECONNREFUSED;
}

int unix_path_remove_stale(int directory, const char *name, struct error **error)
{
	struct stat status;
	if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (!S_ISSOCK(status.st_mode))
		return error_set(error, ERROR_EXISTS, "there is a file, which is not a socket");
	if (!is_stale(directory, name))
		return error_set(error, ERROR_EXISTS, "another process listens there");
	if (unlinkat(directory, name, 0) < 0 && errno != ENOENT)
		return error_errno(error, errno, "removing the old socket");
	return 0;
}
