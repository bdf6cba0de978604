/* See lvm.h: running what LVM consists of, and mounting what it made. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "image/command.h"
#include "memory.h"
#include "storage/dm.h"
#include "storage/lvm.h"

enum {
	TIMEOUT = 300000,
	OLDEST = 20312 /* --devices and --setautoactivation (lvm2's WHATS_NEW) */
};

/* No daemon of LVM is waited for or started, so that it works the same where there is none, as in a container.
 * A full thin pool says so at once: else who writes would wait for a minute (lvmthin(7)). */
static const char settings[] =
	"activation/udev_sync=0 activation/udev_rules=0 activation/monitoring=0 "
	"activation/error_when_full=1 activation/thin_pool_autoextend_threshold=100 "
	"devices/obtain_device_list_from_udev=0 global/use_lvmpolld=0 global/event_activation=0 "
	"backup/archive=0";

/* LVM warns of much, then says what is wrong, and then that it has failed; the others say it at the end. */
static char *find_reason(const char *text, bool first)
{
	if (!first)
		return command_last_line(text);
	for (const char *line = text; *line;
	     line += strcspn(line, "\n") + (strchr(line, '\n') != NULL)) {
		const char *start = line + strspn(line, " ");
		size_t length = strcspn(start, "\n");
		if (length > 0 && strncmp(start, "WARNING:", strlen("WARNING:")) != 0)
			return memory_strndup(start, length);
	}
	return NULL;
}

static int fail(const char *name, const char *text, bool first, struct error **error)
{
	cleanup_free char *reason = find_reason(text, first);
	bool full = strstr(text, "nsufficient") || strstr(text, "o space left");
	return error_set(error, full ? ERROR_NO_SPACE : ERROR_INTERNAL, "%s: %s", name,
			 reason ? reason : "it failed without a word");
}

static int run(const char *const *words, const char *name, const char *package, struct strbuf *out,
	       struct error **error)
{
	cleanup_command_output struct command_output output = {0};
	if (command_capture(words, TIMEOUT, &output, error) < 0)
		return -1;
	if (output.status == 127)
		return error_set(error, ERROR_UNSUPPORTED, "%s is missing: install %s", name,
				 package);
	if (output.status != 0)
		return fail(name, output.err.text ? output.err.text : "", words[1] != name, error);
	if (out && output.out.text)
		strbuf_append(out, output.out.text);
	return 0;
}

int lvm_run(const struct lvm_pool *pool, const char *const *words, struct strbuf *out,
	    struct error **error)
{
	const char *all[LVM_MOST_WORDS + 8] = {"/usr/bin/env", "lvm", words[0], "--config",
					       settings};
	size_t count = 5;
	if (pool->device) {
		all[count++] = "--devices";
		all[count++] = pool->device;
	}
	for (size_t i = 1; i < LVM_MOST_WORDS && words[i]; i++)
		all[count++] = words[i];
	return run(all, words[0], "lvm2", out, error);
}

int lvm_run_program(const char *const *words, const char *package, struct error **error)
{
	const char *all[LVM_MOST_WORDS + 2] = {"/usr/bin/env"};
	for (size_t i = 0; i < LVM_MOST_WORDS && words[i]; i++)
		all[i + 1] = words[i];
	return run(all, words[0], package, NULL, error);
}

bool lvm_has_volume(const struct lvm_pool *pool, const char *volume)
{
	cleanup_free char *name = memory_printf("%s/%s", pool->group, volume);
	const char *words[] = {"lvs", name, NULL};
	return lvm_run(pool, words, NULL, NULL) == 0;
}

/* "LVM version: 2.03.16(2) (2022-05-18)" */
static int check_version(const char *text, struct error **error)
{
	const char *at = text ? strstr(text, "LVM version:") : NULL;
	int major = 0, minor = 0, patch = 0;
	if (at && sscanf(at, "LVM version: %d.%d.%d", &major, &minor, &patch) == 3 &&
	    major * 10000 + minor * 100 + patch >= OLDEST)
		return 0;
	return error_set(error, ERROR_UNSUPPORTED,
			 "lvm2 %d.%02d.%d is too old: the driver lvm needs 2.03.12 or newer", major,
			 minor, patch);
}

int lvm_check_host(struct error **error)
{
	static const char *const version[] = {"/usr/bin/env", "lvm", "version", NULL};
	static const char *const check[] = {"thin_check", "--version", NULL};
	cleanup_strbuf struct strbuf out = {0};
	if (dm_check_target("thin-pool", error) < 0 ||
	    run(version, "lvm", "lvm2", &out, error) < 0 || check_version(out.text, error) < 0)
		return -1;
	return lvm_run_program(check, "thin-provisioning-tools", error);
}

/* ---- mounting ---- */

char *lvm_device(const struct lvm_pool *pool, const char *volume)
{
	cleanup_free char *name = dm_name(pool->group, volume);
	return memory_printf("/dev/mapper/%s", name);
}

bool lvm_is_mounted(const char *path)
{
	struct statx status;
	return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &status) == 0 &&
	       (status.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static const struct {
	const char *name;
	unsigned long flag;
} flags[] = {
	{"noatime", MS_NOATIME},	 {"nodiratime", MS_NODIRATIME}, {"relatime", MS_RELATIME},
	{"strictatime", MS_STRICTATIME}, {"lazytime", MS_LAZYTIME},	{"sync", MS_SYNCHRONOUS},
	{"dirsync", MS_DIRSYNC},
};

/* What mount(2) has flags for is taken out of the text, the rest is the file system's. */
static unsigned long take_flags(const char *options, struct strbuf *rest)
{
	unsigned long result = 0;
	cleanup_free char *copy = memory_strdup(options);
	char *list = copy;
	for (char *word; (word = strsep(&list, ","));) {
		unsigned long flag = 0;
		for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
			if (strcmp(word, flags[i].name) == 0)
				flag = flags[i].flag;
		result |= flag;
		if (!flag && *word)
			strbuf_printf(rest, "%s%s", rest->length ? "," : "", word);
	}
	return result;
}

int lvm_mount_volume(const struct lvm_pool *pool, const char *volume, const char *filesystem,
		     const char *options, const char *path, struct error **error)
{
	cleanup_free char *device = lvm_device(pool, volume);
	cleanup_strbuf struct strbuf rest = {0};
	unsigned long mount_flags = take_flags(options, &rest);
	/* Zeros are what a thin volume has where nothing was written; copies have the same UUID. */
	strbuf_printf(&rest, "%s%s", rest.length ? "," : "",
		      strcmp(filesystem, "xfs") == 0 ? "nouuid" : "noinit_itable");
	if (mount(device, path, filesystem, mount_flags, rest.text) == 0)
		return 0;
	int problem = errno;
	if (problem == EBUSY && lvm_is_mounted(path)) /* somebody else was faster */
		return 0;
	return error_errno(error, problem, "mounting %s with the options \"%s\"", device,
			   rest.text);
}
