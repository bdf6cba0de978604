/*
 * The names of LXD's and Incus's instance keys that sysct does not have, so that
 * a configuration made for them is refused with the true reason. When a key is
 * implemented its name leaves this list and gets a row in config_keys.c.
 */
#include "instance/config_keys_unsupported.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "instance/config_keys.h"
#include "memory.h"

static const char *const names[] = {
	"agent.nic_config",
	"boot.autorestart",
	"boot.debug_edk2",
	"boot.host_shutdown_action",
	"boot.host_shutdown_timeout",
	"boot.mode",
	"boot.stop.priority",
	"cloud-init.network-config",
	"cloud-init.ssh-keys.*",
	"cloud-init.user-data",
	"cloud-init.vendor-data",
	"cluster.evacuate",
	"limits.cpu.nodes",
	"limits.cpu.pin_strategy",
	"limits.cpu.priority",
	"limits.disk.priority",
	"limits.hugepages.*",
	"limits.kernel.*",
	"limits.max_bus_ports",
	"limits.memory.enforce",
	"limits.memory.hotplug",
	"limits.memory.hugepages",
	"limits.memory.oom_priority",
	"limits.memory.swap",
	"limits.memory.swap.priority",
	"limits.network.priority",
	"linux.kernel_modules",
	"linux.kernel_modules.load",
	"linux.sysctl.*",
	"migration.incremental.memory",
	"migration.incremental.memory.goal",
	"migration.incremental.memory.iterations",
	"migration.stateful",
	"nvidia.driver.capabilities",
	"nvidia.require.cuda",
	"nvidia.require.driver",
	"nvidia.runtime",
	"oci.*",
	"placement.group",
	"raw.apparmor",
	"raw.idmap",
	"raw.lxc",
	"raw.qemu",
	"raw.qemu.conf",
	"raw.qemu.qmp.early",
	"raw.qemu.qmp.post-start",
	"raw.qemu.qmp.pre-start",
	"raw.qemu.scriptlet",
	"raw.seccomp",
	"security.agent.metrics",
	"security.bpffs.*",
	"security.csm",
	"security.delegate_bpf",
	"security.delegate_bpf.*",
	"security.devlxd",
	"security.devlxd.*",
	"security.guestapi",
	"security.guestapi.images",
	"security.idmap.base",
	"security.idmap.size",
	"security.iommu",
	"security.nesting",
	"security.protection.delete",
	"security.protection.shift",
	"security.protection.start",
	"security.secureboot",
	"security.selinux.*",
	"security.sev",
	"security.sev.*",
	"security.syscalls.allow",
	"security.syscalls.deny",
	"security.syscalls.deny_compat",
	"security.syscalls.deny_default",
	"security.syscalls.intercept.bpf",
	"security.syscalls.intercept.bpf.devices",
	"security.syscalls.intercept.mknod",
	"security.syscalls.intercept.mount",
	"security.syscalls.intercept.mount.*",
	"security.syscalls.intercept.sched_setscheduler",
	"security.syscalls.intercept.setxattr",
	"smbios11.*",
	"systemd.credential.*",
	"systemd.credential-binary.*",
	"ubuntu_pro.guest_attach",
};

enum { NAME_COUNT = sizeof(names) / sizeof(names[0]), LONGEST_NAME = 63 };

bool config_key_matches(const char *pattern, const char *name)
{
	size_t length = strlen(pattern);
	if (pattern[length - 1] != '*')
		return strcmp(pattern, name) == 0;
	return strncmp(pattern, name, length - 1) == 0 && name[length - 1];
}

bool config_key_is_unsupported(const char *name)
{
	for (size_t i = 0; i < NAME_COUNT; i++)
		if (config_key_matches(names[i], name))
			return true;
	return false;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

/* Letters to insert, remove or replace to make one of the other (Levenshtein). */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t row[LONGEST_NAME + 1];
	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t above = row[j];
			row[j] = smallest(above + 1, row[j - 1] + 1,
					  diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_length];
}

/* Of a pattern "user.*" only what precedes the star counts, and as many parts of the name. */
static size_t distance_to_key(const char *key, const char *name)
{
	size_t key_length = strlen(key), length = strlen(name);
	if (key[key_length - 1] == '*') {
		key_length--;
		const char *end = name - 1;
		for (size_t i = 0; end && i < key_length; i++)
			if (key[i] == '.')
				end = strchr(end + 1, '.');
		if (!end || !end[1])
			return SIZE_MAX;
		length = (size_t)(end - name) + 1;
	}
	if (length > LONGEST_NAME || key_length > LONGEST_NAME)
		return SIZE_MAX;
	return distance(name, length, key, key_length);
}

static void consider(const char *key, const char *name, const char **best, size_t *least)
{
	size_t found = distance_to_key(key, name);
	if (found < *least) {
		*least = found;
		*best = key;
	}
}

const char *config_key_nearest(const char *name)
{
	const char *best = NULL;
	size_t least = strlen(name) / 4 + 2, count;
	const struct config_key *keys = config_keys(&count);
	for (size_t i = 0; i < count; i++)
		consider(keys[i].name, name, &best, &least);
	for (size_t i = 0; i < NAME_COUNT; i++)
		consider(names[i], name, &best, &least);
	return best;
}
