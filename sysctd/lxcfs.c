/* See lxcfs.h. */
#include "lxcfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "log.h"
#include "memory.h"
#include "process.h"
#include "runtime/cgroup.h"
#include "server.h"

#define PROGRAM "sysct-lxcfs"
#define SOCKET	"lxcfs.socket"

enum { ANSWER_TIMEOUT = 2, STOP_TIMEOUT = 5000, RETRY = 10 /* seconds */, DEPTH = 4 };

/* Besides every file of proc: whole directories, since the instance's CPUs are directories of them. */
static const char *const directories[] = {"sys/devices/system/cpu", "sys/devices/system/node"};

struct lxcfs {
	const struct server *server;
	char *program, *mountpoint;
	pthread_mutex_t lock; /* guards what follows */
	int pidfd;	      /* of its supervisor, or -1 */
	json_t *paths;	      /* below the mount point and the instance's root alike */
	char *problem;	      /* why there is none, or NULL */
	time_t tried_at;      /* CLOCK_MONOTONIC: when it last could not be started */
};

/* ---- one that runs ---- */

/* Through /proc/self/fd, since sun_path is shorter than many paths (unix(7)). */
static int connect_to(const struct lxcfs *lxcfs)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = ANSWER_TIMEOUT};
	cleanup_close int directory =
		open(lxcfs->server->paths.run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" SOCKET, directory);
	if (directory < 0 || fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return steal_fd(&fd);
}

/* Its supervisor, by what it says itself: who made the socket has ended (SO_PEERCRED). */
static int find(const struct lxcfs *lxcfs, pid_t *pid)
{
	char text[1024];
	cleanup_close int fd = connect_to(lxcfs);
	ssize_t length = fd < 0 ? -1 : file_read_all(fd, text, sizeof(text));
	if (length <= 0)
		return -1;
	json_t *answer = json_loadb(text, (size_t)length, 0, NULL);
	*pid = (pid_t)json_integer_value(json_object_get(answer, "pid"));
	json_decref(answer);
	return *pid > 0 ? process_pidfd_open(*pid) : -1;
}

/* After a package's upgrade the file is another one than that which runs. */
static void upgrade(const struct lxcfs *lxcfs, pid_t pid, int pidfd)
{
	struct stat installed, running;
	cleanup_free char *link = memory_printf("/proc/%d/exe", (int)pid);
	if (stat(lxcfs->program, &installed) < 0 || stat(link, &running) < 0 ||
	    (installed.st_dev == running.st_dev && installed.st_ino == running.st_ino))
		return;
	log_event(LOG_LEVEL_INFO, NULL, PROGRAM " goes on with the program that is installed now");
	process_pidfd_signal(pidfd, SIGHUP);
}

/* ---- what it serves ---- */

static void add_path(json_t *paths, const char *path)
{
	json_array_append_new(paths, json_string(path));
}

static void add_files(const struct lxcfs *lxcfs, const char *path, json_t *paths, int depth)
{
	cleanup_free char *whole = memory_printf("%s/%s", lxcfs->mountpoint, path);
	cleanup_dir DIR *directory = depth > 0 ? file_open_directory_at(AT_FDCWD, whole) : NULL;
	for (struct dirent *entry; directory && (entry = readdir(directory));) {
		cleanup_free char *below = memory_printf("%s/%s", path, entry->d_name);
		if (entry->d_name[0] == '.')
			continue;
		if (entry->d_type == DT_DIR)
			add_files(lxcfs, below, paths, depth - 1);
		else
			add_path(paths, below);
	}
}

static json_t *list(const struct lxcfs *lxcfs)
{
	json_t *paths = json_array();
	add_files(lxcfs, "proc", paths, DEPTH);
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		cleanup_free char *path = memory_printf("%s/%s", lxcfs->mountpoint, directories[i]);
		if (access(path, F_OK) == 0)
			add_path(paths, directories[i]);
	}
	return paths;
}

/* ---- a new one ---- */

