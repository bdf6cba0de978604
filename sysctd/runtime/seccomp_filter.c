/*
 * See seccomp_filter.h. What the user namespace does not already forbid and no
 * distribution needs; libseccomp adds the 32-bit entry points.
 */
#include "seccomp_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"

#ifndef MNT_FORCE
#define MNT_FORCE 1
#endif

struct rule {
	const char *name;
	int errnum;
	int argument;		 /* -1: whatever the arguments are */
	unsigned long long mask; /* refused when one of these bits of it is set */
};

static const struct rule rules[] = {
	/* Another kernel, and code in this one. */
	{"kexec_load", EPERM, -1, 0},
	{"kexec_file_load", EPERM, -1, 0},
	{"init_module", EPERM, -1, 0},
	{"finit_module", EPERM, -1, 0},
	{"delete_module", EPERM, -1, 0},
	/* A file handle is good for the whole file system, outside the instance's tree too. */
	{"open_by_handle_at", EPERM, -1, 0},
	/* A forced unmount concerns others that use the same file system. */
	{"umount2", EACCES, 1, MNT_FORCE},
	/* CRIU cannot checkpoint nested UTS namespaces; systemd goes on without. The
	 * flags of clone3 are behind a pointer: ENOSYS makes libc fall back to clone. */
	{"unshare", EPERM, 0, CLONE_NEWUTS},
	{"clone", EPERM, 0, CLONE_NEWUTS},
	{"clone3", ENOSYS, -1, 0},
};

static int add_rule(scmp_filter_ctx context, const struct rule *rule, struct error **error)
{
	int number = seccomp_syscall_resolve_name(rule->name);
	int result;
	if (rule->argument < 0)
		result = seccomp_rule_add(context, SCMP_ACT_ERRNO((unsigned)rule->errnum), number,
					  0);
	else
		result =
			seccomp_rule_add(context, SCMP_ACT_ERRNO((unsigned)rule->errnum), number, 1,
					 SCMP_CMP64((unsigned)rule->argument, SCMP_CMP_MASKED_EQ,
						    rule->mask, rule->mask));
	/* A system call that an architecture lacks needs no rule. */
	if (result < 0 && result != -EDOM && result != -EFAULT)
		return error_errno(error, -result, "adding seccomp rule %s", rule->name);
	return 0;
}

static int build(scmp_filter_ctx context, bool ask_sysinfo, struct error **error)
{
#ifdef __x86_64__
	seccomp_arch_add(context, SCMP_ARCH_X86);
	seccomp_arch_add(context, SCMP_ARCH_X32);
#elif defined(__aarch64__)
	seccomp_arch_add(context, SCMP_ARCH_ARM);
#endif
	/* Processes of the instance install filters of their own without extra rights. */
	seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 0);
	seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (add_rule(context, &rules[i], error) < 0)
			return -1;
	int result =
		ask_sysinfo ? seccomp_rule_add(context, SCMP_ACT_NOTIFY, SCMP_SYS(sysinfo), 0) : 0;
	return result < 0 ? error_errno(error, -result, "adding a seccomp rule for sysinfo") : 0;
}

static int export(scmp_filter_ctx context, const char *path, struct error **error)
{
	cleanup_close int fd = memfd_create("seccomp", MFD_CLOEXEC);
	int result = fd < 0 ? -errno : seccomp_export_bpf(context, fd);
	struct stat status;
	if (result < 0 || fstat(fd, &status) < 0)
		return error_errno(error, result < 0 ? -result : errno,
				   "compiling the seccomp filter");
	void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return error_errno(error, errno, "reading the seccomp filter");
	result = file_replace_at(AT_FDCWD, path, bytes, (size_t)status.st_size, 0600, false, error);
	munmap(bytes, (size_t)status.st_size);
	return result;
}

int seccomp_filter_write(const char *path, bool ask_sysinfo, struct error **error)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
	if (!context)
		return error_set(error, ERROR_INTERNAL, "libseccomp does not start");
	int result = build(context, ask_sysinfo, error) < 0 ? -1 : export(context, path, error);
	seccomp_release(context);
	return result;
}
