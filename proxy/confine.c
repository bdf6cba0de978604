/*
 * What is left of a proxy when it has its listening sockets: the network namespace of the side
 * that connects, an ordinary user's ids, no capability, no way to get one, and an empty root
 * directory, or that of the connecting side where it connects to sockets in the file system.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/proxy.h"

static const char empty_directory[] = "proxy-root";

static void raise_limits(struct proxy *proxy)
{
	struct rlimit wanted = {1048576, 1048576}, now; /* fs.nr_open of every kernel so far */
	setrlimit(RLIMIT_NOFILE, &wanted);
	getrlimit(RLIMIT_NOFILE, &now);
	now.rlim_cur = now.rlim_max;
	setrlimit(RLIMIT_NOFILE, &now);
	proxy->most_files = now.rlim_cur;
}

int confine_prepare(struct proxy *proxy, struct error **error)
{
	raise_limits(proxy);
	mkdir(empty_directory, 0755);
	proxy->empty = open(empty_directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return proxy->empty < 0 ? error_errno(error, errno, "opening %s", empty_directory) : 0;
}

static int enter(const struct proxy *proxy, struct error **error)
{
	bool files = proxy_address_is_path(&proxy->connect);
	if (!proxy->in_instance &&
	    setns(PROXY_PIDFD, files ? CLONE_NEWNET | CLONE_NEWNS : CLONE_NEWNET) < 0)
		return error_errno(error, errno, "entering the instance");
	if (files)
		return chdir("/") < 0 ? error_errno(error, errno, "entering /") : 0;
	return 0;
}

static int leave_files(const struct proxy *proxy, struct error **error)
{
	if (proxy_address_is_path(&proxy->connect))
		return 0;
	if (fchdir(proxy->empty) < 0 || chroot(".") < 0)
		return error_errno(error, errno, "entering an empty directory");
	return 0;
}

static int drop_capabilities(struct error **error)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	if (syscall(SYS_capset, &header, none) < 0)
		return error_errno(error, errno, "dropping capabilities");
	return 0;
}

static int become_user(const struct proxy *proxy, struct error **error)
{
	for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0;)
		capability++;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(proxy->run_gid, proxy->run_gid, proxy->run_gid) < 0 ||
	    setresuid(proxy->run_uid, proxy->run_uid, proxy->run_uid) < 0)
		return error_errno(error, errno, "becoming user %u, group %u",
				   (unsigned int)proxy->run_uid, (unsigned int)proxy->run_gid);
	return drop_capabilities(error); /* those of user 0, if it is that */
}

int confine(const struct proxy *proxy, struct error **error)
{
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	umask(0777);
	if (leave_files(proxy, error) < 0 || enter(proxy, error) < 0 ||
	    become_user(proxy, error) < 0)
		return -1;
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* a change of ids clears it */
	return 0;
}
