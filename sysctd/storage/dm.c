/* See dm.h. */
#include "storage/dm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"
#include "strbuf.h"

#define CONTROL "/dev/mapper/control"

/* With the room that an answer may take. */
union request {
	struct dm_ioctl head;
	char bytes[4096];
};

static void prepare(union request *request, const char *name)
{
	memset(request, 0, sizeof(*request));
	request->head.version[0] = DM_VERSION_MAJOR;
	request->head.data_size = sizeof(*request);
	request->head.data_start = sizeof(request->head);
	snprintf(request->head.name, sizeof(request->head.name), "%s", name);
}

int dm_check_target(const char *target, struct error **error)
{
	union request request;
	cleanup_close int fd = open(CONTROL, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "this kernel has no device mapper (" CONTROL ": %s): the driver "
				 "lvm needs it, and dm-thin-pool",
				 strerror(errno));
	prepare(&request, target);
	/* Loads the module where there is one. */
	if (ioctl(fd, DM_GET_TARGET_VERSION, &request) == 0)
		return 0;
	return error_set(error, ERROR_UNSUPPORTED,
			 "this kernel's device mapper has no target \"%s\" (%s): load the module "
			 "dm-%s",
			 target, strerror(errno), target);
}

static void add_escaped(struct strbuf *text, const char *part)
{
	for (; *part; part++)
		strbuf_printf(text, "%s%c", *part == '-' ? "-" : "", *part);
}

char *dm_name(const char *group, const char *volume)
{
	cleanup_strbuf struct strbuf text = {0};
	add_escaped(&text, group);
	strbuf_printf(&text, "-");
	add_escaped(&text, volume);
	return memory_strdup(text.text);
}

int dm_status(const char *name, uint64_t *sectors, char text[static DM_TEXT])
{
	union request request;
	struct dm_target_spec target;
	cleanup_close int fd = open(CONTROL, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	prepare(&request, name);
	request.head.flags = DM_NOFLUSH_FLAG;
	if (ioctl(fd, DM_TABLE_STATUS, &request) < 0)
		return -1;
	if (request.head.target_count != 1 || (request.head.flags & DM_BUFFER_FULL_FLAG) ||
	    request.head.data_start > sizeof(request) - sizeof(target) - DM_TEXT) {
		errno = EPROTO;
		return -1;
	}
	memcpy(&target, request.bytes + request.head.data_start, sizeof(target));
	*sectors = target.length;
	snprintf(text, DM_TEXT, "%s", request.bytes + request.head.data_start + sizeof(target));
	return 0;
}