/* Its messages go to a file: it keeps its standard error when it has become a daemon. */
static int spawn(const struct lxcfs *lxcfs, const char *socket_path, int log, pid_t *pid)
{
	char *arguments[] = {(char *)PROGRAM, (char *)"--socket", (char *)socket_path,
			     lxcfs->mountpoint, NULL};
	return process_spawn(lxcfs->program, arguments, -1, log, pid);
}

/* What it wrote last. */
static int explain(int log, off_t from, struct error **error)
{
	static const char prefix[] = PROGRAM ": ";
	char text[512];
	ssize_t length = pread(log, text, sizeof(text) - 1, from);
	text[length > 0 ? length : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	const char *reason =
		strncmp(text, prefix, strlen(prefix)) == 0 ? text + strlen(prefix) : text;
	return error_set(error, ERROR_UNSUPPORTED, "%s",
			 *reason ? reason : PROGRAM " ended at once");
}

/* It returns when its mount answers. */
static int run(const struct lxcfs *lxcfs, struct error **error)
{
	cleanup_free char *socket_path = memory_printf("%s/" SOCKET, lxcfs->server->paths.run);
	cleanup_free char *log_path = memory_printf("%s/lxcfs.log", lxcfs->server->paths.log);
	int status = 0;
	pid_t pid;
	if (access("/dev/fuse", F_OK) < 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "/dev/fuse is missing: load the kernel module fuse");
	cleanup_close int log = open(log_path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	off_t end = log < 0 ? -1 : lseek(log, 0, SEEK_END);
	if (end < 0)
		return error_errno(error, errno, "opening %s", log_path);
	int problem = spawn(lxcfs, socket_path, log, &pid);
	if (problem)
		return error_errno(error, problem, "running %s", lxcfs->program);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0 ? 0 : explain(log, end, error);
}

/*
 * Out of the daemon's service, which systemd may end without it. The supervisor goes first: who is born to it later
 * is outside too.
 */
static void leave_service(const struct server *server, pid_t pid)
{
	cleanup_free char *path = memory_printf("/proc/%d/task/%d/children", (int)pid, (int)pid);
	cleanup_free char *own = memory_printf("%d", (int)pid);
	cleanup_close int monitors = cgroup_open_monitors(server->paths.cgroup, NULL);
	if (monitors < 0 || file_poke_at(monitors, "cgroup.procs", own, NULL) < 0)
		return;
	cleanup_free char *children = file_try_read_at(AT_FDCWD, path);
	char *rest = children;
	for (char *child; (child = strsep(&rest, " \n"));)
		if (*child)
			file_poke_at(monitors, "cgroup.procs", child, NULL);
}

/* What a dead server leaves: a mount that answers ENOTCONN. */
static void clear_mountpoint(const struct lxcfs *lxcfs)
{
	while (umount2(lxcfs->mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
}

static int start(struct lxcfs *lxcfs, struct error **error)
{
	pid_t pid;
	clear_mountpoint(lxcfs);
	if (file_make_directories(lxcfs->mountpoint, 0755, error) < 0 || run(lxcfs, error) < 0)
		return -1;
	lxcfs->pidfd = find(lxcfs, &pid);
	if (lxcfs->pidfd < 0)
		return error_set(error, ERROR_INTERNAL, PROGRAM " ended at once");
	leave_service(lxcfs->server, pid);
	return 0;
}

/* ---- its life ---- */

/* A supervisor that died has a successor, its worker, which the same socket leads to. */
static bool is_alive(struct lxcfs *lxcfs)
{
	pid_t pid;
	if (lxcfs->pidfd >= 0 && !process_pidfd_wait(lxcfs->pidfd, 0))
		return true;
	int successor = find(lxcfs, &pid);
	if (successor < 0)
		return false;
	cleanup_close_fd(&lxcfs->pidfd);
	lxcfs->pidfd = successor;
	return true;
}

static time_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static void take(struct lxcfs *lxcfs)
{
	json_decref(lxcfs->paths);
	lxcfs->paths = list(lxcfs);
	free(lxcfs->problem);
	lxcfs->problem = NULL;
}

static void give_up(struct lxcfs *lxcfs, const char *problem)
{
	if (!lxcfs->problem || strcmp(lxcfs->problem, problem) != 0)
		log_event(LOG_LEVEL_WARNING, NULL,
			  "instances see the host's values in /proc and /sys: %s", problem);
	free(lxcfs->problem);
	lxcfs->problem = memory_strdup(problem);
	lxcfs->tried_at = now();
}

/* With the lock held. A start that failed is not tried again by each of many instances. */
static void ensure(struct lxcfs *lxcfs)
{
	cleanup_error struct error *error = NULL;
	bool alive = is_alive(lxcfs);
	if (alive && lxcfs->problem)
		take(lxcfs);
	if (alive || (lxcfs->problem && now() - lxcfs->tried_at < RETRY))
		return;
	if (lxcfs->pidfd >= 0)
		log_event(LOG_LEVEL_WARNING, NULL,
			  PROGRAM
			  " has died and is started again: instances that run get its files "
			  "when they are restarted");
	cleanup_close_fd(&lxcfs->pidfd);
	lxcfs->pidfd = -1;
	if (start(lxcfs, &error) < 0)
		give_up(lxcfs, error_message(error));
	else
		take(lxcfs);
}

/* Its program is installed beside ours. */
static char *program_path(void)
{
	char own[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	own[length > 0 ? length : 0] = '\0';
	char *slash = strrchr(own, '/');
	return memory_printf("%.*s/" PROGRAM, slash ? (int)(slash - own) : 0, own);
}

struct lxcfs *lxcfs_create(const struct server *server)
{
	struct lxcfs *lxcfs = memory_alloc(sizeof(*lxcfs));
	pid_t pid;
	lxcfs->server = server;
	lxcfs->program = program_path();
	lxcfs->mountpoint = memory_printf("%s/lxcfs", server->paths.run);
	pthread_mutex_init(&lxcfs->lock, NULL);
	lxcfs->pidfd = find(lxcfs, &pid);
	if (lxcfs->pidfd >= 0) {
		upgrade(lxcfs, pid, lxcfs->pidfd);
		take(lxcfs);
	} else {
		ensure(lxcfs);
	}
	return lxcfs;
}

json_t *lxcfs_spec(struct lxcfs *lxcfs)
{
	json_t *spec = NULL;
	pthread_mutex_lock(&lxcfs->lock);
	ensure(lxcfs);
	if (!lxcfs->problem)
		spec = json_pack("{s:s, s:O}", "source", lxcfs->mountpoint, "paths", lxcfs->paths);
	pthread_mutex_unlock(&lxcfs->lock);
	return spec;
}

char *lxcfs_problem(struct lxcfs *lxcfs)
{
	char *problem = NULL;
	pthread_mutex_lock(&lxcfs->lock);
	if (lxcfs->problem)
		problem = memory_strdup(lxcfs->problem);
	else if (!is_alive(lxcfs))
		problem = memory_strdup(PROGRAM
					" has died; the next start of an instance starts it again");
	pthread_mutex_unlock(&lxcfs->lock);
	return problem;
}

static void stop(struct lxcfs *lxcfs)
{
	process_pidfd_signal(lxcfs->pidfd, SIGTERM);
	if (!process_pidfd_wait(lxcfs->pidfd, STOP_TIMEOUT)) {
		process_pidfd_signal(lxcfs->pidfd, SIGKILL);
		process_pidfd_wait(lxcfs->pidfd, STOP_TIMEOUT);
	}
	clear_mountpoint(lxcfs);
}

void lxcfs_free(struct lxcfs *lxcfs, bool stop_too)
{
	if (stop_too && is_alive(lxcfs))
		stop(lxcfs);
	cleanup_close_fd(&lxcfs->pidfd);
	json_decref(lxcfs->paths);
	pthread_mutex_destroy(&lxcfs->lock);
	free(lxcfs->program);
	free(lxcfs->mountpoint);
	free(lxcfs->problem);
	free(lxcfs);
}
