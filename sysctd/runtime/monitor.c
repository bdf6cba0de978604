/* See monitor.h: the life of one instance, from its first start to its end. */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "devices.h"
#include "fault.h"
#include "file.h"
#include "log.h"
#include "memory.h"
#include "privileges.h"
#include "process.h"
#include "rootfs.h"

enum { LISTENER_FD = 3, STARTER_FD = 4, QUICK = 5, QUICK_LIMIT = 3 };

static long long clock_nanoseconds(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void init_ended(struct event_source *source, uint32_t events);

/* What a restarted sysctd needs when the monitor is gone: whom to look for. */
static void write_state(const json_t *state)
{
	cleanup_free char *text = json_dumps(state, JSON_INDENT(1));
	if (text)
		file_replace_at(AT_FDCWD, MONITOR_STATE, text, strlen(text), 0600, false, NULL);
}

static int make_cgroup(struct monitor *monitor, struct error **error)
{
	const struct spec *spec = &monitor->spec;
	const json_t *resources = json_object_get(spec->linux_, "resources");
	if (cgroup_create(&monitor->cgroup, spec->cgroup, spec->root_uid, spec->root_gid, error) <
	    0)
		return -1;
	fault_point("monitor.cgroup");
	if (cgroup_apply(&monitor->cgroup, resources, error) < 0)
		return -1;
	return devices_restrict(monitor->cgroup.unified, json_object_get(resources, "devices"),
				error);
}

static int start_container(struct monitor *monitor, struct error **error)
{
	const struct spec *spec = &monitor->spec;
	if (make_cgroup(monitor, error) < 0 ||
	    console_own(&monitor->console, spec->root_uid, spec->root_gid, error) < 0)
		return -1;
	struct container_host host = {&monitor->cgroup, monitor->console.path,
				      monitor->host_mounts};
	if (container_start(&monitor->spec, &host, &monitor->filter, &monitor->container, error) <
	    0)
		return -1;
	fault_point("monitor.started");
	monitor_disks_started(monitor);
	if (monitor->container.listener >= 0)
		monitor_sysinfo_listen(monitor, steal_fd(&monitor->container.listener));
	monitor->started_at = clock_nanoseconds(CLOCK_REALTIME);
	monitor->boot_clock = clock_nanoseconds(CLOCK_MONOTONIC);
	monitor->init = (struct event_source){monitor->container.pidfd, init_ended, monitor};
	if (event_loop_add(&monitor->loop, &monitor->init, EPOLLIN) < 0)
		return error_errno(error, errno, "watching init");
	json_t *state = monitor_status(monitor);
	write_state(state);
	json_decref(state);
	return 0;
}

/* What belongs to one run of init: the pid namespace died with it. The root
 * file system stays mounted: unmounting an overlay writes out its upper's whole file
 * system, which a reboot waits for and an end does not (our mount namespace ends with us). */
static void take_down(struct monitor *monitor)
{
	event_loop_remove(&monitor->loop, &monitor->init);
	monitor->init.fd = -1;
	monitor_sysinfo_end(monitor);
	monitor_proxies_end(monitor);
	monitor_disks_end(monitor);
	json_t *nics = spec_read_nics(&monitor->spec, MONITOR_SPEC);
	container_end(&monitor->container, nics);
	json_decref(nics);
	cgroup_close(&monitor->cgroup);
	if (monitor->spec.cgroup)
		cgroup_destroy(monitor->spec.cgroup, NULL);
}

static void finish(struct monitor *monitor, const char *reason, int status, const char *message)
{
	json_t *event = json_pack("{s:s, s:s, s:i, s:s, s:s}", "event", "stopped", "reason", reason,
				  "status", status, "message", message, "state", "stopped");
	fault_point("monitor.ended");
	monitor_sessions_end(monitor);
	take_down(monitor);
	fault_point("monitor.taken-down");
	console_drain(&monitor->console);
	monitor_console_detach(monitor);
	write_state(event);
	unlink(MONITOR_SOCKET);
	monitor_clients_send(monitor, event, -1);
	json_decref(event);
	monitor->loop.stopped = true;
}

static int reload(struct monitor *monitor, struct error **error)
{
	struct spec fresh;
	if (spec_load(&fresh, MONITOR_SPEC, error) < 0)
		return -1;
	spec_free(&monitor->spec);
	monitor->spec = fresh;
	free(monitor->filter.bytes);
	return privileges_load_seccomp(&monitor->spec, &monitor->filter.bytes,
				       &monitor->filter.length, error);
}

static void boot_again(struct monitor *monitor)
{
	cleanup_error struct error *error = NULL;
	if (reload(monitor, &error) < 0 || start_container(monitor, &error) < 0) {
		log_event(LOG_LEVEL_ERROR, monitor->spec.name, "%s", error_message(error));
		finish(monitor, "error", 0, error_message(error));
		return;
	}
	monitor_proxies_resume(monitor);
	json_t *event = monitor_status(monitor);
	json_object_set_new(event, "event", json_string("rebooted"));
	monitor_clients_send(monitor, event, monitor->container.pidfd);
	json_decref(event);
}

static void reboot_timer_ready(struct event_source *source, uint32_t events)
{
	struct monitor *monitor = source->data;
	(void)events;
	event_loop_remove(&monitor->loop, source);
	cleanup_close_fd(&source->fd);
	source->fd = -1;
	boot_again(monitor);
}

/* An init that reboots at once, over and over, must not take a processor. */
static void reboot(struct monitor *monitor)
{
	bool quick =
		clock_nanoseconds(CLOCK_MONOTONIC) - monitor->boot_clock < QUICK * 1000000000LL;
	monitor_sessions_end(monitor);
	take_down(monitor);
	rootfs_unmount();
	monitor->quick_reboots = quick ? monitor->quick_reboots + 1 : 0;
	struct itimerspec delay = {.it_value.tv_sec = 5};
	int timer = monitor->quick_reboots > QUICK_LIMIT
			    ? timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)
			    : -1;
	if (timer < 0) {
		boot_again(monitor);
		return;
	}
	timerfd_settime(timer, 0, &delay, NULL);
	monitor->reboot_timer = (struct event_source){timer, reboot_timer_ready, monitor};
	event_loop_add(&monitor->loop, &monitor->reboot_timer, EPOLLIN);
}

