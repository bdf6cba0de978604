/* See terminal.h. */
#include "terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

struct terminal_size terminal_size(int fd)
{
	struct winsize size;
	if (ioctl(fd, TIOCGWINSZ, &size) < 0)
		return (struct terminal_size){0};
	return (struct terminal_size){size.ws_col, size.ws_row};
}

void terminal_copy_size(int fd, int master)
{
	struct winsize size;
	if (ioctl(fd, TIOCGWINSZ, &size) == 0)
		ioctl(master, TIOCSWINSZ, &size);
}

void terminal_make_raw(struct terminal_mode *mode, int fd)
{
	struct termios raw;
	if (tcgetattr(fd, &raw) < 0)
		return;
	if (!mode->raw) {
		mode->saved = raw;
		mode->fd = fd;
		mode->raw = true;
	}
	cfmakeraw(&raw);
	tcsetattr(fd, TCSANOW, &raw);
}

void terminal_restore(struct terminal_mode *mode)
{
	if (mode->raw)
		tcsetattr(mode->fd, TCSADRAIN, &mode->saved);
	mode->raw = false;
}
