/* See idmap.h. */
#include "idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "strbuf.h"

static int write_map(pid_t pid, const char *file, const json_t *mappings, struct error **error)
{
	cleanup_strbuf struct strbuf text = {0};
	char path[64];
	size_t i;
	const json_t *map;
	json_array_foreach (mappings, i, map)
		strbuf_printf(&text, "%lld %lld %lld\n",
			      (long long)json_integer_value(json_object_get(map, "containerID")),
			      (long long)json_integer_value(json_object_get(map, "hostID")),
			      (long long)json_integer_value(json_object_get(map, "size")));
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return file_poke_at(AT_FDCWD, path, text.text ? text.text : "", error);
}

int idmap_write(pid_t pid, const json_t *uid_mappings, const json_t *gid_mappings,
		struct error **error)
{
	if (write_map(pid, "uid_map", uid_mappings, error) < 0)
		return -1;
	return write_map(pid, "gid_map", gid_mappings, error);
}

int idmap_user_namespace(uid_t from, uid_t to, unsigned int count, struct error **error)
{
	/* The child only has to exist while its namespace is opened. */
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0);
	if (pid == 0)
		for (;;)
			pause();
	if (pid < 0)
		return error_errno(error, errno, "creating a user namespace");
	json_t *map = json_pack("[{s:I, s:I, s:I}]", "containerID", (json_int_t)from, "hostID",
				(json_int_t)to, "size", (json_int_t)count);
	char path[64];
	int fd = -1;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	if (idmap_write(pid, map, map, error) == 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			error_errno(error, errno, "opening %s", path);
	}
	json_decref(map);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return fd;
}

int idmap_attach(const char *source, const char *target, int user_namespace, bool writable,
		 struct error **error)
{
	struct mount_attr attributes = {
		.attr_set = MOUNT_ATTR_NODEV | (writable ? 0 : MOUNT_ATTR_RDONLY),
	};
	if (user_namespace >= 0) {
		attributes.attr_set |= MOUNT_ATTR_IDMAP;
		attributes.userns_fd = (__u64)user_namespace;
	}
	cleanup_close int tree = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return error_errno(error, errno, "opening layer %s", source);
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
		return error_errno(error, errno, "idmapping layer %s", source);
	if (move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(error, errno, "mounting layer %s at %s", source, target);
	return 0;
}
