/* See monitor_link.h; the messages are listed in monitor.h. */
#include "monitor_link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "fault.h"
#include "file.h"
#include "memory.h"
#include "monitor_files.h"
#include "proxies.h"

enum { SPAWN_TIMEOUT = 60000, ANSWER_TIMEOUT = 15000, PROXY_PATIENCE = 500 };

/* Through /proc/self/fd, since sun_path is shorter than many paths (unix(7)). */
static int socket_address(const char *directory, int *directory_fd, struct sockaddr_un *address)
{
	*directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", *directory_fd,
		 MONITOR_SOCKET);
	return *directory_fd < 0 ? -1 : 0;
}

static int listen_in(const char *directory, struct error **error)
{
	struct sockaddr_un address;
	cleanup_close int directory_fd = -1;
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || socket_address(directory, &directory_fd, &address) < 0)
		return error_errno(error, errno, "making the monitor's socket");
	unlinkat(directory_fd, MONITOR_SOCKET, 0);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 64) < 0)
		return error_errno(error, errno, "listening in %s", directory);
	return steal_fd(&fd);
}

int monitor_update_spec(const char *directory, const json_t *spec, struct error **error)
{
	cleanup_free char *path = memory_printf("%s/%s", directory, MONITOR_SPEC);
	cleanup_free char *text = json_dumps(spec, JSON_COMPACT);
	if (!text)
		return error_set(error, ERROR_INTERNAL, "the runtime's spec cannot be encoded");
	return file_replace_at(AT_FDCWD, path, text, strlen(text), 0600, false, error);
}

json_t *monitor_read_spec(const char *directory)
{
	cleanup_free char *path = memory_printf("%s/%s", directory, MONITOR_SPEC);
	return json_load_file(path, 0, NULL);
}

/* Descriptors 3 and 4 of the monitor are its listener and the socket of its
 * starter. Both come from far above, so that neither overwrites the other. */
static int add_descriptors(posix_spawn_file_actions_t *actions, int listener, int starter)
{
	int problem = posix_spawn_file_actions_adddup2(actions, listener, 3);
	return problem ? problem : posix_spawn_file_actions_adddup2(actions, starter, 4);
}

/* The one variable that a monitor inherits, in test builds: NULL ends the list. */
static char *fault_environment(void)
{
#ifdef ENABLE_FAULTS
	static char text[64];
	const char *wanted = getenv("SYSCT_FAULT");
	snprintf(text, sizeof(text), "SYSCT_FAULT=%s", wanted ? wanted : "");
	return text;
#else
	return NULL;
#endif
}

