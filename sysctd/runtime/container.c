/*
 * See container.h. The two sides, in order:
 *
 *   monitor                                child
 *   time namespace for children
 *   clone3(user pid net uts ipc, cgroup)   v1 controllers, waits
 *   id maps, rlimits, network interfaces
 *   disks, layers and overlay (real root)
 *   "go"                                   unshare(mount, cgroup), disks, chdir to the root
 *                                          sources of bind mounts, then uid 0 of the instance
 *                                          pivot_root, mounts, disks (each is sent over); lxcfs
 *                                          console, capabilities, seccomp
 *   end of file: init runs                 exec
 *
 * The child reports a failure as one message on the socket; exec closes it.
 */
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "disks.h"
#include "fault.h"
#include "file.h"
#include "idmap.h"
#include "lxcfs_files.h"
#include "memory.h"
#include "message.h"
#include "mounts.h"
#include "nics.h"
#include "privileges.h"
#include "process.h"
#include "rootfs.h"

enum { START_TIMEOUT = 30000 };

pid_t container_clone(unsigned long long flags, int cgroup, int *pidfd)
{
	struct clone_args arguments = {
		.flags = flags | CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (__u64)(unsigned long)pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = (__u64)cgroup,
	};
	return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

/* "NAME SECONDS NANOSECONDS" of proc_pid_timens_offsets(5): as far back as the clock has come. */
static int format_offset(char *text, size_t room, const char *name, clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	bool part = now.tv_nsec > 0;
	return snprintf(text, room, "%s %lld %ld\n", name, -(long long)now.tv_sec - part,
			part ? 1000000000L - now.tv_nsec : 0);
}

/*
 * The next child has clocks that begin now: start times of processes, sysinfo(2) and the boot time (time_namespaces(7))
 * then agree with /proc/uptime of the file server. In an instance that starts instances of its own the offsets are
 * refused: it goes without.
 * Returns the way back, a descriptor, or -1.
 */
static int begin_clocks(void)
{
	char text[160];
	int own = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
	if (own < 0 || unshare(CLONE_NEWTIME) < 0)
		return own;
	int length = format_offset(text, sizeof(text), "monotonic", CLOCK_MONOTONIC);
	format_offset(text + length, sizeof(text) - (size_t)length, "boottime", CLOCK_BOOTTIME);
	file_poke_at(AT_FDCWD, "/proc/self/timens_offsets", text, NULL);
	return own;
}

/* Other children have the host's, and older kernels would refuse posix_spawn(3) otherwise (Linux 6.1: EINVAL). */
static void leave_clocks(int own)
{
	if (own >= 0)
		setns(own, CLONE_NEWTIME);
}

static int bring_loopback_up(struct error **error)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return error_errno(error, errno, "bringing up the loopback interface");
	return 0;
}

int container_become_root(struct error **error)
{
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || setgroups(0, NULL) < 0)
		return error_errno(error, errno, "becoming root of the instance");
	return 0;
}

static int take_disks(const struct spec *spec, int *trees, struct error **error)
{
	for (size_t i = 0; i < json_array_size(spec->disks); i++)
		if (disk_take(json_array_get(spec->disks, i), i, &trees[i], error) < 0)
			return -1;
	return 0;
}

static int tell_disk(int sync, size_t number, int tree, int proc, struct error **error)
{
	cleanup_free char *mark = disk_mark(tree, proc);
	json_t *body = json_pack("{s:I, s:s}", "disk", (json_int_t)number, "mark", mark);
	int result = message_send(sync, body, NULL, 0, error);
	json_decref(body);
	return result;
}

/* The monitor is told of each, to be able to take it away. */
static int attach_disks(const struct spec *spec, const int *trees, int sync, struct error **error)
{
	cleanup_close int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < json_array_size(spec->disks); i++)
		if (trees[i] >= 0 &&
		    (disk_attach(json_array_get(spec->disks, i), trees[i], error) < 0 ||
		     tell_disk(sync, i, trees[i], proc, error) < 0))
			return -1;
	return 0;
}

