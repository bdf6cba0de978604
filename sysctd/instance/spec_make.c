/* The runtime's spec of an instance: what DESIGN sections 5, 6 and 11 say, as OCI config.json. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "db/objects.h"
#include "db/profiles.h"
#include "host.h"
#include "instance/config_keys.h"
#include "instance/config_keys_values.h"
#include "instance/device_types.h"
#include "instance/disks.h"
#include "instance/internal.h"
#include "instance/proxies.h"
#include "lxcfs.h"
#include "memory.h"
#include "network/nic.h"
#include "process.h"
#include "server.h"
#include "storage/storage.h"

/* Without sys_module, sys_rawio, sys_time, syslog, mac_admin, mac_override, wake_alarm,
 * block_suspend and the newer perfmon, bpf, checkpoint_restore, which need the host's root. */
static const char *const capabilities[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
};

static const struct {
	const char *destination, *type, *source, *options; /* separated by commas */
} mounts[] = {
	{"/proc", "proc", "proc", "nosuid,noexec,nodev"},
	/* Read-only, so that nobody waits for a udev that is not there; interfaces stay writable. */
	{"/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"},
	{"/sys/devices/virtual/net", "bind", "/sys/devices/virtual/net", "bind,inside,optional,rw"},
	{"/sys/fs/cgroup", "cgroup2", "cgroup2", "nosuid,noexec,nodev"},
	{"/dev", "tmpfs", "tmpfs", "nosuid,mode=755,size=512k"},
	{"/dev/pts", "devpts", "devpts",
	 "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5,max=1024"},
	{"/dev/shm", "tmpfs", "tmpfs", "nosuid,nodev,mode=1777"},
	{"/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"},
	/* In a user namespace proc can only be mounted where a whole one is seen already (mount_namespaces(7)), and
	 * the one at /proc has files mounted over it, for containers in the instance. */
	{"/dev/.sysct/proc", "proc", "proc", "nosuid,noexec,nodev"},
	{"/run", "tmpfs", "tmpfs", "nosuid,nodev,mode=755"},
	{"/dev/null", "bind", "/dev/null", "bind"},
	{"/dev/zero", "bind", "/dev/zero", "bind"},
	{"/dev/full", "bind", "/dev/full", "bind"},
	{"/dev/random", "bind", "/dev/random", "bind"},
	{"/dev/urandom", "bind", "/dev/urandom", "bind"},
	{"/dev/tty", "bind", "/dev/tty", "bind"},
	{"/dev/fuse", "bind", "/dev/fuse", "bind,optional"},
	{"/dev/net/tun", "bind", "/dev/net/tun", "bind,optional"},
};

/* Mount points of file systems that a user namespace cannot mount: an init that
 * tries ends its boot "degraded". */
static const char *const masked[] = {"/sys/kernel/debug", "/sys/kernel/tracing",
				     "/sys/kernel/config", "/sys/fs/fuse/connections"};

static const struct {
	int major, minor; /* minor -1: all */
} devices[] = {{1, 3}, {1, 5}, {1, 7},	  {1, 8},    {1, 9},   {5, 0},
	       {5, 1}, {5, 2}, {136, -1}, {10, 229}, {10, 200}};

static json_t *split(const char *text)
{
	json_t *array = json_array();
	cleanup_free char *copy = memory_strdup(text);
	char *rest = copy;
	for (char *word; (word = strsep(&rest, ","));)
		json_array_append_new(array, json_string(word));
	return array;
}

static json_t *make_mounts(const struct server *server)
{
	json_t *array = json_array();
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++)
		json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:o}", "destination",
						       mounts[i].destination, "type",
						       mounts[i].type, "source", mounts[i].source,
						       "options", split(mounts[i].options)));
	cleanup_free char *kind = memory_printf("%s/container-manager", server->paths.run);
	json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:[s,s]}", "destination",
					       "/run/host/container-manager", "type", "bind",
					       "source", kind, "options", "bind", "ro"));
	return array;
}

