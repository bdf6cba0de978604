/* See forwarding.h. */
#include "network/forwarding.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "file.h"

void sysctl_set(const char *family, const char *interface, const char *key, const char *value)
{
	char path[128];
	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, interface, key);
	file_poke_at(AT_FDCWD, path, value, NULL);
}

/*
 * A host that forwards IPv6 takes no router advertisements any more, unless the
 * interface says 2 (Documentation/networking/ip-sysctl.rst, accept_ra): its own
 * uplink must not lose its route because there are instances.
 */
static void keep_accepting_advertisements(void)
{
	cleanup_dir DIR *dir = opendir("/proc/sys/net/ipv6/conf");
	struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		char path[sizeof(entry->d_name) + 64];
		if (entry->d_name[0] == '.' || strcmp(entry->d_name, "all") == 0)
			continue;
		snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra", entry->d_name);
		if (file_read_number_at(AT_FDCWD, path, 0) == 1)
			file_poke_at(AT_FDCWD, path, "2", NULL);
	}
}

int forwarding_enable(int family, struct error **error)
{
	static const char ipv4[] = "/proc/sys/net/ipv4/ip_forward";
	static const char ipv6[] = "/proc/sys/net/ipv6/conf/all/forwarding";
	const char *path = family == AF_INET ? ipv4 : ipv6;
	if (file_read_number_at(AT_FDCWD, path, 1) != 0)
		return 0;
	if (family == AF_INET6)
		keep_accepting_advertisements();
	return file_poke_at(AT_FDCWD, path, "1", error);
}
