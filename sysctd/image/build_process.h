/*
 * The two processes of a build: the template below sysct-guard, which writes a
 * tarball into a FIFO, and sysct-unpack, which reads it there. Nothing is
 * written twice, and neither outlives the daemon.
 */
#ifndef SYSCT_IMAGE_BUILD_PROCESS_H
#define SYSCT_IMAGE_BUILD_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "error.h"
#include "image/build.h"
#include "strbuf.h"

struct child {
	pid_t pid;  /* 0 when there is none */
	int pidfd;  /* -1 when it has ended */
	int status; /* then; as of command_wait() */
};

/**
 * struct build_process - what a build has open.
 * @log: its messages as they come; the end of them is kept in @tail.
 * @life: while it is open the guard lets the template run.
 * @tarball: our write end of the FIFO: the end of file comes when the template
 * has ended, not when it closes the file.
 */
struct build_process {
	struct child template;
	struct child unpack;
	int life;
	int tarball;
	int progress;
	int log;
	int unpack_out;
	int unpack_err;
	int log_file;
	bool cancelled;
	bool unpack_failed_first;
	struct strbuf progress_line;
	struct strbuf tail;
	struct strbuf answer;
	struct strbuf complaint;
};

/**
 * build_process_start - start both.
 * @directory: for the template; @target: for the tree.
 */
int build_process_start(struct build_process *process, const struct build_request *request,
			const char *directory, const char *target, struct error **error);

/* Until both have ended, by themselves or because of a cancellation. */
void build_process_wait(struct build_process *process, const struct build_request *request);

/* Kills what still runs, waits for it and closes everything. */
void build_process_clear(struct build_process *process);

#endif