static json_t *strings(const char *const *texts, size_t count)
{
	json_t *array = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_string(texts[i]));
	return array;
}

static json_t *make_device_rules(void)
{
	/* mknod of anything is allowed as far as devices are concerned: what was made cannot be
	 * opened, and the user namespace forbids it anyway. */
	json_t *array = json_pack("[{s:b, s:s}, {s:b, s:s}]", "allow", 0, "access", "rwm", "allow",
				  1, "access", "m");
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		json_array_append_new(array, json_pack("{s:b, s:s, s:i, s:i, s:s}", "allow", 1,
						       "type", "c", "major", devices[i].major,
						       "minor", devices[i].minor, "access", "rwm"));
	return array;
}

static json_t *make_environment(const struct instance_row *row, const json_t *config)
{
	json_t *array = json_array();
	cleanup_free char *uuid = memory_printf("container_uuid=%s", row->uuid);
	json_array_append_new(array, json_string("container=lxc"));
	json_array_append_new(array, json_string(uuid));
	json_array_append_new(array, json_string("TERM=linux"));
	json_array_append_new(array, json_string("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
						 "/usr/bin:/sbin:/bin"));
	const char *key;
	const json_t *value;
	json_object_foreach ((json_t *)config, key, value)
		if (strncmp(key, "environment.", 12) == 0) {
			cleanup_free char *pair =
				memory_printf("%s=%s", key + 12, json_string_value(value));
			json_array_append_new(array, json_string(pair));
		}
	return array;
}

/* Never above our own: the monitor inherits that, and raising it may be forbidden. */
static json_int_t open_files_limit(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_max > HOST_OPEN_FILES)
		return HOST_OPEN_FILES;
	return (json_int_t)files.rlim_max;
}

static json_t *make_process(const struct instance_row *row, const json_t *config)
{
	return json_pack("{s:[s], s:s, s:b, s:{s:i, s:i}, s:o, s:{s:o}, s:[{s:s, s:i, s:I}]}",
			 "args", "/sbin/init", "cwd", "/", "terminal", 1, "user", "uid", 0, "gid",
			 0, "env", make_environment(row, config), "capabilities", "bounding",
			 strings(capabilities, sizeof(capabilities) / sizeof(capabilities[0])),
			 "rlimits", "type", "RLIMIT_NOFILE", "soft", 1024, "hard",
			 open_files_limit());
}

static json_t *make_linux(struct instance *instance, const struct instance_row *row,
			  json_t *resources)
{
	static const char *const namespaces[] = {"user", "pid", "mount", "network",
						 "uts",	 "ipc", "cgroup"};
	json_t *list = json_array();
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++)
		json_array_append_new(list, json_pack("{s:s}", "type", namespaces[i]));
	cleanup_free char *cgroup = instance_cgroup_path(instance);
	json_t *map = json_pack("[{s:i, s:I, s:I}]", "containerID", 0, "hostID",
				(json_int_t)row->id_base, "size", (json_int_t)row->id_count);
	json_object_set_new(resources, "devices", make_device_rules());
	return json_pack("{s:o, s:O, s:o, s:s, s:o, s:o, s:[]}", "namespaces", list, "uidMappings",
			 map, "gidMappings", map, "cgroupsPath", cgroup, "resources", resources,
			 "maskedPaths", strings(masked, sizeof(masked) / sizeof(masked[0])),
			 "readonlyPaths");
}

