/* See project.h. */
#include "storage/project.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/quota.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"

#define PROJECTS "/etc/projid" /* xfs(5): NAME:ID, one a line */

/* Above what people and other managers choose; the kernel has 32 bits, some of its tools 31. */
#define FIRST 0x10000000u
#define COUNT 0x60000000u

enum {
	UNIT = 1024,  /* bytes of a block in struct if_dqblk: QIF_DQBLKSIZE */
	TRIES = 1000, /* ids that are asked for */
};

/* quotactl_fd(2), which the C library has no function for. */
static int quota(int fd, unsigned int command, uint32_t project, void *address)
{
	return (int)syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), project, address);
}

/* FS_QUOTA_PDQ_*; 0: none, or a kernel or a file system that has no quotas at all. */
static unsigned int look(int fd)
{
	struct fs_quota_statv state = {.qs_version = FS_QSTATV_VERSION1};
	return quota(fd, Q_XGETQSTATV, 0, &state) < 0 ? 0 : state.qs_flags;
}

static bool is_enforced(int fd)
{
	return look(fd) & FS_QUOTA_PDQ_ENFD;
}

/* xfs knows no project that has nothing. */
static int read_count(int fd, uint32_t project, struct if_dqblk *count)
{
	*count = (struct if_dqblk){0};
	return quota(fd, Q_GETQUOTA, project, count) < 0 && errno != ENOENT ? -1 : 0;
}

static int open_directory(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* ---- whether it can be ---- */

static const char *name_of(long type)
{
	switch (type) {
	case EXT4_SUPER_MAGIC:
		return "ext4";
	case XFS_SUPER_MAGIC:
		return "xfs";
	case BTRFS_SUPER_MAGIC:
		return "btrfs";
	case TMPFS_MAGIC:
		return "tmpfs";
	default:
		return "of another kind";
	}
}

static int refuse(int fd, const struct statfs *system, struct error **error)
{
	if (system->f_type == XFS_SUPER_MAGIC)
		return error_set(
			error, ERROR_UNSUPPORTED,
			"its file system, xfs, does not limit projects: mount it with the "
			"option \"prjquota\" (of \"/\": rootflags=prjquota on the kernel's "
			"command line)");
	if (system->f_type != EXT4_SUPER_MAGIC)
		return error_set(error, ERROR_UNSUPPORTED,
				 "its file system is %s, and only ext4 and xfs can%s",
				 name_of(system->f_type),
				 system->f_type == BTRFS_SUPER_MAGIC
					 ? "; on btrfs use a pool of the driver btrfs"
					 : "");
	if (look(fd) & FS_QUOTA_PDQ_ACCT)
		return error_set(error, ERROR_UNSUPPORTED,
				 "its file system, ext4, counts projects and does not limit them: "
				 "mount it with the option \"prjquota\"");
	return error_set(error, ERROR_UNSUPPORTED,
			 "its file system, ext4, does not count projects: it needs the features "
			 "\"project\" and \"quota\" (tune2fs -O project,quota -Q prjquota DEVICE "
			 "while it is not mounted) and the mount option \"prjquota\"");
}

int project_check(const char *path, struct error **error)
{
	struct statfs system;
	struct fsxattr attributes;
	cleanup_close int fd = open_directory(path);
	if (fd < 0 || fstatfs(fd, &system) < 0)
		return error_errno(error, errno, "looking at %s", path);
	if (!is_enforced(fd))
		return refuse(fd, &system, error);
	if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
		return error_errno(error, errno, "looking at the project of %s", path);
	if (attributes.fsx_xflags & FS_XFLAG_PROJINHERIT)
		return error_set(error, ERROR_UNSUPPORTED,
				 "its directory belongs to project %u of this host already",
				 attributes.fsx_projid);
	return 0;
}

/* ---- giving one ---- */

static bool is_named(const char *names, uint32_t project)
{
	unsigned int id;
	for (const char *line = names; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "%*[^:\n]:%u", &id) == 1 && id == project)
			return true;
	}
	return false;
}

/* Somebody's, or what was left of one when the daemon was killed. */
static bool is_taken(int fd, const char *names, uint32_t project)
{
	struct if_dqblk count;
	return is_named(names, project) || read_count(fd, project, &count) < 0 ||
	       count.dqb_curspace || count.dqb_curinodes || count.dqb_bhardlimit ||
	       count.dqb_bsoftlimit || count.dqb_ihardlimit || count.dqb_isoftlimit;
}

/* From the directory's name, which nobody else has: two that are made at the same time do not meet. */
static uint32_t hash(const char *path)
{
	uint32_t value = 2166136261u; /* FNV-1a */
	for (const char *at = path; *at; at++)
		value = (value ^ (unsigned char)*at) * 16777619u;
	return value;
}