static int run_monitor(const char *program, const char *directory, int listener, int starter,
		       struct error **error)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char *arguments[] = {(char *)"sysct-monitor", (char *)directory, NULL};
	char *environment[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", fault_environment(),
			       NULL};
	cleanup_close int high_listener = fcntl(listener, F_DUPFD_CLOEXEC, 64);
	cleanup_close int high_starter = fcntl(starter, F_DUPFD_CLOEXEC, 64);
	sigset_t none;
	pid_t pid;
	if (high_listener < 0 || high_starter < 0)
		return error_errno(error, errno, "preparing the monitor");
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	int problem = add_descriptors(&actions, high_listener, high_starter);
	if (!problem)
		problem = posix_spawn(&pid, program, &actions, &attributes, arguments, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (problem)
		return error_errno(error, problem, "running %s", program);
	/* It becomes a daemon of its own: what we started ends at once. */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static int take_status(struct message *status, struct monitor_link *link, struct error **error)
{
	if (!status->body)
		return error_set(error, ERROR_INTERNAL,
				 "sysct-monitor was killed while it started the instance");
	if (message_check_error(status->body, error) < 0)
		return -1;
	link->pid = (pid_t)json_integer_value(json_object_get(status->body, "pid"));
	link->started_at = json_integer_value(json_object_get(status->body, "started_at"));
	link->pidfd = message_take_fd(status, 0);
	return 0;
}

int monitor_spawn(const char *program, const char *directory, const json_t *spec,
		  struct monitor_link *link, struct error **error)
{
	cleanup_message struct message status = {0};
	cleanup_close int ours = -1, theirs = -1;
	int sockets[2];
	*link = (struct monitor_link)MONITOR_LINK_INIT;
	if (file_make_directories(directory, 0700, error) < 0 ||
	    monitor_update_spec(directory, spec, error) < 0)
		return -1;
	cleanup_close int listener = listen_in(directory, error);
	if (listener < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return error_errno(error, errno, "making a socket pair");
	ours = sockets[0];
	theirs = sockets[1];
	if (run_monitor(program, directory, listener, theirs, error) < 0)
		return -1;
	cleanup_close_fd(&theirs);
	theirs = -1;
	if (message_receive(ours, &status, SPAWN_TIMEOUT, error) < 0 ||
	    take_status(&status, link, error) < 0)
		return -1;
	link->socket = steal_fd(&ours);
	return 0;
}

static int connect_to(const char *directory, struct error **error)
{
	struct sockaddr_un address;
	cleanup_close int directory_fd = -1;
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || socket_address(directory, &directory_fd, &address) < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(error, ERROR_NOT_FOUND, "no monitor in %s: %s", directory,
				 strerror(errno));
	return steal_fd(&fd);
}

int monitor_reconnect(const char *directory, struct monitor_link *link, struct error **error)
{
	cleanup_message struct message status = {0};
	*link = (struct monitor_link)MONITOR_LINK_INIT;
	cleanup_close int fd = connect_to(directory, error);
	if (fd < 0)
		return -1;
	json_t *request = json_pack("{s:s}", "op", "watch");
	int sent = message_send(fd, request, NULL, 0, error);
	json_decref(request);
	if (sent < 0 || message_receive(fd, &status, SPAWN_TIMEOUT, error) < 0 ||
	    take_status(&status, link, error) < 0)
		return -1;
	link->socket = steal_fd(&fd);
	return 0;
}

int monitor_request(const char *directory, const json_t *request, const int *fds, size_t fd_count,
		    struct message *answer, struct error **error)
{
	cleanup_close int fd = connect_to(directory, error);
	if (fd < 0 || message_send(fd, request, fds, fd_count, error) < 0)
		return -1;
	if (!answer)
		return 0;
	if (message_receive(fd, answer, ANSWER_TIMEOUT, error) < 0)
		return -1;
	if (!answer->body)
		return error_set(error, ERROR_NOT_FOUND, "the instance has just stopped");
	return message_check_error(answer->body, error);
}

/* The operation has the name of what it changes. */
static int change(const char *directory, const char *what, const json_t *wanted,
		  struct error **error)
{
	cleanup_message struct message answer = {0};
	json_t *request = json_pack("{s:s, s:O}", "op", what, what, wanted);
	int result = monitor_request(directory, request, NULL, 0, &answer, error);
	json_decref(request);
	return result;
}

int monitor_change_proxies(const char *directory, const json_t *proxies, struct error **error)
{
	return change(directory, "proxies", proxies, error);
}

int monitor_change_disks(const char *directory, const json_t *disks, struct error **error)
{
	return change(directory, "disks", disks, error);
}

json_t *monitor_last_state(const char *directory)
{
	cleanup_free char *path = memory_printf("%s/%s", directory, MONITOR_STATE);
	return json_load_file(path, 0, NULL);
}

int monitor_forget(const char *directory, const char *cgroup, struct error **error)
{
	if (cgroup_destroy(cgroup, error) < 0)
		return -1;
	json_t *spec = monitor_read_spec(directory);
	proxies_remove_sockets(json_object_get(json_object_get(spec, "sysct"), "proxies"),
			       PROXY_PATIENCE);
	json_decref(spec);
	return file_remove_tree_at(AT_FDCWD, directory, error);
}

void monitor_link_close(struct monitor_link *link)
{
	cleanup_close_fd(&link->socket);
	cleanup_close_fd(&link->pidfd);
	*link = (struct monitor_link)MONITOR_LINK_INIT;
}
