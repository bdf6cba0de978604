/*
 * sysinfo(2) of the instance's processes, where their filter asks us (seccomp_unotify(2)). The values are those of the
 * virtualised files, which are told to a reader in the instance's pid namespace: a child of ours is born there, reads
 * them and writes them to who asked. So the loop never waits for the file server, and whatever goes wrong, the kernel
 * answers as without us. Each listener has one call at a time in work: an instance that asks all the time gets no
 * more than one process.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"
#include "monitor.h"
#include "process.h"
#include "sysinfo_read.h"

#ifdef __x86_64__
#define NATIVE_ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define NATIVE_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

enum { PATIENCE = 2 /* seconds */, LARGEST = 512 };

struct monitor_sysinfo {
	struct event_source listener, child;
	struct monitor *monitor;
	__u64 id; /* of the call that the child works on */
	struct monitor_sysinfo *next;
};

/* The kernel's structures may have grown: it is told their sizes by the size of the buffer. */
union call {
	struct seccomp_notif notification;
	char bytes[LARGEST];
};

union answer {
	struct seccomp_notif_resp response;
	char bytes[LARGEST];
};

static bool sizes_fit(void)
{
	struct seccomp_notif_sizes sizes;
	return syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0 &&
	       sizes.seccomp_notif <= LARGEST && sizes.seccomp_notif_resp <= LARGEST;
}

/* Who asked may have gone (ENOENT). */
static void answer(int listener, __u64 id, bool done)
{
	union answer answer = {
		.response = {.id = id, .flags = done ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE}};
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static void drop(struct monitor *monitor, struct event_source *source)
{
	event_loop_remove(&monitor->loop, source);
	cleanup_close_fd(&source->fd);
	source->fd = -1;
}

static void forget(struct monitor_sysinfo *sysinfo)
{
	struct monitor_sysinfo **at = &sysinfo->monitor->sysinfo;
	while (*at != sysinfo)
		at = &(*at)->next;
	*at = sysinfo->next;
	drop(sysinfo->monitor, &sysinfo->listener);
	drop(sysinfo->monitor, &sysinfo->child);
	free(sysinfo);
}

/* That the call still waits is asked after its memory was opened: its pid may be somebody else's later. */
_Noreturn static void work(const char *lxcfs, int listener, const struct seccomp_notif *call)
{
	struct sysinfo info;
	__u64 id = call->id;
	char path[32];
	alarm(PATIENCE);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	snprintf(path, sizeof(path), "/proc/%u/mem", call->pid);
	int memory = open(path, O_WRONLY | O_CLOEXEC);
	bool done = memory >= 0 && sysinfo_read(lxcfs, &info) &&
		    ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0 &&
		    pwrite(memory, &info, sizeof(info), (off_t)call->data.args[0]) == sizeof(info);
	_exit(done ? 0 : 1);
}

/* A pidfd, or -1. */
static int start_child(struct monitor *monitor, int listener, const struct seccomp_notif *call)
{
	const char *lxcfs = json_string_value(json_object_get(monitor->spec.lxcfs, "source"));
	cleanup_close int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (!lxcfs || own < 0 || setns(monitor->container.pid_namespace, CLONE_NEWPID) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0)
		work(lxcfs, listener, call);
	setns(own, CLONE_NEWPID);
	return pid < 0 ? -1 : process_pidfd_open(pid);
}

static void child_ended(struct event_source *source, uint32_t events)
{
	struct monitor_sysinfo *sysinfo = source->data;
	siginfo_t info = {0};
	(void)events;
	bool ended = waitid(P_PIDFD, (id_t)source->fd, &info, WEXITED) == 0;
	answer(sysinfo->listener.fd, sysinfo->id,
	       ended && info.si_code == CLD_EXITED && info.si_status == 0);
	drop(sysinfo->monitor, source);
	event_loop_add(&sysinfo->monitor->loop, &sysinfo->listener, EPOLLIN);
}

/* A 32-bit program has another structure. */
static bool is_ours(const struct seccomp_notif *call)
{
	return call->data.arch == NATIVE_ARCHITECTURE && call->data.nr == __NR_sysinfo;
}

static void call_ready(struct event_source *source, uint32_t events)
{
	struct monitor_sysinfo *sysinfo = source->data;
	struct monitor *monitor = sysinfo->monitor;
	union call call = {.bytes = {0}};
	if (!(events & EPOLLIN)) { /* nobody is left who could ask */
		forget(sysinfo);
		return;
	}
	if (ioctl(source->fd, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
		return;
	sysinfo->id = call.notification.id;
	int child = is_ours(&call.notification)
			    ? start_child(monitor, source->fd, &call.notification)
			    : -1;
	if (child < 0) {
		answer(source->fd, sysinfo->id, false);
		return;
	}
	event_loop_remove(&monitor->loop, source);
	sysinfo->child.fd = child;
	event_loop_add(&monitor->loop, &sysinfo->child, EPOLLIN);
}

void monitor_sysinfo_listen(struct monitor *monitor, int listener)
{
	struct monitor_sysinfo *sysinfo = memory_alloc(sizeof(*sysinfo));
	*sysinfo = (struct monitor_sysinfo){
		.listener = {listener, call_ready, sysinfo},
		.child = {-1, child_ended, sysinfo},
		.monitor = monitor,
		.next = monitor->sysinfo,
	};
	monitor->sysinfo = sysinfo;
	/* Closed, it would make every sysinfo(2) fail. */
	if (!sizes_fit() || event_loop_add(&monitor->loop, &sysinfo->listener, EPOLLIN) < 0)
		forget(sysinfo);
}

void monitor_sysinfo_end(struct monitor *monitor)
{
	while (monitor->sysinfo) {
		struct monitor_sysinfo *sysinfo = monitor->sysinfo;
		siginfo_t info = {0};
		if (sysinfo->child.fd >= 0) {
			process_pidfd_signal(sysinfo->child.fd, SIGKILL);
			waitid(P_PIDFD, (id_t)sysinfo->child.fd, &info, WEXITED);
		}
		forget(sysinfo);
	}
}
