/*
 * The listening sockets. Those of the internet and abstract ones belong to a network namespace,
 * and we only visit it. A socket in the file system of the instance is bound by a child that
 * has become root of the instance in its user and mount namespace and shares our descriptors:
 * whatever a path there leads to, it can do no more than the instance itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"
#include "proxy/proxy.h"
#include "unix_path.h"

enum { BACKLOG = 4096 };

static int set(int fd, int level, int option)
{
	int one = 1;
	return setsockopt(fd, level, option, &one, sizeof(one));
}

/* Datagrams say which address they came to, for the answer; an instance has its own addresses late. */
static void set_options(const struct proxy *proxy, int fd)
{
	bool six = proxy->listen.family == AF_INET6;
	int zero = 0;
	if (proxy->listen.family == AF_UNIX)
		return;
	if (proxy->listen.kind == PROXY_TCP)
		set(fd, SOL_SOCKET, SO_REUSEADDR);
	else
		set(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVPKTINFO : IP_PKTINFO);
	if (six) /* [::] is both families */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (proxy->in_instance)
		set(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_FREEBIND : IP_FREEBIND);
}

static int make_socket(const struct proxy *proxy, struct error **error)
{
	int type = proxy->listen.kind == PROXY_UDP ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(proxy->listen.family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd < 0 ? error_errno(error, errno, "making a socket") : fd;
}

static int open_one(struct proxy *proxy, size_t index, struct error **error)
{
	struct sockaddr_storage address;
	socklen_t length = proxy_address_fill(&proxy->listen, index, &address);
	cleanup_close int fd = make_socket(proxy, error);
	if (fd < 0)
		return -1;
	set_options(proxy, fd);
	if (bind(fd, (struct sockaddr *)&address, length) < 0 ||
	    (proxy->listen.kind != PROXY_UDP && listen(fd, BACKLOG) < 0)) {
		int problem = errno;
		return proxy->listen.ports
			       ? error_errno(error, problem, "port %d", proxy->listen.ports[index])
			       : error_errno(error, problem, "%s", proxy->listen.path);
	}
	return steal_fd(&fd);
}

static int open_in_network(struct proxy *proxy, struct error **error)
{
	for (size_t i = 0; i < proxy->listen.count; i++) {
		proxy->listeners[i].source.fd = open_one(proxy, i, error);
		if (proxy->listeners[i].source.fd < 0)
			return -1;
	}
	return 0;
}

static int visit_network(struct proxy *proxy, struct error **error)
{
	cleanup_close int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0 || setns(PROXY_PIDFD, CLONE_NEWNET) < 0)
		return error_errno(error, errno, "entering the network of the instance");
	if (open_in_network(proxy, error) < 0)
		return -1;
	return setns(home, CLONE_NEWNET) < 0 ? error_errno(error, errno, "leaving the network") : 0;
}

/* ---- in the file system ---- */

/* It gets its mode at birth; the owner is of what is there, not of what a link may lead to. */
static int bind_here(const struct proxy *proxy, int fd, const char *name, struct error **error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	memcpy(address.sun_path, name, strnlen(name, sizeof(address.sun_path) - 1));
	umask(~proxy->mode & 0777);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(error, errno, "%s", proxy->listen.path);
	if (fchownat(AT_FDCWD, name, proxy->uid, proxy->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		int problem = errno;
		unlink(name);
		return error_errno(error, problem, "%s: owner %u, group %u", proxy->listen.path,
				   (unsigned int)proxy->uid, (unsigned int)proxy->gid);
	}
	return 0;
}

static int open_path(const struct proxy *proxy, int fd, struct error **error)
{
	const char *name = strrchr(proxy->listen.path, '/') + 1;
	cleanup_close int directory = unix_path_directory(proxy->listen.path, error);
	if (directory < 0)
		return -1;
	if (fchdir(directory) < 0)
		return error_errno(error, errno, "directory of %s", proxy->listen.path);
	if (unix_path_remove_stale(AT_FDCWD, name, error) < 0)
		return error_prefix(error, "%s", proxy->listen.path);
	return proxy->remove ? 0 : bind_here(proxy, fd, name, error);
}

static int enter_instance(struct error **error)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (setns(PROXY_PIDFD, CLONE_NEWUSER | CLONE_NEWNS) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_errno(error, errno, "entering the instance");
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* a change of ids clears it */
	return 0;
}

/* A child that shares our descriptors, and nothing else: fork(2) with CLONE_FILES. */
static int open_path_inside(const struct proxy *proxy, int fd, struct error **error)
{
	int status;
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0UL);
	if (pid == 0) {
		struct error *problem = NULL;
		if (enter_instance(&problem) == 0 && open_path(proxy, fd, &problem) == 0)
			_exit(0);
		proxy_report(problem);
		_exit(1);
	}
	if (pid < 0)
		return error_errno(error, errno, "making a process");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0) /* it has told why */
		_exit(1);
	return 0;
}

static int open_in_files(struct proxy *proxy, struct error **error)
{
	int fd = proxy->listeners[0].source.fd = make_socket(proxy, error);
	if (fd < 0)
		return -1;
	return proxy->in_instance ? open_path_inside(proxy, fd, error)
				  : open_path(proxy, fd, error);
}

int listeners_open(struct proxy *proxy, struct error **error)
{
	proxy->listeners = memory_alloc(proxy->listen.count * sizeof(*proxy->listeners));
	for (size_t i = 0; i < proxy->listen.count; i++) {
		proxy->listeners[i].proxy = proxy;
		proxy->listeners[i].index = proxy->connect.count > 1 ? i : 0;
	}
	if (proxy_address_is_path(&proxy->listen))
		return open_in_files(proxy, error);
	return proxy->in_instance ? visit_network(proxy, error) : open_in_network(proxy, error);
}

int listeners_remove(struct proxy *proxy, struct error **error)
{
	return proxy->in_instance ? open_path_inside(proxy, -1, error)
				  : open_path(proxy, -1, error);
}