int monitor_kill(struct monitor *monitor, struct error **error)
{
	if (monitor->container.pid > 0)
		return cgroup_kill(&monitor->cgroup, error);
	event_loop_remove(&monitor->loop, &monitor->reboot_timer);
	cleanup_close_fd(&monitor->reboot_timer.fd);
	monitor->reboot_timer.fd = -1;
	finish(monitor, "signal", SIGKILL, "");
	return 0;
}

/* reboot(2): in a pid namespace a restart kills init by SIGHUP, a halt by SIGINT. */
static void init_ended(struct event_source *source, uint32_t events)
{
	struct monitor *monitor = source->data;
	siginfo_t info = {0};
	(void)events;
	if (waitid(P_PIDFD, (id_t)source->fd, &info, WEXITED) < 0 && errno != ECHILD)
		return;
	console_drain(&monitor->console);
	if (info.si_code == CLD_KILLED && info.si_status == SIGHUP) {
		reboot(monitor);
		return;
	}
	if (info.si_code == CLD_KILLED && info.si_status == SIGINT)
		finish(monitor, "halt", 0, "");
	else if (info.si_code == CLD_EXITED)
		finish(monitor, "exit", info.si_status, "");
	else
		finish(monitor, "signal", info.si_status, "");
}

/* SIGTERM, as at the host's shutdown, is passed on as the instance's own stop signal. */
static void signal_ready(struct event_source *source, uint32_t events)
{
	struct monitor *monitor = source->data;
	struct signalfd_siginfo info;
	(void)events;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	const json_t *stop = spec_get(monitor->spec.json, "sysct.stop_signal");
	if (monitor->container.pidfd >= 0 && stop)
		process_pidfd_signal(monitor->container.pidfd, (int)json_integer_value(stop));
}

static int watch_signals(struct monitor *monitor, struct error **error)
{
	sigset_t set;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	monitor->signals = (struct event_source){signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
						 signal_ready, monitor};
	if (monitor->signals.fd < 0 ||
	    event_loop_add(&monitor->loop, &monitor->signals, EPOLLIN) < 0)
		return error_errno(error, errno, "watching signals");
	return 0;
}

/* Mounts of ours stay ours; what the host unmounts goes here too. */
static int own_mounts(struct monitor *monitor, struct error **error)
{
	monitor->host_mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (monitor->host_mounts < 0)
		return error_errno(error, errno, "opening /proc/self/ns/mnt");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_errno(error, errno, "making a mount namespace");
	return 0;
}

