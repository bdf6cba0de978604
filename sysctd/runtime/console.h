/*
 * The instance's console: a pty of the host's devpts whose slave is
 * /dev/console inside. The master is always read, whoever is attached: an
 * init that cannot write to its console stops. The last MiB stays as a log.
 */
#ifndef SYSCT_CONSOLE_H
#define SYSCT_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"
#include "strbuf.h"

#define CONSOLE_LOG_LIMIT (1 << 20)

struct console {
	int master;    /* non-blocking */
	int slave;     /* held open, so that the master never hangs up between two inits */
	char path[32]; /* of the slave on the host */
	char *log_path;
	int log;
	size_t log_size;
	int client;		 /* stream socket of who is attached, or -1 */
	struct strbuf to_client; /* what the client did not take yet */
	struct strbuf to_master; /* what the terminal did not take yet */
};

#define CONSOLE_INIT                                                                               \
	{                                                                                          \
		.master = -1, .slave = -1, .log = -1, .client = -1                                 \
	}

/**
 * console_open - make the pty, owned by the instance's root, and open the log.
 * @log_path: may be NULL: then nothing is kept. When the log reaches its limit
 * it becomes "LOG.old" and a new one starts, so the last MiB is always there.
 */
int console_open(struct console *console, const char *log_path, uid_t uid, gid_t gid,
		 struct error **error);
void console_close(struct console *console);

/* Makes the slave the instance's again: a getty of the last boot gave it away. */
int console_own(struct console *console, uid_t uid, gid_t gid, struct error **error);

/* Reads what the instance wrote, into the log and to the client. */
void console_drain(struct console *console);

/* Attaches a client's stream (owned from now on), replacing the one before. */
void console_attach(struct console *console, int client);
void console_detach(struct console *console);

/* Moves input from the client; false when the client is gone. */
bool console_feed(struct console *console);

/* Writes what waits in the two buffers; false when the client is gone. */
bool console_flush(struct console *console);

int console_resize(struct console *console, unsigned short columns, unsigned short rows);

#endif
