/*
 * sysct-guard LIFE_FD PROGRAM [ARGUMENT...]: runs a program with everything it
 * starts, and lets none of it outlive the wish for it.
 *
 * LIFE_FD is the read end of a pipe whose other end only the wisher has: when
 * it closes, because he gave up or was killed, the program's session gets
 * SIGTERM, and after a grace time everything SIGKILL. The guard is the
 * subreaper of the tree (prctl(2)), so a process that left its session or lost
 * its parent is found too. When the program itself has ended, what it left
 * running is killed at once. The status is the program's, or 128 + its signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GRACE_MILLISECONDS = 5000 };

static void die(const char *what)
{
	fprintf(stderr, "sysct-guard: %s: %s\n", what, strerror(errno));
	_exit(126);
}

static void run_program(char **argv, pid_t guard, const sigset_t *unblocked)
{
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != guard)
		_exit(126);
	sigprocmask(SIG_SETMASK, unblocked, NULL);
	execv(argv[0], argv);
	fprintf(stderr, "sysct-guard: starting %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* Sends SIGKILL to each child; their children become ours and are found next time. */
static void kill_children(void)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	FILE *file = fopen(path, "re");
	int pid;
	while (file && fscanf(file, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	if (file)
		fclose(file);
}

/* Kills until there is nothing left to wait for. */
static void end_everything(pid_t program)
{
	kill(-program, SIGKILL);
	for (;;) {
		kill_children();
		if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
			return;
	}
}

/* Reaps who has ended; true when the program is among them. */
static bool reap(pid_t program, int *status)
{
	int ended;
	bool found = false;
	for (pid_t pid; (pid = waitpid(-1, &ended, WNOHANG)) > 0;) {
		if (pid != program)
			continue;
		*status = WIFSIGNALED(ended) ? 128 + WTERMSIG(ended) : WEXITSTATUS(ended);
		found = true;
	}
	return found;
}

static int milliseconds_until(const struct timespec *end)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	long left = (end->tv_sec - now.tv_sec) * 1000 + (end->tv_nsec - now.tv_nsec) / 1000000;
	return left > 0 ? (int)left : 0;
}

/* Waits for the program; its status. */
static int watch(pid_t program, int life, int signals)
{
	struct timespec end = {0};
	bool ending = false;
	int status = 128 + SIGKILL;
	for (;;) {
		struct pollfd fds[] = {{signals, POLLIN, 0}, {ending ? -1 : life, POLLIN, 0}};
		int ready = poll(fds, 2, ending ? milliseconds_until(&end) : -1);
		if (ready == 0)
			return status;
		bool asked = fds[1].revents != 0;
		struct signalfd_siginfo info;
		if (fds[0].revents && read(signals, &info, sizeof(info)) == sizeof(info)) {
			if (info.ssi_signo == SIGCHLD && reap(program, &status))
				return status;
			asked = asked || info.ssi_signo != SIGCHLD;
		}
		if (!asked || ending)
			continue;
		ending = true;
		clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_sec += GRACE_MILLISECONDS / 1000;
		kill(-program, SIGTERM);
	}
}

int main(int argc, char **argv)
{
	sigset_t watched, before;
	char *end = NULL;
	long life = argc > 2 ? strtol(argv[1], &end, 10) : -1;
	if (life < 0 || *end || fcntl((int)life, F_SETFD, FD_CLOEXEC) < 0) {
		fprintf(stderr, "usage: sysct-guard LIFE_FD PROGRAM [ARGUMENT...]\n");
		return 126;
	}
	sigemptyset(&watched);
	sigaddset(&watched, SIGCHLD);
	sigaddset(&watched, SIGTERM);
	sigaddset(&watched, SIGINT);
	sigaddset(&watched, SIGHUP);
	sigprocmask(SIG_BLOCK, &watched, &before);
	int signals = signalfd(-1, &watched, SFD_CLOEXEC);
	if (signals < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		die("preparing");
	pid_t guard = getpid();
	pid_t program = fork();
	if (program < 0)
		die("fork");
	if (program == 0)
		run_program(argv + 2, guard, &before);
	int status = watch(program, (int)life, signals);
	end_everything(program);
	return status;
}
