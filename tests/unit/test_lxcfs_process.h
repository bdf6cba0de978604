/* Processes for tests of the file server, which go with the test. */
#ifndef SYSCT_TEST_LXCFS_PROCESS_H
#define SYSCT_TEST_LXCFS_PROCESS_H

#include "tests/unit/test_lxcfs_common.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The first process of a new pid namespace (@outside: its number here, 0 for any), or a child of the calling process. */
static inline pid_t start(bool new_namespace, pid_t outside)
{
	pid_t numbers[] = {1, outside};
	struct clone_args arguments = {.flags = new_namespace ? CLONE_NEWPID : 0,
				       .exit_signal = SIGCHLD};
	if (outside) {
		arguments.set_tid = (uintptr_t)numbers;
		arguments.set_tid_size = 2;
	}
	pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	return pid;
}

static inline void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

#endif
