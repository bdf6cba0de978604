/*
 * A session with a process or a console in an instance, over the control
 * socket of fast_path.h: until it ends, signals are passed on and, where there
 * is a terminal or a console between, bytes are copied.
 */
#ifndef SYSCT_SESSION_H
#define SYSCT_SESSION_H

#include <signal.h>
#include <stdbool.h>

#include "lib/message.h"
#include "relay.h"
#include "terminal.h"

enum { SESSION_RELAYS = 3 };

struct session {
	int control;
	int stream;   /* pty master or console; -1: none (yet) */
	bool copies;  /* bytes go between our terminal and the stream */
	bool console; /* Ctrl-a q detaches; sizes are sent as messages */
	int size_fd;  /* the terminal whose size the other side has */
	int signal_fd;
	sigset_t old_mask;
	bool masked;
	struct message_reader reader;
	struct terminal_mode mode;
	struct strbuf input; /* read from the terminal, not yet written */
	bool input_ended;
	bool escape;			     /* Ctrl-a was the last key */
	struct relay relays[SESSION_RELAYS]; /* terminals that the process uses through pipes */
	bool ended, detached;
	int status; /* exit status when it ended */
};

#define SESSION_INIT                                                                               \
	{                                                                                          \
		.control = -1, .stream = -1, .signal_fd = -1, .relays = {                          \
			RELAY_INIT,                                                                \
			RELAY_INIT,                                                                \
			RELAY_INIT                                                                 \
		}                                                                                  \
	}

#define cleanup_session __attribute__((cleanup(session_close)))

/* Takes the signals of this session from now on, before anything is started. */
int session_open(struct session *session, bool copies, bool console, struct error **error);

/**
 * session_run - until the end.
 * @control: taken. @stream: taken, or -1 when it comes with the start message.
 */
int session_run(struct session *session, int control, int stream, struct error **error);

/* Restores the terminal and the signals. */
void session_close(struct session *session);

#endif
