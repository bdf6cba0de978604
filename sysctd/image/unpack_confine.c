/* See unpack_confine.h. A bug in libarchive can then spoil the image being made, and no more. */
#include "image/unpack_confine.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Owners and modes of any kind, and file capabilities. Not CAP_MKNOD: devices are left out. */
static const cap_value_t kept[] = {
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_SETFCAP,
};

enum { KEPT_COUNT = sizeof(kept) / sizeof(kept[0]) };

int confine_namespaces(struct error **error)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return error_errno(error, errno, "making namespaces");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(error, errno, "making mounts private");
	return 0;
}

int confine_pivot(const char *directory, struct error **error)
{
	/* The old root lands on top of the new one and is taken away (pivot_root(2)). */
	if (chdir(directory) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return error_errno(error, errno, "making %s the root", directory);
	return 0;
}

static int enter_root(const char *directory, struct error **error)
{
	if (confine_namespaces(error) < 0)
		return -1;
	if (mount(directory, directory, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, directory, NULL, MS_REMOUNT | MS_BIND | MS_NODEV | MS_NOSUID | MS_NOEXEC,
		  NULL) < 0)
		return error_errno(error, errno, "binding %s", directory);
	return confine_pivot(directory, error);
}

static int drop_bounding_set(struct error **error)
{
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return error_errno(error, errno, "dropping capability %d", cap);
	return 0;
}

int confine_capabilities(const cap_value_t *wanted, int count, struct error **error)
{
	if (drop_bounding_set(error) < 0)
		return -1;
	cap_t set = cap_init();
	int result = -1;
	if (set && cap_set_flag(set, CAP_PERMITTED, count, wanted, CAP_SET) == 0 &&
	    cap_set_flag(set, CAP_EFFECTIVE, count, wanted, CAP_SET) == 0)
		result = cap_set_proc(set);
	if (result < 0)
		error_errno(error, errno, "dropping capabilities");
	cap_free(set);
	if (result == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		result = error_errno(error, errno, "setting no_new_privs");
	return result;
}

int unpack_confine_capabilities(struct error **error)
{
	return confine_capabilities(kept, KEPT_COUNT, error);
}

int unpack_confine(const char *directory, struct error **error)
{
	return enter_root(directory, error) < 0 ? -1 : unpack_confine_capabilities(error);
}
