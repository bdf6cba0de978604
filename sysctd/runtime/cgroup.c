/* See cgroup.h: directories and processes. Limits are in cgroup_limits.c. */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

static const char *const controller_names[CGROUP_CONTROLLER_COUNT] = {
	[CGROUP_CPU] = "cpu",	    [CGROUP_CPUACCT] = "cpuacct", [CGROUP_CPUSET] = "cpuset",
	[CGROUP_MEMORY] = "memory", [CGROUP_PIDS] = "pids",	  [CGROUP_BLKIO] = "blkio",
};

static bool is_cgroup2(const char *path)
{
	struct statfs status;
	return statfs(path, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
}

const char *cgroup_unified_root(void)
{
	if (is_cgroup2(CGROUP_ROOT))
		return CGROUP_ROOT;
	return is_cgroup2(CGROUP_ROOT "/unified") ? CGROUP_ROOT "/unified" : NULL;
}

static bool layout_is_pure_v2(void)
{
	return is_cgroup2(CGROUP_ROOT);
}

/* cpu and cpuacct may be one mount with links to it, as systemd mounts them. */
static char *v1_directory(int controller, const char *path)
{
	char *directory = memory_printf(CGROUP_ROOT "/%s/%s", controller_names[controller], path);
	return directory;
}

static bool v1_mounted(int controller)
{
	char root[64];
	struct statfs status;
	snprintf(root, sizeof(root), CGROUP_ROOT "/%s", controller_names[controller]);
	return statfs(root, &status) == 0 && status.f_type == CGROUP_SUPER_MAGIC;
}

static int make_directory(const char *path, struct error **error)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return error_errno(error, errno, "creating control group %s", path);
	return 0;
}

/* A new v1 cpuset is empty and takes no process until both lists are filled. */
static int fill_cpuset(const char *directory, struct error **error)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	for (size_t i = 0; i < 2; i++) {
		cleanup_free char *own = memory_printf("%s/%s", directory, files[i]);
		cleanup_free char *parent = memory_printf("%s/../%s", directory, files[i]);
		cleanup_free char *value = file_read_at(AT_FDCWD, parent, NULL, error);
		if (!value || file_poke_at(AT_FDCWD, own, value, error) < 0)
			return -1;
	}
	return 0;
}

static int make_v1(const char *path, struct error **error)
{
	for (int i = 0; i < CGROUP_CONTROLLER_COUNT; i++) {
		if (!v1_mounted(i))
			continue;
		cleanup_free char *directory = v1_directory(i, path);
		if (make_directory(directory, error) < 0)
			return -1;
		if (i == CGROUP_CPUSET && fill_cpuset(directory, error) < 0)
			return -1;
	}
	return 0;
}

/* A controller that the kernel lacks or that sits in v1 is simply not there. */
static void enable_controllers(const char *directory)
{
	static const char *const wanted[] = {"+cpu", "+cpuset", "+memory", "+pids", "+io"};
	cleanup_free char *file = memory_printf("%s/cgroup.subtree_control", directory);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		file_poke_at(AT_FDCWD, file, wanted[i], NULL);
}

int cgroup_prepare(const char *base, struct error **error)
{
	const char *root = cgroup_unified_root();
	if (!root)
		return error_set(error, ERROR_UNSUPPORTED,
				 "no cgroup2 hierarchy at " CGROUP_ROOT " or " CGROUP_ROOT
				 "/unified: mount one");
	cleanup_free char *own = memory_printf("%s/%s", root, base);
	cleanup_free char *monitors = memory_printf("%s/.monitors", own);
	if (make_directory(own, error) < 0)
		return -1;
	if (layout_is_pure_v2()) {
		enable_controllers(root);
		enable_controllers(own);
	} else if (make_v1(base, error) < 0) {
		return -1;
	}
	cgroup_hold_back(base, false); /* a daemon that was killed may have left it */
	return make_directory(monitors, error);
}

void cgroup_hold_back(const char *base, bool hold)
{
	/* Least and usual values of cpu.weight and cpu.shares. */
	bool pure = layout_is_pure_v2();
	cleanup_free char *file = memory_printf(CGROUP_ROOT "/%s%s/%s", pure ? "" : "cpu/", base,
						pure ? "cpu.weight" : "cpu.shares");
	const char *value = pure ? (hold ? "1" : "100") : (hold ? "2" : "1024");
	/* A host without the controller has nothing to share out. */
	file_poke_at(AT_FDCWD, file, value, NULL);
}

