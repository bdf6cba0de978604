/*
 * Commands in the instance. The client's control descriptor gets
 * {"started": true, "pid": n} (+ the pty's master), then {"exited": true,
 * "status": n} or {"error": ...}; it may send {"signal": n}. When the client
 * goes away first, the command is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"
#include "monitor.h"
#include "process.h"

struct monitor_session {
	struct event_source process, control, sync;
	struct monitor *monitor;
	struct message_reader reader;
	pid_t pid;
	json_t *failure; /* what the child said it could not do */
	struct monitor_session *next;
};

static void tell(int control, json_t *body, int fd)
{
	message_send(control, body, &fd, fd >= 0 ? 1 : 0, NULL);
	json_decref(body);
}

static void drop(struct monitor_session *session, struct event_source *source)
{
	event_loop_remove(&session->monitor->loop, source);
	cleanup_close_fd(&source->fd);
	source->fd = -1;
}

static void session_free(struct monitor_session *session)
{
	struct monitor_session **at = &session->monitor->sessions;
	while (*at != session)
		at = &(*at)->next;
	*at = session->next;
	drop(session, &session->process);
	drop(session, &session->control);
	drop(session, &session->sync);
	message_reader_free(&session->reader);
	json_decref(session->failure);
	free(session);
}

/* The instance may have put something else at /dev/ptmx: pass on only a master. */
static bool is_pty_master(int fd)
{
	struct stat status;
	return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) &&
	       status.st_rdev == makedev(5, 2);
}

static void read_sync(struct monitor_session *session)
{
	cleanup_message struct message message = {0};
	if (session->sync.fd < 0)
		return;
	if (message_receive(session->sync.fd, &message, 0, NULL) == 0 && message.body &&
	    json_object_get(message.body, "error")) {
		json_decref(session->failure);
		session->failure = json_incref(message.body);
	} else if (json_object_get(message.body, "listener")) {
		monitor_sysinfo_listen(session->monitor, message_take_fd(&message, 0));
		return;
	} else if (message.body && message.fd_count == 1 && is_pty_master(message.fds[0])) {
		tell(session->control.fd,
		     json_pack("{s:b, s:i}", "started", 1, "pid", (int)session->pid),
		     message.fds[0]);
		return;
	}
	drop(session, &session->sync);
}

static void sync_ready(struct event_source *source, uint32_t events)
{
	(void)events;
	read_sync(source->data);
}

static json_t *result_of(struct monitor_session *session, const siginfo_t *info)
{
	int status = info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status;
	json_t *result = json_pack("{s:b, s:i}", "exited", 1, "status", status);
	if (session->failure) {
		const json_t *problem = json_object_get(session->failure, "error");
		json_object_set(result, "message", json_object_get(problem, "message"));
	}
	return result;
}

static void process_ended(struct event_source *source, uint32_t events)
{
	struct monitor_session *session = source->data;
	siginfo_t info = {0};
	(void)events;
	if (waitid(P_PIDFD, (id_t)source->fd, &info, WEXITED) < 0)
		return;
	while (session->sync.fd >= 0)
		read_sync(session);
	tell(session->control.fd, result_of(session, &info), -1);
	session_free(session);
}

/* Its whole session of processes: it called setsid, and is not yet waited for. */
static void kill_session(struct monitor_session *session, int signal)
{
	if (kill(-session->pid, signal) < 0)
		process_pidfd_signal(session->process.fd, signal);
}

static void control_ready(struct event_source *source, uint32_t events)
{
	struct monitor_session *session = source->data;
	cleanup_message struct message message = {0};
	(void)events;
	int result = message_reader_next(&session->reader, source->fd, &message, NULL);
	if (result < 0) {
		kill_session(session, SIGKILL);
		drop(session, &session->control);
		return;
	}
	int signal = (int)json_integer_value(json_object_get(message.body, "signal"));
	if (result > 0 && signal > 0)
		process_pidfd_signal(session->process.fd, signal);
}

static struct monitor_session *session_new(struct monitor *monitor, pid_t pid, int pidfd, int sync,
					   int control)
{
	struct monitor_session *session = memory_alloc(sizeof(*session));
	*session = (struct monitor_session){
		.process = {pidfd, process_ended, session},
		.control = {control, control_ready, session},
		.sync = {sync, sync_ready, session},
		.monitor = monitor,
		.pid = pid,
		.next = monitor->sessions,
	};
	fcntl(control, F_SETFL, fcntl(control, F_GETFL) | O_NONBLOCK);
	monitor->sessions = session;
	event_loop_add(&monitor->loop, &session->process, EPOLLIN);
	event_loop_add(&monitor->loop, &session->control, EPOLLIN);
	event_loop_add(&monitor->loop, &session->sync, EPOLLIN);
	return session;
}

static int start(struct monitor *monitor, struct message *request, int control,
		 struct error **error)
{
	struct attach_target target = {&monitor->spec, &monitor->cgroup, &monitor->container,
				       &monitor->filter};
	bool interactive = json_is_true(json_object_get(request->body, "interactive"));
	int pidfd = -1, sync = -1;
	if (request->fd_count != (interactive ? 1 : 4))
		return error_set(error, ERROR_INVALID, "exec needs %d descriptors, %zu came",
				 interactive ? 1 : 4, request->fd_count);
	if (monitor->container.pidfd < 0)
		return error_set(error, ERROR_BUSY, "the instance is rebooting: try again");
	pid_t pid = attach_start(&target, request->body, interactive ? NULL : request->fds, &pidfd,
				 &sync, error);
	if (pid < 0)
		return -1;
	session_new(monitor, pid, pidfd, sync, control);
	if (!interactive)
		tell(control, json_pack("{s:b, s:i}", "started", 1, "pid", (int)pid), -1);
	return 0;
}

void monitor_session_start(struct monitor *monitor, struct message *request)
{
	cleanup_error struct error *error = NULL;
	int control = request->fd_count ? message_take_fd(request, request->fd_count - 1) : -1;
	if (control < 0 || start(monitor, request, control, &error) == 0)
		return;
	tell(control, message_from_error(error), -1);
	close(control);
}

void monitor_sessions_end(struct monitor *monitor)
{
	while (monitor->sessions) {
		struct monitor_session *session = monitor->sessions;
		siginfo_t info = {0};
		kill_session(session, SIGKILL);
		waitid(P_PIDFD, (id_t)session->process.fd, &info, WEXITED);
		tell(session->control.fd, result_of(session, &info), -1);
		session_free(session);
	}
}
