#include "lxcfs/formats.h"
#include "lxcfs/values_disks.h"

enum { SECTOR = 512, NANOSECONDS_PER_MILLISECOND = 1000000 };

/* Requests, merged ones, sectors, milliseconds. */
static void add_action(struct text *text, const struct disk *disk, enum disk_action action)
{
	uint64_t time = disk->actions[action].wait + disk->actions[action].service;
	text_add_number(text, disk->actions[action].requests, 0);
	text_add(text, " 0 ");
	text_add_number(text, disk->actions[action].bytes / SECTOR, 0);
	text_add_bytes(text, " ", 1);
	text_add_number(text, time / NANOSECONDS_PER_MILLISECOND, 0);
	text_add_bytes(text, " ", 1);
}

/* In the kernel's format (Documentation/admin-guide/iostats.rst, diskstats_show()). */
static void add_disk(struct text *text, const struct disk *disk, const char *name)
{
	uint64_t service = 0, all = 0;
	for (int i = 0; i < DISK_ACTIONS; i++) {
		service += disk->actions[i].service;
		all += disk->actions[i].wait + disk->actions[i].service;
	}
	text_add_number(text, disk->major, 4);
	text_add_bytes(text, " ", 1);
	text_add_number(text, disk->minor, 7);
	text_add_bytes(text, " ", 1);
	text_add(text, name);
	text_add_bytes(text, " ", 1);
	add_action(text, disk, DISK_READ);
	add_action(text, disk, DISK_WRITE);
	text_add(text, "0 "); /* in flight */
	text_add_number(text, service / NANOSECONDS_PER_MILLISECOND, 0);
	text_add_bytes(text, " ", 1);
	text_add_number(text, all / NANOSECONDS_PER_MILLISECOND, 0);
	text_add_bytes(text, " ", 1);
	add_action(text, disk, DISK_DISCARD);
	text_add(text, "0 0\n"); /* flushes are not accounted */
}

bool format_diskstats(struct instance *instance, unsigned number, struct text *text)
{
	(void)number;
	struct disks disks;
	char name[HOST_DEVICE_NAME];
	disks_read(instance, &disks);
	for (unsigned i = 0; i < disks.count; i++)
		if (host_device_name(instance->host, disks.disks[i].major, disks.disks[i].minor,
				     name))
			add_disk(text, &disks.disks[i], name);
	return true;
}