/* Removes a directory of the cgroup file system and the empty ones below it.
 * The files in it cannot be unlinked and vanish with it. */
static int remove_below(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	cleanup_dir DIR *dir = fdopendir(fd);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			remove_below(fd, entry->d_name);
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -1 : 0;
}

static void remove_v1(const char *path)
{
	for (int i = 0; i < CGROUP_CONTROLLER_COUNT; i++) {
		cleanup_free char *directory = v1_directory(i, path);
		if (v1_mounted(i))
			remove_below(AT_FDCWD, directory);
	}
}

static int give_to_instance(int directory, uid_t uid, gid_t gid, struct error **error)
{
	/* cgroup-v2.rst, "Delegation": these files and the directory, no more. */
	static const char *const files[] = {"", "cgroup.procs", "cgroup.threads",
					    "cgroup.subtree_control"};
	/* Whoever walks through it, as we do, needs a stack for each level. */
	if (file_poke_at(directory, "cgroup.max.depth", "100", error) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (fchownat(directory, files[i], uid, gid, AT_EMPTY_PATH) < 0)
			return error_errno(error, errno, "handing over control group file %s",
					   files[i]);
	return 0;
}

static int open_directories(struct cgroup *cgroup, const char *path, struct error **error)
{
	const char *root = cgroup_unified_root();
	cgroup->path = memory_strdup(path);
	cgroup->pure_v2 = layout_is_pure_v2();
	cleanup_free char *directory = memory_printf("%s/%s", root ? root : "", path);
	cgroup->unified = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup->unified < 0)
		return error_errno(error, errno, "opening control group %s", directory);
	for (int i = 0; !cgroup->pure_v2 && i < CGROUP_CONTROLLER_COUNT; i++) {
		cleanup_free char *v1 = v1_directory(i, path);
		cgroup->v1[i] = open(v1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (cgroup->v1[i] < 0 && errno != ENOENT)
			return error_errno(error, errno, "opening control group %s", v1);
	}
	return 0;
}

int cgroup_open(struct cgroup *cgroup, const char *path, struct error **error)
{
	if (open_directories(cgroup, path, error) == 0)
		return 0;
	cgroup_close(cgroup);
	return -1;
}

int cgroup_create(struct cgroup *cgroup, const char *path, uid_t uid, gid_t gid,
		  struct error **error)
{
	const char *root = cgroup_unified_root();
	cleanup_free char *directory = memory_printf("%s/%s", root ? root : "", path);
	if (mkdir(directory, 0755) < 0) {
		if (errno != EEXIST)
			return error_errno(error, errno, "creating control group %s", directory);
		if (cgroup_destroy(path, error) < 0 || make_directory(directory, error) < 0)
			return -1;
	}
	if ((!layout_is_pure_v2() && make_v1(path, error) < 0) ||
	    open_directories(cgroup, path, error) < 0 ||
	    give_to_instance(cgroup->unified, uid, gid, error) < 0) {
		cgroup_close(cgroup);
		cgroup_destroy(path, NULL);
		return -1;
	}
	return 0;
}

void cgroup_close(struct cgroup *cgroup)
{
	free(cgroup->path);
	cleanup_close_fd(&cgroup->unified);
	for (int i = 0; i < CGROUP_CONTROLLER_COUNT; i++)
		cleanup_close_fd(&cgroup->v1[i]);
	*cgroup = (struct cgroup)CGROUP_INIT;
}

int cgroup_enter_v1(const struct cgroup *cgroup, struct error **error)
{
	for (int i = 0; i < CGROUP_CONTROLLER_COUNT; i++)
		if (cgroup->v1[i] >= 0 && file_poke_at(cgroup->v1[i], "tasks", "0", error) < 0)
			return error_prefix(error, "entering controller %s", controller_names[i]);
	return 0;
}

int cgroup_leaf(const struct cgroup *cgroup, uid_t uid, gid_t gid, struct error **error)
{
	static const char name[] = ".sysct";
	bool made = mkdirat(cgroup->unified, name, 0755) == 0;
	int fd = openat(cgroup->unified, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(error, errno, "opening the control group of attached processes");
	if (made)
		give_to_instance(fd, uid, gid, NULL);
	return fd;
}

int cgroup_kill(const struct cgroup *cgroup, struct error **error)
{
	return file_poke_at(cgroup->unified, "cgroup.kill", "1", error);
}

static long long now_milliseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* cgroup.events reports a change with POLLPRI until it is read again (cgroup-v2.rst). */
static int wait_event(const struct cgroup *cgroup, const char *line, int timeout,
		      struct error **error)
{
	long long end = now_milliseconds() + timeout;
	cleanup_close int fd = openat(cgroup->unified, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENODEV || errno == ENOENT
			       ? 0
			       : error_errno(error, errno, "opening cgroup.events");
	for (;;) {
		char text[128];
		ssize_t count = pread(fd, text, sizeof(text) - 1, 0);
		if (count < 0)
			return errno == ENODEV ? 0
					       : error_errno(error, errno, "reading cgroup.events");
		text[count] = '\0';
		if (strstr(text, line))
			return 0;
		long long left = end - now_milliseconds();
		if (left <= 0)
			return error_set(error, ERROR_TIMEOUT,
					 "control group %s did not become \"%s\" within %d ms",
					 cgroup->path, line, timeout);
		struct pollfd poll_fd = {.fd = fd, .events = POLLPRI};
		poll(&poll_fd, 1, (int)left);
	}
}

int cgroup_wait_empty(const struct cgroup *cgroup, int timeout, struct error **error)
{
	return wait_event(cgroup, "populated 0", timeout, error);
}

/* Monitors report the end of their instances before their own. */
static void wait_for_monitors(const char *directory)
{
	struct cgroup monitors = CGROUP_INIT;
	monitors.unified = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (monitors.unified >= 0)
		cgroup_wait_empty(&monitors, 2000, NULL);
	cgroup_close(&monitors);
}

void cgroup_unprepare(const char *base)
{
	const char *root = cgroup_unified_root();
	if (!root)
		return;
	cleanup_free char *monitors = memory_printf("%s/%s/.monitors", root, base);
	cleanup_free char *own = memory_printf("%s/%s", root, base);
	wait_for_monitors(monitors);
	rmdir(monitors);
	if (rmdir(own) < 0 || layout_is_pure_v2())
		return;
	for (int i = 0; i < CGROUP_CONTROLLER_COUNT; i++) {
		cleanup_free char *directory = v1_directory(i, base);
		rmdir(directory);
	}
}

int cgroup_freeze(const struct cgroup *cgroup, bool freeze, int timeout, struct error **error)
{
	if (file_poke_at(cgroup->unified, "cgroup.freeze", freeze ? "1" : "0", error) < 0)
		return -1;
	if (wait_event(cgroup, freeze ? "frozen 1" : "frozen 0", timeout, error) == 0)
		return 0;
	if (freeze)
		cgroup_thaw(cgroup, NULL);
	return -1;
}

int cgroup_thaw(const struct cgroup *cgroup, struct error **error)
{
	return file_poke_at(cgroup->unified, "cgroup.freeze", "0", error);
}

bool cgroup_is_frozen(const struct cgroup *cgroup)
{
	cleanup_free char *text = file_try_read_at(cgroup->unified, "cgroup.events");
	return text && strstr(text, "frozen 1");
}

int cgroup_destroy(const char *path, struct error **error)
{
	struct cgroup cgroup = CGROUP_INIT;
	int result = 0;
	if (cgroup_open(&cgroup, path, NULL) == 0) {
		cgroup_kill(&cgroup, NULL);
		/* A frozen process dies of cgroup.kill all the same. */
		result = cgroup_wait_empty(&cgroup, 10000, error);
		cgroup_close(&cgroup);
	}
	const char *root = cgroup_unified_root();
	cleanup_free char *directory = memory_printf("%s/%s", root ? root : "", path);
	if (result == 0 && remove_below(AT_FDCWD, directory) < 0)
		result = error_errno(error, errno, "removing control group %s", directory);
	if (!layout_is_pure_v2())
		remove_v1(path);
	return result;
}

int cgroup_open_monitors(const char *base, struct error **error)
{
	cleanup_free char *path = memory_printf("%s/%s/.monitors", cgroup_unified_root(), base);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		error_errno(error, errno, "opening control group %s", path);
	return fd;
}
