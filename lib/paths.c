/* See paths.h. */
#include "paths.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#include "cleanup.h"
#include "memory.h"

static char *state_directory(void)
{
	const char *directory = getenv("SYSCT_DIR");
	if (!directory || !*directory)
		return NULL;
	char resolved[PATH_MAX];
	return memory_strdup(realpath(directory, resolved) ? resolved : directory);
}

/* FNV-1a: a short stable name for a directory, so that daemons with different
 * directories use different control groups. */
static uint32_t hash_text(const char *text)
{
	uint32_t hash = 2166136261u;
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return hash;
}

void paths_init(struct paths *paths)
{
	cleanup_free char *root = state_directory();
	if (root)
		*paths = (struct paths){
			.state = memory_strdup(root),
			.run = memory_printf("%s/run", root),
			.log = memory_printf("%s/log", root),
			.config = memory_printf("%s/etc", root),
			.socket = memory_printf("%s/unix.socket", root),
			.cgroup = memory_printf("sysct-%08x", hash_text(root)),
		};
	else
		*paths = (struct paths){
			.state = memory_strdup("/var/lib/sysct"),
			.run = memory_strdup("/run/sysct"),
			.log = memory_strdup("/var/log/sysct"),
			.config = memory_strdup("/etc/sysct"),
			.socket = memory_strdup("/run/sysct/unix.socket"),
			.cgroup = memory_strdup("sysct"),
		};
}

void paths_free(struct paths *paths)
{
	free(paths->state);
	free(paths->run);
	free(paths->log);
	free(paths->config);
	free(paths->socket);
	free(paths->cgroup);
	*paths = (struct paths){0};
}

char *paths_socket(void)
{
	cleanup_free char *root = state_directory();
	return root ? memory_printf("%s/unix.socket", root)
		    : memory_strdup("/run/sysct/unix.socket");
}
