#include "lxcfs/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"
#include "lxcfs/arguments.h"
#include "lxcfs/status_socket.h"

/* A worker that fails as soon as it is started is started again more and more slowly, ms. */
enum { FIRST_PAUSE = 10, LONGEST_PAUSE = 1000, WORKS = 1000 };

struct supervisor {
	const struct inheritance *inheritance;
	pid_t worker;
	unsigned workers; /* so far */
	uint64_t started_at;
	int pause;
	bool ending;
};

static uint64_t milliseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void set_signals(int how)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(how, &set, NULL);
}

void supervisor_exec(const struct inheritance *inheritance, const char *program,
		     struct error **error)
{
	struct arguments arguments = {0};
	arguments_make(&arguments, "--supervise", inheritance, 0);
	execv(program, arguments.list);
	error_errno(error, errno, "executing %s", program);
}

/* The same binary, also when another one lies there now: that is for SIGHUP to take. */
static void start_worker(struct supervisor *supervisor)
{
	struct arguments arguments = {0};
	arguments_make(&arguments, "--work", supervisor->inheritance, getpid());
	supervisor->started_at = milliseconds();
	supervisor->worker = fork(); /* one thread: safe */
	if (supervisor->worker == 0) {
		set_signals(SIG_UNBLOCK);
		execv("/proc/self/exe", arguments.list);
		log_event(LOG_LEVEL_ERROR, NULL, "the worker was not executed: %s",
			  strerror(errno));
		_exit(WORKER_FAILED);
	}
	if (supervisor->worker < 0)
		log_event(LOG_LEVEL_ERROR, NULL, "no worker could be started: %s", strerror(errno));
	supervisor->workers++;
}

/* Who was killed gets a successor at once; who fails by itself may do so again. */
static void worker_ended(struct supervisor *supervisor, int status)
{
	supervisor->worker = 0;
	if (supervisor->ending || (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_UNMOUNTED)) {
		supervisor->ending = true;
		return;
	}
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	if (killed || milliseconds() - supervisor->started_at > WORKS)
		supervisor->pause = 0;
	else if (supervisor->pause == 0)
		supervisor->pause = FIRST_PAUSE;
	else if (supervisor->pause < LONGEST_PAUSE)
		supervisor->pause *= 2;
	if (WIFSIGNALED(status))
		log_event(LOG_LEVEL_WARNING, NULL, "the worker was ended by signal %d (%s)",
			  WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		log_event(LOG_LEVEL_WARNING, NULL, "the worker ended with status %d",
			  WEXITSTATUS(status));
}

static void reap(struct supervisor *supervisor)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == supervisor->worker)
			worker_ended(supervisor, status);
}

static void stop_worker(struct supervisor *supervisor)
{
	int status;
	if (supervisor->worker <= 0)
		return;
	kill(supervisor->worker, SIGKILL); /* it keeps nothing that must be written */
	while (waitpid(supervisor->worker, &status, 0) < 0 && errno == EINTR)
		;
	supervisor->worker = 0;
}

/* The worker first: the new program's would answer the same requests. */
static void upgrade(struct supervisor *supervisor)
{
	const struct inheritance *inheritance = supervisor->inheritance;
	cleanup_error struct error *error = NULL;
	stop_worker(supervisor);
	supervisor_exec(inheritance, inheritance->program, &error);
	log_event(LOG_LEVEL_ERROR, NULL, "no upgrade, the old version goes on: %s",
		  error_message(error));
}

static void take_signals(struct supervisor *supervisor, int signals)
{
	struct signalfd_siginfo info;
	while (read(signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo == SIGCHLD)
			reap(supervisor);
		else if (info.ssi_signo == SIGHUP)
			upgrade(supervisor);
		else
			supervisor->ending = true;
}

int supervisor_run(const struct inheritance *inheritance)
{
	struct supervisor supervisor = {.inheritance = inheritance};
	sigset_t set;
	set_signals(SIG_BLOCK);
	sigemptyset(&set);
	sigprocmask(SIG_BLOCK, NULL, &set);
	cleanup_close int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	struct pollfd waits[] = {{.fd = signals, .events = POLLIN},
				 {.fd = inheritance->socket, .events = POLLIN}};
	while (!supervisor.ending) {
		int timeout = -1;
		if (supervisor.worker <= 0) {
			if (supervisor.pause)
				poll(NULL, 0, supervisor.pause);
			start_worker(&supervisor);
			timeout = supervisor.worker < 0 ? LONGEST_PAUSE : -1;
		}
		if (poll(waits, 2, timeout) <= 0)
			continue;
		if (waits[0].revents)
			take_signals(&supervisor, signals);
		if (waits[1].revents)
			status_socket_answer(inheritance->socket, inheritance->mountpoint,
					     supervisor.workers);
	}
	/* Nobody waits for an answer that never comes: the connection ends with the last descriptor. */
	umount2(inheritance->mountpoint, MNT_DETACH);
	stop_worker(&supervisor);
	return 0;
}
