/* See privileges.h. */
#include "privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"
#include "message.h"

static unsigned long long kept_capabilities(const json_t *names, struct error **error)
{
	unsigned long long kept = 0;
	size_t i;
	const json_t *name;
	json_array_foreach (names, i, name) {
		cap_value_t value;
		if (cap_from_name(json_string_value(name), &value) < 0) {
			error_set(error, ERROR_INVALID, "unknown capability %s",
				  json_string_value(name));
			return 0;
		}
		kept |= 1ULL << value;
	}
	return kept;
}

int privileges_drop_capabilities(const struct spec *spec, struct error **error)
{
	const json_t *names = spec_get(spec->process, "capabilities.bounding");
	if (!names)
		return 0;
	unsigned long long kept = kept_capabilities(names, error);
	if (!kept)
		return error_set(error, ERROR_INVALID, "empty capability bounding set");
	for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (!(kept & (1ULL << i)) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return error_errno(error, errno, "dropping capability %d", i);
	return 0;
}

int privileges_load_seccomp(const struct spec *spec, void **filter, size_t *length,
			    struct error **error)
{
	*filter = NULL;
	*length = 0;
	if (!spec->seccomp)
		return 0;
	*filter = file_read_at(AT_FDCWD, spec->seccomp, length, error);
	if (!*filter)
		return -1;
	if (*length == 0 || *length % sizeof(struct sock_filter) != 0)
		return error_set(error, ERROR_INVALID, "%s is no seccomp filter", spec->seccomp);
	return 0;
}

int privileges_apply_seccomp(const struct spec *spec, const void *filter, size_t length, int sync,
			     struct error **error)
{
	if (!filter)
		return 0;
	struct sock_fprog program = {(unsigned short)(length / sizeof(struct sock_filter)),
				     (struct sock_filter *)filter};
	/* Once the monitor is at work on a call, only death interrupts it: many signals must not ask it again and
	 * again. */
	unsigned int flags = spec->seccomp_listener ? SECCOMP_FILTER_FLAG_NEW_LISTENER |
							      SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
						    : 0;
	cleanup_close int listener =
		(int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (listener < 0)
		return error_errno(error, errno, "installing the seccomp filter");
	if (!spec->seccomp_listener) {
		listener = -1; /* it is 0 and no descriptor */
		return 0;
	}
	json_t *body = json_pack("{s:b}", "listener", 1);
	int sent = message_send(sync, body, &listener, 1, error);
	json_decref(body);
	return sent;
}

void privileges_reset_process(void)
{
	sigset_t none;
	sigemptyset(&none);
	for (int i = 1; i < NSIG; i++)
		if (i != SIGKILL && i != SIGSTOP)
			signal(i, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	/* The host's session keyring must not be inherited; a kernel without keys is fine. */
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
}

static const struct {
	const char *name;
	int resource;
} rlimits[] = {
	{"RLIMIT_NOFILE", RLIMIT_NOFILE}, {"RLIMIT_CORE", RLIMIT_CORE},
	{"RLIMIT_NPROC", RLIMIT_NPROC},	  {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
	{"RLIMIT_STACK", RLIMIT_STACK},
};

static rlim_t rlimit_value(const json_t *item, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(item, key));
	return value < 0 ? RLIM_INFINITY : (rlim_t)value;
}

int privileges_set_rlimits(const struct spec *spec, pid_t pid, struct error **error)
{
	size_t i;
	const json_t *item;
	json_array_foreach (json_object_get(spec->process, "rlimits"), i, item) {
		const char *type = json_string_value(json_object_get(item, "type"));
		struct rlimit limit = {rlimit_value(item, "soft"), rlimit_value(item, "hard")};
		for (size_t k = 0; k < sizeof(rlimits) / sizeof(rlimits[0]); k++)
			if (type && strcmp(type, rlimits[k].name) == 0 &&
			    prlimit(pid, (__rlimit_resource_t)rlimits[k].resource, &limit, NULL) <
				    0)
				return error_errno(error, errno, "setting %s", type);
	}
	return 0;
}
