/* Processes, held by pidfd: a recycled pid is never taken for the old one. */
#ifndef SYSCT_PROCESS_H
#define SYSCT_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

int process_pidfd_open(pid_t pid);		 /* -1 with errno */
int process_pidfd_signal(int pidfd, int signal); /* -1 with errno */
bool process_pidfd_wait(int pidfd, int timeout); /* whether it ended within @timeout ms */

/* Start time of a process in clock ticks since boot (proc(5), stat field 22); 0 when it is gone. */
unsigned long long process_start_time(pid_t pid);

/* The calling thread gets the disk only when nobody else wants it (ioprio_set(2)); false: as everybody. */
void process_idle_disk(bool idle);

/**
 * process_takes_signal - whether it handles a signal or has it blocked (proc(5), SigCgt and SigBlk).
 * The first process of a pid namespace never gets one that it does not (pid_namespaces(7)).
 */
bool process_takes_signal(pid_t pid, int signal);

/**
 * process_spawn - run a program that is not ours to speak with: no input, no signal blocked, PATH alone in its environment.
 * @output, @errors: its standard output and error; -1: nowhere.
 * Returns 0 or an errno, as posix_spawn(3).
 */
int process_spawn(const char *program, char *const *arguments, int output, int errors, pid_t *pid);

#endif
