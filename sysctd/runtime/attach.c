/*
 * See attach.h. The monitor is a small single-threaded process, so a clone of
 * it is cheap; it lends the child the instance's pid namespace for the clone
 * (setns(2) with CLONE_NEWPID concerns children alone), which saves a second
 * fork. Until the exec the child must not be touched by the instance: it is
 * not dumpable and keeps no descriptor of the monitor.
 */
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "attach_user.h"
#include "cleanup.h"
#include "memory.h"
#include "message.h"
#include "privileges.h"

enum { SYNC_FD = 3 };

static const char *text_of(const json_t *request, const char *key)
{
	return json_string_value(json_object_get(request, key));
}

int attach_check_stdio(const int *stdio, struct error **error)
{
	static const char *const names[] = {"standard input", "standard output", "standard error"};
	for (int i = 0; i < 3; i++) {
		struct stat status;
		int flags = fcntl(stdio[i], F_GETFL);
		if (flags < 0 || fstat(stdio[i], &status) < 0)
			return error_errno(error, errno, "%s", names[i]);
		if (S_ISDIR(status.st_mode) || (flags & O_PATH))
			return error_set(error, ERROR_INVALID,
					 "%s is a directory: it would lead out of the instance",
					 names[i]);
	}
	return 0;
}

/* Standard descriptors at 0 to 2, the socket at 3, nothing else. */
static int arrange_descriptors(const int *stdio, int sync)
{
	int high[4];
	for (int i = 0; i < 4; i++) {
		int from = i == 3 ? sync : stdio ? stdio[i] : -1;
		high[i] = from < 0 ? -1 : fcntl(from, F_DUPFD_CLOEXEC, 64);
	}
	for (int i = 0; i < 3; i++)
		if (high[i] >= 0 && dup2(high[i], i) < 0)
			return -1;
	if (dup3(high[3], SYNC_FD, O_CLOEXEC) < 0)
		return -1;
	return close_range(SYNC_FD + 1, ~0U, 0);
}

static int enter_namespaces(int pidfd, struct error **error)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setns(pidfd, CLONE_NEWTIME); /* refused where it has none of its own */
	if (setns(pidfd, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC |
				 CLONE_NEWCGROUP) < 0)
		return error_errno(error, errno, "entering the instance");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || setgroups(0, NULL) < 0)
		return error_errno(error, errno, "becoming root of the instance");
	return 0;
}

static int open_terminal(const json_t *request, struct error **error)
{
	int unlock = 0;
	struct winsize size = {
		.ws_col = (unsigned short)json_integer_value(json_object_get(request, "width")),
		.ws_row = (unsigned short)json_integer_value(json_object_get(request, "height")),
	};
	cleanup_close int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return error_errno(error, errno, "opening a terminal in the instance");
	int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	if (slave < 0)
		return error_errno(error, errno, "opening a terminal in the instance");
	if (size.ws_col && size.ws_row)
		ioctl(slave, TIOCSWINSZ, &size);
	json_t *body = json_pack("{s:b}", "pty", 1);
	int sent = message_send(SYNC_FD, body, &master, 1, error);
	json_decref(body);
	for (int i = 0; sent == 0 && i < 3; i++)
		dup2(slave, i);
	if (slave > 2)
		close(slave);
	return sent;
}

static int become_user(const json_t *request, struct attach_user *user, struct error **error)
{
	if (attach_user_find(request, user, error) < 0)
		return -1;
	if (json_is_true(json_object_get(request, "interactive")) &&
	    fchown(0, user->uid, (gid_t)-1) < 0)
		return error_errno(error, errno, "giving the terminal to its user");
	if ((user->group_count && setgroups(user->group_count, user->groups) < 0) ||
	    setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return error_errno(error, errno, "becoming user %u, group %u",
				   (unsigned int)user->uid, (unsigned int)user->gid);
	return 0;
}

static int change_directory(const json_t *request, const struct attach_user *user,
			    struct error **error)
{
	const char *asked = text_of(request, "cwd");
	if (asked && *asked)
		return chdir(asked) < 0 ? error_errno(error, errno, "working directory %s", asked)
					: 0;
	return chdir(user->home) < 0 && chdir("/") < 0
		       ? error_errno(error, errno, "working directory /")
		       : 0;
}

static int prepare(const struct attach_target *target, const json_t *request, bool interactive,
		   struct error **error)
{
	struct attach_user user = {0};
	if (setsid() < 0)
		return error_errno(error, errno, "starting a session");
	if (interactive && (open_terminal(request, error) < 0 || ioctl(0, TIOCSCTTY, 0) < 0))
		return error_errno(error, errno, "taking the terminal");
	privileges_reset_process();
	if (privileges_set_rlimits(target->spec, 0, error) < 0 ||
	    privileges_drop_capabilities(target->spec, error) < 0 ||
	    privileges_apply_seccomp(target->spec, target->filter->bytes, target->filter->length,
				     SYNC_FD, error) < 0 ||
	    become_user(request, &user, error) < 0 || change_directory(request, &user, error) < 0)
		return -1;
	environ = attach_user_environment(request, &user);
	return 0;
}

static void report(const struct error *error, int status)
{
	json_t *body = message_from_error(error);
	json_object_set_new(body, "status", json_integer(status));
	message_send(SYNC_FD, body, NULL, 0, NULL);
	json_decref(body);
}

_Noreturn static void child(const struct attach_target *target, const json_t *request,
			    const int *stdio, int sync)
{
	struct error *error = NULL;
	char **arguments = spec_strings(json_object_get(request, "args"));
	int status = 126;
	/* The pidfd must survive arrange_descriptors(): enter first. */
	if (cgroup_enter_v1(target->cgroup, &error) == 0 &&
	    enter_namespaces(target->container->pidfd, &error) == 0) {
		if (arrange_descriptors(stdio, sync) < 0)
			_exit(126);
		if (prepare(target, request, !stdio, &error) == 0) {
			execvp(arguments[0], arguments);
			status = errno == ENOENT ? 127 : 126;
			error_errno(&error, errno, "running %s", arguments[0]);
		}
	} else {
		dup3(sync, SYNC_FD, O_CLOEXEC);
	}
	report(error, status);
	_exit(status);
}

static pid_t clone_into(const struct attach_target *target, int leaf, int *pidfd,
			struct error **error)
{
	cleanup_close int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (own < 0 || setns(target->container->pid_namespace, CLONE_NEWPID) < 0) {
		error_errno(error, errno, "entering the pid namespace of %s", target->spec->name);
		return -1;
	}
	pid_t pid = container_clone(0, leaf, pidfd);
	int problem = errno;
	if (pid == 0)
		return 0;
	setns(own, CLONE_NEWPID);
	if (pid < 0)
		error_errno(error, problem, "starting a process in %s", target->spec->name);
	return pid;
}

pid_t attach_start(const struct attach_target *target, const json_t *request, const int *stdio,
		   int *pidfd, int *sync, struct error **error)
{
	int sockets[2];
	if (json_array_size(json_object_get(request, "args")) == 0)
		return error_set(error, ERROR_INVALID, "no command given");
	if (stdio && attach_check_stdio(stdio, error) < 0)
		return -1;
	cleanup_close int leaf =
		cgroup_leaf(target->cgroup, target->spec->root_uid, target->spec->root_gid, error);
	if (leaf < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return error_errno(error, errno, "making a socket pair");
	pid_t pid = clone_into(target, leaf, pidfd, error);
	if (pid == 0)
		child(target, request, stdio, sockets[1]);
	close(sockets[1]);
	if (pid < 0)
		close(sockets[0]);
	else
		*sync = sockets[0];
	return pid;
}