static int choose(int fd, const char *path, uint32_t *project, struct error **error)
{
	cleanup_free char *names = file_try_read_at(AT_FDCWD, PROJECTS);
	uint32_t start = hash(path) % COUNT;
	for (uint32_t i = 0; i < TRIES; i++) {
		*project = FIRST + (start + i) % COUNT;
		if (!is_taken(fd, names, *project))
			return 0;
	}
	return error_set(error, ERROR_NO_SPACE, "no id of a project is free for %s", path);
}

uint32_t project_of(int fd)
{
	struct fsxattr attributes;
	bool ours = fd >= 0 && ioctl(fd, FS_IOC_FSGETXATTR, &attributes) == 0 &&
		    attributes.fsx_projid >= FIRST && attributes.fsx_projid - FIRST < COUNT;
	return ours ? attributes.fsx_projid : 0;
}

static uint32_t project_of_path(const char *path)
{
	cleanup_close int fd = open_directory(path);
	return project_of(fd);
}

bool project_same(const char *path, const char *other)
{
	uint32_t project = project_of_path(path);
	return project && project == project_of_path(other);
}

static int set_project(int fd, uint32_t project, bool inherit)
{
	struct fsxattr attributes;
	if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
		return -1;
	attributes.fsx_projid = project;
	attributes.fsx_xflags &= ~(uint32_t)FS_XFLAG_PROJINHERIT;
	if (inherit)
		attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return ioctl(fd, FS_IOC_FSSETXATTR, &attributes);
}

/* Of the directory, and of those in it. */
static int set_projects(int fd, uint32_t project, bool inherit)
{
	cleanup_dir DIR *dir = file_open_directory_at(fd, ".");
	struct dirent *entry;
	int result = dir ? set_project(fd, project, inherit) : -1;
	while (result == 0 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		cleanup_close int inner =
			openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		result = inner < 0 ? -1 : set_project(inner, project, inherit);
	}
	return result;
}

/* Of what lies around the pool, and not of us. */
static bool has_foreign(int fd)
{
	struct fsxattr attributes;
	return ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0 ||
	       (attributes.fsx_xflags & FS_XFLAG_PROJINHERIT && !project_of(fd));
}

int project_begin(const char *path, const char *with, struct error **error)
{
	cleanup_close int fd = open_directory(path);
	uint32_t project = with ? project_of_path(with) : 0;
	if (fd < 0)
		return error_errno(error, errno, "opening %s", path);
	if (!is_enforced(fd) || has_foreign(fd) || (with && !project))
		return 0;
	if (!project && choose(fd, path, &project, error) < 0)
		return -1;
	return set_projects(fd, project, true) < 0
		       ? error_errno(error, errno, "giving a project to %s", path)
		       : 0;
}

int project_note(const char *path, const char *with, struct error **error)
{
	cleanup_close int fd = open_directory(path);
	uint32_t project = project_of_path(with);
	if (fd < 0)
		return error_errno(error, errno, "opening %s", path);
	if (!is_enforced(fd) || has_foreign(fd))
		return 0;
	return set_projects(fd, project, false) < 0
		       ? error_errno(error, errno, "giving a project to %s", path)
		       : 0;
}

/* ---- limits ---- */

static int set_limit(int fd, uint32_t project, uint64_t bytes)
{
	struct if_dqblk limits = {
		.dqb_bhardlimit = bytes / UNIT + (bytes % UNIT != 0),
		.dqb_valid = QIF_BLIMITS,
	};
	return quota(fd, Q_SETQUOTA, project, &limits);
}

int project_limit(const char *path, uint64_t bytes, struct error **error)
{
	cleanup_close int fd = open_directory(path);
	uint32_t project = project_of(fd);
	if (bytes == 0 && (!project || !is_enforced(fd)))
		return 0;
	if (fd < 0)
		return error_errno(error, errno, "opening %s", path);
	if (!project)
		return error_set(
			error, ERROR_UNSUPPORTED,
			"it was made before its file system limited projects: make a copy, "
			"and use that in its place");
	return set_limit(fd, project, bytes) < 0 ? error_errno(error, errno, "limiting %s", path)
						 : 0;
}

int project_usage(const char *path, int64_t *own, int64_t *all)
{
	struct if_dqblk count;
	cleanup_close int fd = open_directory(path);
	uint32_t project = project_of(fd);
	if (!project || !is_enforced(fd) || read_count(fd, project, &count) < 0)
		return -1;
	*own = *all = (int64_t)count.dqb_curspace;
	return 0;
}

void project_forget(int directory, uint32_t project)
{
	struct if_dqblk count;
	if (project && read_count(directory, project, &count) == 0 && !count.dqb_curspace &&
	    !count.dqb_curinodes && (count.dqb_bhardlimit || count.dqb_bsoftlimit))
		set_limit(directory, project, 0);
}
