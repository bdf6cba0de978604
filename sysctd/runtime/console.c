/* See console.h. */
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"

enum { CLIENT_BACKLOG = 64 << 10, MASTER_BACKLOG = 4 << 10, TTY_GROUP = 5 };

int console_own(struct console *console, uid_t uid, gid_t gid, struct error **error)
{
	/* By path: systemd hangs the terminal up, and our own descriptor with it (vhangup(2)). */
	if (chown(console->path, uid, gid + TTY_GROUP) < 0 || chmod(console->path, 0620) < 0)
		return error_errno(error, errno, "giving the console to the instance");
	return 0;
}

static int open_pty(struct console *console, uid_t uid, gid_t gid, struct error **error)
{
	int unlock = 0;
	unsigned int number;
	console->master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (console->master < 0)
		return error_errno(error, errno, "opening /dev/ptmx for the console");
	if (ioctl(console->master, TIOCSPTLCK, &unlock) < 0 ||
	    ioctl(console->master, TIOCGPTN, &number) < 0)
		return error_errno(error, errno, "preparing the console");
	snprintf(console->path, sizeof(console->path), "/dev/pts/%u", number);
	console->slave = ioctl(console->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (console->slave < 0)
		return error_errno(error, errno, "opening the console");
	return console_own(console, uid, gid, error);
}

static int open_log(struct console *console, struct error **error)
{
	struct stat status;
	if (!console->log_path)
		return 0;
	console->log = open(console->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (console->log < 0 || fstat(console->log, &status) < 0)
		return error_errno(error, errno, "opening the console log %s", console->log_path);
	console->log_size = (size_t)status.st_size;
	return 0;
}

int console_open(struct console *console, const char *log_path, uid_t uid, gid_t gid,
		 struct error **error)
{
	*console = (struct console)CONSOLE_INIT;
	console->log_path = log_path ? memory_strdup(log_path) : NULL;
	if (open_pty(console, uid, gid, error) == 0 && open_log(console, error) == 0)
		return 0;
	console_close(console);
	return -1;
}

void console_close(struct console *console)
{
	console_detach(console);
	cleanup_close_fd(&console->master);
	cleanup_close_fd(&console->slave);
	cleanup_close_fd(&console->log);
	strbuf_free(&console->to_master);
	free(console->log_path);
	*console = (struct console)CONSOLE_INIT;
}

static void rotate_log(struct console *console)
{
	cleanup_free char *old = memory_printf("%s.old", console->log_path);
	if (rename(console->log_path, old) < 0)
		return;
	close(console->log);
	console->log = -1;
	open_log(console, NULL);
}

static void write_log(struct console *console, const char *bytes, size_t length)
{
	if (console->log < 0)
		return;
	if (console->log_size >= CONSOLE_LOG_LIMIT)
		rotate_log(console);
	/* A full disk loses log lines; it must not stop the instance. */
	if (console->log >= 0 && file_write_all(console->log, bytes, length) == 0)
		console->log_size += length;
}

void console_drain(struct console *console)
{
	char chunk[4096];
	/* Bounded, so that a flood does not starve the other descriptors. */
	for (int i = 0; i < 16; i++) {
		ssize_t count = read(console->master, chunk, sizeof(chunk));
		if (count <= 0)
			break;
		write_log(console, chunk, (size_t)count);
		if (console->client < 0)
			continue;
		strbuf_append_bytes(&console->to_client, chunk, (size_t)count);
		if (console->to_client.length > CLIENT_BACKLOG)
			strbuf_consume(&console->to_client,
				       console->to_client.length - CLIENT_BACKLOG);
	}
	console_flush(console);
}

void console_attach(struct console *console, int client)
{
	console_detach(console);
	fcntl(client, F_SETFL, fcntl(client, F_GETFL) | O_NONBLOCK);
	console->client = client;
}

void console_detach(struct console *console)
{
	cleanup_close_fd(&console->client);
	console->client = -1;
	strbuf_free(&console->to_client);
}

static bool write_some(int fd, struct strbuf *from)
{
	while (from->length > 0) {
		ssize_t count = write(fd, from->text, from->length);
		if (count < 0)
			return errno == EAGAIN || errno == EINTR;
		strbuf_consume(from, (size_t)count);
	}
	return true;
}

bool console_flush(struct console *console)
{
	write_some(console->master, &console->to_master);
	return console->client < 0 || write_some(console->client, &console->to_client);
}

bool console_feed(struct console *console)
{
	char chunk[1024];
	while (console->to_master.length < MASTER_BACKLOG) {
		ssize_t count = read(console->client, chunk, sizeof(chunk));
		if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		if (count < 0)
			break;
		strbuf_append_bytes(&console->to_master, chunk, (size_t)count);
		write_some(console->master, &console->to_master);
	}
	return true;
}

int console_resize(struct console *console, unsigned short columns, unsigned short rows)
{
	struct winsize size = {.ws_row = rows, .ws_col = columns};
	return ioctl(console->master, TIOCSWINSZ, &size);
}