/* It runs, but what belongs to it could not be started. */
static void end_init(struct monitor *monitor)
{
	siginfo_t info;
	if (monitor->container.pid <= 0)
		return;
	cgroup_kill(&monitor->cgroup, NULL);
	process_pidfd_signal(monitor->container.pidfd, SIGKILL);
	while (waitid(P_PIDFD, (id_t)monitor->container.pidfd, &info, WEXITED) < 0 &&
	       errno == EINTR)
		;
}

static int start(struct monitor *monitor, struct error **error)
{
	if (event_loop_init(&monitor->loop) < 0)
		return error_errno(error, errno, "making an event loop");
	fault_point("monitor.detached");
	if (own_mounts(monitor, error) < 0 || watch_signals(monitor, error) < 0 ||
	    privileges_load_seccomp(&monitor->spec, &monitor->filter.bytes, &monitor->filter.length,
				    error) < 0 ||
	    monitor_console_start(monitor, error) < 0)
		return -1;
	if (start_container(monitor, error) == 0 && monitor_proxies_start(monitor, error) == 0)
		return 0;
	end_init(monitor);
	take_down(monitor);
	return -1;
}

/* The starter waits for one message: the status with init's pidfd, or why not. */
static int answer_starter(struct monitor *monitor, struct error *error)
{
	json_t *body = error ? message_from_error(error) : monitor_status(monitor);
	int sent = message_send(STARTER_FD, body, &monitor->container.pidfd, error ? 0 : 1, NULL);
	json_decref(body);
	if (error)
		return -1;
	/* Init runs, whether or not the starter still lives. */
	if (sent < 0)
		close(STARTER_FD);
	else
		monitor_client_add(monitor, STARTER_FD, true);
	return 0;
}

/* Not a child of sysctd, in no terminal's session, born in the control group of monitors. */
static int detach_from_starter(const struct monitor *monitor, struct error **error)
{
	const char *base = json_string_value(spec_get(monitor->spec.json, "sysct.cgroup_base"));
	cleanup_close int pidfd = -1;
	cleanup_close int cgroup = cgroup_open_monitors(base ? base : "", error);
	if (cgroup < 0)
		return -1;
	pid_t pid = container_clone(0, cgroup, &pidfd);
	if (pid > 0)
		_exit(0);
	return pid < 0 || setsid() < 0 ? error_errno(error, errno, "becoming a daemon") : 0;
}

/* Silent on its streams: the starter's may be a terminal or a pipe that somebody waits on. */
static int enter_directory(const char *directory, struct error **error)
{
	if (close_range(STARTER_FD + 1, ~0U, 0) < 0 || chdir(directory) < 0)
		return error_errno(error, errno, "entering %s", directory);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int log = open("monitor.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (null < 0 || log < 0)
		return error_errno(error, errno, "opening the monitor's log");
	dup2(null, 0);
	dup2(null, 1);
	dup2(log, 2);
	close(null);
	close(log);
	fcntl(LISTENER_FD, F_SETFD, FD_CLOEXEC);
	fcntl(STARTER_FD, F_SETFD, FD_CLOEXEC);
	return 0;
}

static int run(const char *directory)
{
	struct monitor monitor = {
		.cgroup = CGROUP_INIT,
		.console = CONSOLE_INIT,
		.container = CONTAINER_INIT,
		.init.fd = -1,
		.console_control.fd = -1,
	};
	cleanup_error struct error *error = NULL;
	if (enter_directory(directory, &error) == 0 &&
	    spec_load(&monitor.spec, MONITOR_SPEC, &error) == 0 &&
	    detach_from_starter(&monitor, &error) == 0)
		start(&monitor, &error);
	if (!error && monitor_clients_listen(&monitor, LISTENER_FD) < 0)
		error_errno(&error, errno, "listening");
	if (answer_starter(&monitor, error) < 0)
		return 1;
	event_loop_run(&monitor.loop);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2 || fcntl(LISTENER_FD, F_GETFD) < 0 || fcntl(STARTER_FD, F_GETFD) < 0) {
		static const char usage[] =
			"sysct-monitor DIRECTORY: started by sysctd, see sysct-monitor(8)\n";
		return file_write_all(STDERR_FILENO, usage, sizeof(usage) - 1) < 0 ? 3 : 2;
	}
	log_open(LOG_LEVEL_INFO);
	prctl(PR_SET_NAME, "sysct-monitor", 0, 0, 0);
	return run(argv[1]);
}
