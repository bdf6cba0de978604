#include "lxcfs/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

int source_open(struct source *source, int dirfd, const char *path)
{
	int fd = atomic_load_explicit(&source->fd, memory_order_acquire);
	if (fd >= 0)
		return fd;
	if (fd == SOURCE_ABSENT) {
		errno = ENOENT;
		return -1;
	}
	int opened = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	if (opened < 0 && errno != ENOENT)
		return -1; /* too many files at the moment, say: not for ever */
	int before = SOURCE_UNOPENED;
	if (atomic_compare_exchange_strong(&source->fd, &before,
					   opened < 0 ? SOURCE_ABSENT : opened))
		return opened;
	if (opened >= 0)
		close(opened); /* another thread was faster */
	return before >= 0 ? before : -1;
}

enum { HALF_A_PAGE = 2048 };

ssize_t source_read(struct source *source, int dirfd, const char *path, char *buffer, size_t size)
{
	int fd = source_open(source, dirfd, path);
	if (fd < 0)
		return -1;
	size_t length = 0;
	/* A seq_file gives as many records as fit into a page. When all of a file are about equally
	 * long, less than half a page is its end, which need not be asked for. */
	while (length < size - 1) {
		ssize_t some = pread(fd, buffer + length, size - 1 - length, (off_t)length);
		if (some < 0 && length == 0)
			return -1;
		if (some <= 0)
			break;
		length += (size_t)some;
		if (some < HALF_A_PAGE)
			break;
	}
	buffer[length] = '\0';
	return (ssize_t)length;
}

void source_close(struct source *source)
{
	int fd = atomic_exchange(&source->fd, SOURCE_UNOPENED);
	if (fd >= 0)
		close(fd);
}

uint64_t source_number(const char *text, const char **end)
{
	uint64_t number = 0;
	if (strncmp(text, "max", 3) == 0) {
		text += 3;
		number = UINT64_MAX;
	}
	for (; *text >= '0' && *text <= '9'; text++) {
		unsigned digit = (unsigned)(*text - '0');
		number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
	}
	if (end)
		*end = text;
	return number;
}

bool source_field(const char *text, const char *name, uint64_t *value)
{
	size_t length = strlen(name);
	while (text && *text) {
		if (strncmp(text, name, length) == 0 &&
		    (text[length] == ' ' || text[length] == ':')) {
			text += length + 1;
			*value = source_number(text + strspn(text, " \t"), NULL);
			return true;
		}
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return false;
}