/* The path of the root may lead through directories that only real root may
 * enter: go there and collect what the host gives before the ids change. */
static int enter_root(const struct spec *spec, const char *console, struct mount_sources *sources,
		      struct lxcfs_files *files, int *disks, struct error **error)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWCGROUP) < 0)
		return error_errno(error, errno, "making a mount namespace");
	lxcfs_files_take(spec->lxcfs, files);
	if (take_disks(spec, disks, error) < 0)
		return -1;
	if (chdir(ROOTFS_DIRECTORY) < 0)
		return error_errno(error, errno, "entering the root file system");
	if (mounts_take_sources(spec, console, sources, error) < 0)
		return -1;
	return container_become_root(error);
}

static int make_world(const struct spec *spec, const char *console, int sync, struct error **error)
{
	cleanup_mount_sources struct mount_sources sources = {.console = -1};
	cleanup_lxcfs_files struct lxcfs_files files = {0};
	cleanup_free int *disks = memory_alloc(json_array_size(spec->disks) * sizeof(int));
	if (enter_root(spec, console, &sources, &files, disks, error) < 0)
		return -1;
	cleanup_close int old_root = mounts_pivot(error);
	if (old_root < 0 || mounts_make(spec, &sources, error) < 0 ||
	    lxcfs_files_attach(spec->lxcfs, &files, error) < 0 ||
	    mounts_leave_old_root(old_root, error) < 0 ||
	    attach_disks(spec, disks, sync, error) < 0)
		return -1;
	const char *hostname = json_string_value(json_object_get(spec->json, "hostname"));
	if (hostname && sethostname(hostname, strlen(hostname)) < 0)
		return error_errno(error, errno, "setting the host name");
	nics_prepare(spec->nics);
	return bring_loopback_up(error);
}

static int take_console(struct error **error)
{
	if (setsid() < 0 && errno != EPERM)
		return error_errno(error, errno, "starting a session");
	/* Not the controlling terminal: the getty on the console wants that. */
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);
	if (fd < 0)
		return error_errno(error, errno, "opening /dev/console");
	for (int i = 0; i < 3; i++)
		if (dup2(fd, i) < 0)
			return error_errno(error, errno, "connecting the console");
	if (fd > 2)
		close(fd);
	return 0;
}

static int run_init(const struct spec *spec, const struct container_filter *filter, int sync,
		    struct error **error)
{
	cleanup_free char **arguments = spec_strings(json_object_get(spec->process, "args"));
	cleanup_free char **environment = spec_strings(json_object_get(spec->process, "env"));
	privileges_reset_process();
	if (take_console(error) < 0 || privileges_drop_capabilities(spec, error) < 0 ||
	    privileges_apply_seccomp(spec, filter->bytes, filter->length, sync, error) < 0)
		return -1;
	execve(arguments[0], arguments, environment);
	return error_errno(error, errno, "running init %s of the instance", arguments[0]);
}

_Noreturn static void child(const struct spec *spec, const struct cgroup *cgroup,
			    const char *console, const struct container_filter *filter, int sync)
{
	struct error *error = NULL;
	char go;
	if (cgroup_enter_v1(cgroup, &error) == 0 && read(sync, &go, 1) == 1 &&
	    make_world(spec, console, sync, &error) == 0)
		run_init(spec, filter, sync, &error);
	if (error) {
		json_t *body = message_from_error(error);
		message_send(sync, body, NULL, 0, NULL);
	}
	_exit(1);
}

int container_open_namespace(pid_t pid, const char *kind, int *fd, struct error **error)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, kind);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? error_errno(error, errno, "opening %s", path) : 0;
}

static int prepare_child(const struct spec *spec, pid_t pid, int host_mounts, struct error **error)
{
	cleanup_close int user_namespace = -1;
	if (idmap_write(pid, json_object_get(spec->linux_, "uidMappings"),
			json_object_get(spec->linux_, "gidMappings"), error) < 0 ||
	    privileges_set_rlimits(spec, pid, error) < 0 || nics_create(spec->nics, pid, error) < 0)
		return -1;
	fault_point("monitor.nics");
	if (container_open_namespace(pid, "user", &user_namespace, error) < 0)
		return -1;
	struct disk_context context = {host_mounts, user_namespace, spec->root_uid, spec->root_gid};
	if (disks_stage(spec->disks, &context, error) < 0)
		return -1;
	return rootfs_mount(spec, user_namespace, error);
}

