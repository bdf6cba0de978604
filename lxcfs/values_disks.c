#include "lxcfs/values_disks.h"

#include <string.h>

enum { TEXT_BYTES = 32768 };

static struct disk *find_disk(struct disks *disks, unsigned major, unsigned minor)
{
	for (unsigned i = 0; i < disks->count; i++)
		if (disks->disks[i].major == major && disks->disks[i].minor == minor)
			return &disks->disks[i];
	if (disks->count == DISKS_MOST)
		return NULL;
	struct disk *disk = &disks->disks[disks->count++];
	*disk = (struct disk){.major = major, .minor = minor};
	return disk;
}

/* "8:16 " at the start of a line; *line is then what comes after. NULL: another line, or no room. */
static struct disk *take_numbers(struct disks *disks, const char **line)
{
	const char *at;
	uint64_t major = source_number(*line, &at);
	if (at == *line || *at != ':')
		return NULL;
	uint64_t minor = source_number(at + 1, &at);
	if (*at != ' ')
		return NULL;
	*line = at + 1;
	return find_disk(disks, (unsigned)major, (unsigned)minor);
}

static const char *next_line(const char *at)
{
	at = strchr(at, '\n');
	return at ? at + 1 : "";
}

/* io.stat: "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0", perhaps more. */
static void read_v2(struct instance *instance, struct disks *disks)
{
	static const char *const letters = "rwd";
	char text[TEXT_BYTES];
	if (instance_read_level(instance, GROUP_IO, 0, text, sizeof(text)) <= 0)
		return;
	for (const char *at = text; *at; at = next_line(at)) {
		struct disk *disk = take_numbers(disks, &at);
		while (disk && *at != '\0' && *at != '\n') {
			const char *action = strchr(letters, *at);
			const char *value = at + strcspn(at, "= \n");
			uint64_t number = *value == '=' ? source_number(value + 1, NULL) : 0;
			size_t i = action ? (size_t)(action - letters) : 0;
			if (action && strncmp(at + 1, "bytes=", 6) == 0)
				disk->actions[i].bytes = number;
			else if (action && strncmp(at + 1, "ios=", 4) == 0)
				disk->actions[i].requests = number;
			at += strcspn(at, " \n");
			at += *at == ' ';
		}
	}
}

/* "8:16 Read 1459200"; those of "Sync", "Async" and "Total" are sums. @member: offset of the number in an action. */
static void read_v1(struct instance *instance, enum group_file file, size_t member,
		    struct disks *disks)
{
	static const char *const names[DISK_ACTIONS] = {"Read ", "Write ", "Discard "};
	char text[TEXT_BYTES];
	if (instance_read_level(instance, file, 0, text, sizeof(text)) <= 0)
		return;
	for (const char *at = text; *at; at = next_line(at)) {
		struct disk *disk = take_numbers(disks, &at);
		for (int i = 0; disk && i < DISK_ACTIONS; i++)
			if (strncmp(at, names[i], strlen(names[i])) == 0) {
				uint64_t number = source_number(at + strlen(names[i]), NULL);
				memcpy((char *)&disk->actions[i] + member, &number, sizeof(number));
			}
	}
}

static bool is_idle(const struct disk *disk)
{
	uint64_t any = 0;
	for (int i = 0; i < DISK_ACTIONS; i++)
		any |= disk->actions[i].requests | disk->actions[i].bytes;
	return any == 0;
}

void disks_read(struct instance *instance, struct disks *disks)
{
	disks->count = 0;
	if (instance_is_v2(instance, GROUP_IO)) {
		read_v2(instance, disks);
	} else {
		typedef typeof(disks->disks[0].actions[0]) action;
		read_v1(instance, GROUP_IO, offsetof(action, bytes), disks);
		read_v1(instance, GROUP_IO_COUNTS, offsetof(action, requests), disks);
		read_v1(instance, GROUP_IO_WAIT, offsetof(action, wait), disks);
		read_v1(instance, GROUP_IO_SERVICE, offsetof(action, service), disks);
	}
	unsigned kept = 0;
	for (unsigned i = 0; i < disks->count; i++)
		if (!is_idle(&disks->disks[i]))
			disks->disks[kept++] = disks->disks[i];
	disks->count = kept;
}
