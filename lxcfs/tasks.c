#include "lxcfs/tasks.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

enum {
	MOST_LOOKED_AT = 2000,
	MOST_DIRECTORIES = 2000,
	CHUNK = 4096,
	HALF_A_PAGE = 2048,
	/* Of proc_pid_stat(5), counted from the state, which comes after the name. */
	STAT_START_TIME = 19,
};

struct walk {
	struct host *host;
	const char *file; /* in each group: its tasks */
	unsigned parts, directories, looked_at;
	uint64_t newest_tid;
	struct tasks *tasks;
};

static ssize_t read_proc(struct walk *walk, uint64_t tid, const char *name, char *text, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "%lu/%s", (unsigned long)tid, name);
	cleanup_close int fd = openat(walk->host->proc, path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, size - 1);
	text[length > 0 ? length : 0] = '\0';
	return length;
}

/* "RUN-NS WAIT-NS TIMES-IT-RAN": each of those times is a switch of context. */
static uint64_t read_switches(struct walk *walk, uint64_t tid)
{
	char text[128];
	const char *at = text;
	if (read_proc(walk, tid, "schedstat", text, sizeof(text)) <= 0)
		return 0;
	for (int field = 0; field < 2 && at; field++)
		at = strchr(at, ' '), at = at ? at + 1 : NULL;
	return at ? source_number(at, NULL) : 0;
}

static void look_at(struct walk *walk, uint64_t tid)
{
	struct tasks *tasks = walk->tasks;
	char text[1024];
	if (read_proc(walk, tid, "stat", text, sizeof(text)) <= 0)
		return;
	const char *at = strrchr(text, ')'); /* a name may hold anything */
	if (!at || at[1] != ' ')
		return;
	at += 2;
	walk->looked_at++;
	tasks->running += *at == 'R';
	tasks->blocked += *at == 'D';
	for (int field = 0; field < STAT_START_TIME && at; field++)
		at = strchr(at, ' '), at = at ? at + 1 : NULL;
	uint64_t start = at ? source_number(at, NULL) : 0;
	if (start > tasks->newest_start ||
	    (start == tasks->newest_start && tid > walk->newest_tid)) {
		tasks->newest_start = start;
		walk->newest_tid = tid;
	}
	tasks->switches += read_switches(walk, tid);
}

/* One of as many as there are parts, in no order: every third thread of a program may be one that works. */
static bool chosen(struct walk *walk)
{
	uint32_t mixed = walk->tasks->count++ * UINT32_C(2654435761);
	return (mixed >> 16) % walk->parts == 0;
}

/* @tail: digits of a number that the chunk before ended with; gets those that this one ends with. */
static void take_chunk(struct walk *walk, const char *at, uint64_t *tail)
{
	for (; *at; at++) {
		if (*at >= '0' && *at <= '9') {
			*tail = *tail * 10 + (uint64_t)(*at - '0');
			continue;
		}
		/* 0: of a pid namespace that we do not see */
		if (*tail && chosen(walk) && walk->looked_at < MOST_LOOKED_AT)
			look_at(walk, *tail);
		*tail = 0;
	}
}

static void take_group(struct walk *walk, int directory)
{
	char text[CHUNK];
	uint64_t tail = 0;
	ssize_t length;
	cleanup_close int fd = openat(directory, walk->file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	/* Lines are short: less than half a page is the end. */
	do {
		length = read(fd, text, sizeof(text) - 1);
		if (length > 0) {
			text[length] = '\0';
			take_chunk(walk, text, &tail);
		}
	} while (length >= HALF_A_PAGE);
}

/* getdents64(2), not readdir(3), which allocates. */
static void take_tree(struct walk *walk, int directory, int depth)
{
	_Alignas(struct dirent64) char entries[CHUNK];
	ssize_t length;
	take_group(walk, directory);
	if (depth == INSTANCE_MAX_LEVELS || lseek(directory, 0, SEEK_SET) < 0)
		return;
	while ((length = getdents64(directory, entries, sizeof(entries))) > 0)
		for (ssize_t at = 0; at < length;) {
			const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
			at += entry->d_reclen;
			if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
			    walk->directories == MOST_DIRECTORIES)
				continue;
			walk->directories++;
			cleanup_close int below =
				openat(directory, entry->d_name,
				       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (below >= 0)
				take_tree(walk, below, depth + 1);
		}
}

/* Column @column of "NSpid: 4711 12 1", one for each namespace from ours on; the last one for @column 0. */
static unsigned read_nspid(struct walk *walk, uint64_t tid, unsigned *column)
{
	char text[4096];
	uint64_t number = 0;
	if (read_proc(walk, tid, "status", text, sizeof(text)) <= 0)
		return 0;
	const char *at = strstr(text, "\nNSpid:");
	unsigned found = 0;
	if (!at)
		return 0;
	for (at += strlen("\nNSpid:"); *at == '\t' && (*column == 0 || found < *column); found++)
		number = source_number(at + 1, &at);
	if (*column == 0)
		*column = found;
	return found == *column ? (unsigned)number : 0;
}

static void walk_from(struct walk *walk, const struct group *group, const char *file)
{
	if (group->levels == 0)
		return;
	/* Of its own: the offset of a directory is of the open file. */
	cleanup_close int directory =
		openat(group->directories[0], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	walk->file = file;
	if (directory >= 0)
		take_tree(walk, directory, 0);
}

void tasks_read(struct instance *instance, unsigned expected, struct tasks *tasks)
{
	struct walk walk = {.host = instance->host, .tasks = tasks};
	uint64_t known;
	char text[64];
	*tasks = (struct tasks){0};
	bool counted = instance_read_level(instance, GROUP_PIDS, 0, text, sizeof(text)) > 0;
	known = counted ? source_number(text, NULL) : expected;
	walk.parts = (unsigned)(known / MOST_LOOKED_AT + 1);
	walk_from(&walk, &instance->groups[CONTROLLER_UNIFIED], "cgroup.threads");
	for (int i = 0; i < CONTROLLER_UNIFIED && tasks->count == 0; i++)
		walk_from(&walk, &instance->groups[i], "tasks");
	if (walk.looked_at && walk.looked_at < tasks->count) {
		tasks->running = tasks->running * tasks->count / walk.looked_at;
		tasks->blocked = tasks->blocked * tasks->count / walk.looked_at;
		tasks->switches = tasks->switches * tasks->count / walk.looked_at;
	}
	unsigned column = 0;
	if (walk.newest_tid && read_nspid(&walk, (uint64_t)instance->init, &column) > 0)
		tasks->newest = read_nspid(&walk, walk.newest_tid, &column);
}