static void keep_disk(struct container *container, const json_t *message)
{
	const json_t *number = json_object_get(message, "disk");
	const char *mark = json_string_value(json_object_get(message, "mark"));
	size_t index = (size_t)json_integer_value(number);
	if (mark && index < container->disk_count) {
		free(container->disks[index]);
		container->disks[index] = memory_strdup(mark);
	}
}

static int let_go(int sync, struct container *container, struct error **error)
{
	if (write(sync, "g", 1) != 1)
		return error_errno(error, errno, "starting the first process");
	fault_point("monitor.go");
	for (;;) {
		cleanup_message struct message answer = {0};
		if (message_receive(sync, &answer, START_TIMEOUT, error) < 0)
			return -1;
		if (!answer.body)
			return 0;
		if (message_check_error(answer.body, error) < 0)
			return -1;
		keep_disk(container, answer.body);
		if (json_object_get(answer.body, "listener"))
			container->listener = message_take_fd(&answer, 0);
	}
}

/* Init may have been executed and be gone already, or have been killed before:
 * only in the second case did the socket close without exec, and nobody reads why. */
static int supervise_start(const struct spec *spec, int sync, int host_mounts,
			   struct container *container, struct error **error)
{
	fault_point("monitor.cloned");
	if (container_open_namespace(container->pid, "pid", &container->pid_namespace, error) < 0 ||
	    container_open_namespace(container->pid, "net", &container->network_namespace, error) <
		    0 ||
	    prepare_child(spec, container->pid, host_mounts, error) < 0)
		return -1;
	fault_point("monitor.rootfs");
	container->disk_count = json_array_size(spec->disks);
	container->disks = memory_alloc(container->disk_count * sizeof(char *));
	return let_go(sync, container, error);
}

int container_start(const struct spec *spec, const struct container_host *host,
		    const struct container_filter *filter, struct container *container,
		    struct error **error)
{
	cleanup_close int ours = -1;
	int sockets[2];
	*container = (struct container)CONTAINER_INIT;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return error_errno(error, errno, "making a socket pair");
	ours = sockets[0];
	cleanup_close int clocks = begin_clocks();
	container->pid = container_clone(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |
						 CLONE_NEWUTS | CLONE_NEWIPC,
					 host->cgroup->unified, &container->pidfd);
	if (container->pid == 0) {
		close(ours);
		child(spec, host->cgroup, host->console, filter, sockets[1]);
	}
	int problem = errno;
	leave_clocks(clocks);
	close(sockets[1]);
	if (container->pid < 0 && problem == ENOSPC)
		return error_set(error, ERROR_NO_SPACE,
				 "creating the namespaces of %s: one of the kernel's limits "
				 "user.max_*_namespaces is reached",
				 spec->name);
	if (container->pid < 0)
		return error_errno(error, problem, "creating the namespaces of %s", spec->name);
	int started = supervise_start(spec, ours, host->mounts, container, error);
	disks_unstage(spec->disks);
	if (started == 0)
		return 0;
	process_pidfd_signal(container->pidfd, SIGKILL);
	waitpid(container->pid, NULL, 0);
	container_end(container, spec->nics);
	rootfs_unmount();
	return error_prefix(error, "starting %s", spec->name);
}

void container_end(struct container *container, const json_t *nics)
{
	if (container->network_namespace >= 0 && nics_must_return(nics))
		nics_return(nics, container->network_namespace);
	cleanup_close_fd(&container->network_namespace);
	cleanup_close_fd(&container->pidfd);
	cleanup_close_fd(&container->pid_namespace);
	cleanup_close_fd(&container->listener);
	for (size_t i = 0; i < container->disk_count; i++)
		free(container->disks[i]);
	free(container->disks);
	*container = (struct container)CONTAINER_INIT;
}
