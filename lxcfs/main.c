/* sysct-lxcfs: see doc/sysct-lxcfs.8. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "config.h"
#include "log.h"
#include "lxcfs/arguments.h"
#include "lxcfs/host.h"
#include "lxcfs/mount.h"
#include "lxcfs/service.h"
#include "lxcfs/shared.h"
#include "lxcfs/status_socket.h"
#include "lxcfs/supervisor.h"
#include "memory.h"
#include "process.h"

/* Seconds until the first answer; it takes some milliseconds. */
enum { START_TIMEOUT = 20 };

static const char usage[] =
	"Usage: sysct-lxcfs [--foreground] [--socket PATH] MOUNTPOINT\n"
	"\n"
	"Shows /proc and /sys files with the values of the container that reads them.\n"
	"\n"
	"  -f, --foreground   stay in the foreground\n"
	"  -s, --socket PATH  tell about itself on this unix socket\n"
	"  -h, --help         this text\n"
	"  -V, --version      the version\n"
	"\n"
	"SIGTERM unmounts and ends, SIGHUP goes on with the program that is installed now.\n";

struct options {
	bool foreground;
	const char *socket, *mountpoint;
};

static int fail(const struct error *error)
{
	fprintf(stderr, "sysct-lxcfs: %s\n", error_message(error));
	return 1;
}

static void keep_open(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, 0);
}

/* Descriptors of all instances, and nothing that the machine takes away when memory is short. */
static void prepare_limits(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	cleanup_close int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (score >= 0 && write(score, "-900", 4) < 0)
		return; /* a container may not */
}

static char *own_program(void)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	static const char deleted[] = " (deleted)";
	if (length < 0)
		return memory_strdup("/proc/self/exe");
	path[length] = '\0';
	size_t bytes = (size_t)length, mark = sizeof(deleted) - 1;
	if (bytes > mark && strcmp(path + bytes - mark, deleted) == 0)
		path[bytes - mark] = '\0';
	return memory_strdup(path);
}

static int prepare(const struct options *options, struct inheritance *inheritance,
		   struct error **error)
{
	struct host host;
	int found = host_open(&host, "/", error);
	unsigned cpus = host.cpus;
	host_close(&host);
	if (found < 0)
		return -1;
	if (options->socket &&
	    (inheritance->socket = status_socket_listen(options->socket, error)) < 0)
		return -1;
	if (service_take_kept(inheritance))
		return 0;
	inheritance->memory = shared_create(cpus, error);
	if (inheritance->memory < 0)
		return -1;
	inheritance->fuse = mount_make(inheritance->mountpoint, error);
	return inheritance->fuse < 0 ? -1 : 0;
}

/* The other process supervises; this one waits until the mount answers. */
static int wait_for_answer(const struct inheritance *inheritance, pid_t supervisor)
{
	cleanup_free char *file = memory_printf("%s/proc", inheritance->mountpoint);
	struct stat status;
	close(inheritance->fuse);
	alarm(START_TIMEOUT);
	if (stat(file, &status) == 0)
		return 0;
	fprintf(stderr, "sysct-lxcfs: %s does not answer: %s\n", inheritance->mountpoint,
		strerror(errno));
	kill(supervisor, SIGTERM);
	return 1;
}

/* Events are still told to a log, if that is where they went. */
static void leave_terminal(void)
{
	setsid();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (isatty(STDERR_FILENO))
		dup2(null, STDERR_FILENO);
}

/* As the kernel names it. Itself it is not looked at: it may be a mount that nobody serves at the moment. */
static char *real_mountpoint(const char *path)
{
	cleanup_free char *directory = memory_strdup(path);
	for (size_t end = strlen(directory); end > 1 && directory[end - 1] == '/'; end--)
		directory[end - 1] = '\0';
	char *slash = strrchr(directory, '/');
	const char *name = slash ? slash + 1 : directory;
	if (slash)
		*slash = '\0';
	cleanup_free char *parent = realpath(!slash ? "." : *directory ? directory : "/", NULL);
	if (!parent) /* it is made, then */
		return memory_strdup(path);
	return memory_printf("%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name);
}

/* In the background another process goes on; true in that one. */
static bool go_on(const struct options *options, const struct inheritance *inheritance, int *status)
{
	cleanup_error struct error *error = NULL;
	if (options->foreground)
		return true;
	pid_t supervisor = fork();
	if (supervisor < 0) {
		error_errno(&error, errno, "starting the supervisor");
		umount2(inheritance->mountpoint, MNT_DETACH);
		*status = fail(error);
	} else if (supervisor > 0) {
		*status = wait_for_answer(inheritance, supervisor);
	} else {
		leave_terminal();
	}
	return supervisor == 0;
}

static int start(const struct options *options)
{
	cleanup_error struct error *error = NULL;
	cleanup_free char *program = own_program();
	cleanup_free char *mountpoint = real_mountpoint(options->mountpoint);
	struct inheritance inheritance = {-1, -1, -1, mountpoint, program};
	int status;
	/* A pipe of whoever started us would never end. */
	if (!getenv("LISTEN_FDS"))
		close_range(STDERR_FILENO + 1, ~0U, 0);
	prepare_limits();
	if (prepare(options, &inheritance, &error) < 0)
		return fail(error);
	keep_open(inheritance.fuse);
	keep_open(inheritance.memory);
	keep_open(inheritance.socket);
	service_tell_ready(&inheritance);
	if (!go_on(options, &inheritance, &status))
		return status;
	if (chdir("/") < 0)
		return fail(error);
	supervisor_exec(&inheritance, "/proc/self/exe", &error);
	return fail(error);
}

static int work(const struct inheritance *inheritance, pid_t parent)
{
	cleanup_error struct error *error = NULL;
	cleanup_close int supervisor = process_pidfd_open(parent);
	if (getppid() != parent) { /* it died already, and who has its number now is not it */
		supervisor_exec(inheritance, "/proc/self/exe", &error);
		return fail(error);
	}
	int end = worker_run(inheritance, supervisor, &error);
	if (error)
		log_event(LOG_LEVEL_ERROR, NULL, "%s", error_message(error));
	return end;
}

static int parse(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"foreground", no_argument, NULL, 'f'},
		{"socket", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	for (int option; (option = getopt_long(argc, argv, "fs:hV", names, NULL)) >= 0;)
		switch (option) {
		case 'f':
			options->foreground = true;
			break;
		case 's':
			options->socket = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 1;
		case 'V':
			puts("sysct-lxcfs " PACKAGE_VERSION);
			return 1;
		default:
			return -1;
		}
	if (optind != argc - 1)
		return -1;
	options->mountpoint = argv[optind];
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = {0};
	struct inheritance inheritance;
	pid_t parent;
	log_open(LOG_LEVEL_INFO);
	prctl(PR_SET_NAME, "sysct-lxcfs", 0, 0, 0); /* not "exe", as which it executes itself */
	if (argc > 1 && strcmp(argv[1], "--work") == 0 &&
	    arguments_parse(argc, argv, &inheritance, &parent))
		return work(&inheritance, parent);
	if (argc > 1 && strcmp(argv[1], "--supervise") == 0 &&
	    arguments_parse(argc, argv, &inheritance, &parent))
		return supervisor_run(&inheritance);
	int parsed = parse(argc, argv, &options);
	if (parsed < 0)
		fputs(usage, stderr);
	return parsed == 0 ? start(&options) : parsed < 0 ? 2 : 0;
}
