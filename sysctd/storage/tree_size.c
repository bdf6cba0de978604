/* See tree_size.h. */
#include "storage/tree_size.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"

/* A descriptor is open for each; what is deeper is not counted. */
enum { DEEPEST = 512, BLOCK = 512 };

struct sizing {
	int64_t bytes;
	void *linked; /* tsearch(3) of struct file, with more than one name */
};

struct file {
	ino_t inode;
	dev_t device;
};

static int compare(const void *left, const void *right)
{
	const struct file *a = left, *b = right;
	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	return a->device < b->device ? -1 : a->device > b->device;
}

static void add(struct sizing *sizing, const struct stat *status)
{
	if (!S_ISDIR(status->st_mode) && status->st_nlink > 1) {
		const struct file key = {status->st_ino, status->st_dev};
		if (tfind(&key, &sizing->linked, compare))
			return;
		struct file *file = memory_alloc(sizeof(*file));
		*file = key;
		tsearch(file, &sizing->linked, compare);
	}
	sizing->bytes += (int64_t)status->st_blocks * BLOCK;
}

/* Takes the descriptor. What vanishes meanwhile takes nothing. */
static void walk(struct sizing *sizing, int fd, int depth)
{
	cleanup_dir DIR *dir = fdopendir(fd);
	struct dirent *entry;
	struct stat status;
	if (!dir) {
		close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		add(sizing, &status);
		if (!S_ISDIR(status.st_mode) || depth == DEEPEST)
			continue;
		int below = openat(fd, entry->d_name,
				   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME);
		if (below >= 0)
			walk(sizing, below, depth + 1);
	}
}

int64_t tree_size(const char *path)
{
	struct sizing sizing = {0};
	struct stat status;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &status) == 0)
		add(&sizing, &status);
	walk(&sizing, fd, 0);
	tdestroy(sizing.linked, free);
	return sizing.bytes;
}
