/*
 * What running instances have mounted. The specification that a monitor has beside it says so: it is
 * there before anything is mounted, survives this daemon, and goes when nothing is mounted any more. A
 * layer that was merged with another stays in its place as long as one names it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"
#include "runtime/monitor_files.h"
#include "server.h"
#include "storage/internal.h"

/* All of them as text: a path is searched for in it, so nothing needs to be parsed. */
void storage_read_mounted(const struct server *server, struct strbuf *text)
{
	cleanup_free char *path = memory_printf("%s/instances", server->paths.run);
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		cleanup_free char *name =
			memory_printf("%s/%s/%s", path, entry->d_name, MONITOR_SPEC);
		cleanup_free char *spec = file_try_read_at(AT_FDCWD, name);
		if (spec)
			strbuf_printf(text, "%s\n", spec);
	}
}

bool storage_layer_is_mounted(const struct strbuf *mounted, const char *path)
{
	cleanup_free char *below = memory_printf("%s/", path);
	return mounted->text && strstr(mounted->text, below);
}