static json_t *make_extension(struct instance *instance, const json_t *config, json_t *rootfs,
			      struct error **error)
{
	const struct server *server = instance->server;
	cleanup_free char *log = instance_log_directory(instance);
	cleanup_free char *console = memory_printf("%s/console.log", log);
	if (mkdir(log, 0700) < 0 && access(log, W_OK) < 0) {
		error_set(error, ERROR_INTERNAL, "creating %s failed", log);
		json_decref(rootfs);
		return NULL;
	}
	json_t *lxcfs = lxcfs_spec(server->lxcfs);
	bool ask = false;
	bool_parse(config_get(config, "security.syscalls.intercept.sysinfo"), &ask, NULL);
	ask = ask && lxcfs;
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:i, s:o, s:o*}", "name", instance->name,
			 "cgroup_base", server->paths.cgroup, "console_log", console, "seccomp",
			 ask ? server->seccomp_ask : server->seccomp, "seccomp_listener", ask,
			 "stop_signal", instance_stop_signal(config), "rootfs", rootfs, "lxcfs",
			 lxcfs);
}

static json_t *make_rootfs(struct instance *instance, const struct instance_row *row,
			   struct error **error)
{
	struct server *server = instance->server;
	cleanup_layer_list struct layer_list chain = {0};
	if (storage_pool_require(server, row->pool, error) < 0 ||
	    db_layer_chain(server->db, row->layer_id, &chain, error) < 0)
		return NULL;
	return storage_layer_use(server->storage, &chain.rows[0], error) < 0
		       ? NULL
		       : storage_layers_describe(server->storage, &chain, error);
}

int instance_expand(struct server *server, const struct instance_row *row, json_t **config,
		    json_t **devices_out, struct error **error)
{
	cleanup_profile_list struct profile_list profiles = {0};
	if (db_profile_list(server->db, &profiles, error) < 0)
		return -1;
	return config_expand(&profiles, row->profiles, row->config, row->devices, config,
			     devices_out, error);
}

static json_t *join(struct instance *instance, const struct instance_row *row, const json_t *config,
		    const json_t *devices_given, struct error **error)
{
	json_t *resources = instance_make_resources(instance->server, instance, config, error);
	json_t *rootfs = resources ? make_rootfs(instance, row, error) : NULL;
	json_t *extension = rootfs ? make_extension(instance, config, rootfs, error) : NULL;
	json_t *nics = extension ? nics_spec(instance->server, row, devices_given, error) : NULL;
	json_t *proxies = nics ? proxies_spec(instance->server, row, devices_given, error) : NULL;
	json_t *disks = proxies ? disks_spec(instance->server, devices_given, error) : NULL;
	if (nics)
		json_object_set_new(extension, "nics", nics);
	if (proxies)
		json_object_set_new(extension, "proxies", proxies);
	if (disks)
		json_object_set_new(extension, "disks", disks);
	if (!disks) {
		json_decref(extension);
		json_decref(resources);
		return NULL;
	}
	return json_pack("{s:s, s:{s:s, s:b}, s:s, s:o, s:o, s:o, s:o}", "ociVersion", "1.2.0",
			 "root", "path", "rootfs", "readonly", 0, "hostname", instance->name,
			 "process", make_process(row, config), "mounts",
			 make_mounts(instance->server), "linux",
			 make_linux(instance, row, resources), "sysct", extension);
}

json_t *instance_make_spec(struct instance *instance, const struct instance_row *row,
			   struct error **error)
{
	json_t *config = NULL, *expanded_devices = NULL;
	if (instance_expand(instance->server, row, &config, &expanded_devices, error) < 0)
		return NULL;
	json_t *spec = join(instance, row, config, expanded_devices, error);
	json_decref(config);
	json_decref(expanded_devices);
	return spec;
}

int instance_assign_nics(struct server *server, struct instance_row *row,
			 const json_t *expanded_devices, struct error **error)
{
	json_t *changed = json_object(), *value;
	const char *key;
	int result = nics_assign(server, row, expanded_devices, changed, error);
	json_object_foreach (changed, key, value)
		if (result == 0)
			result = db_instance_set_key(server->db, row->id, key,
						     json_string_value(value), DB_VOLATILE, error);
	json_decref(changed);
	return result;
}
