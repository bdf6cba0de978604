/* See proxies.h. */
#include "runtime/proxies.h"

#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "unix_path.h"

enum { STEP = 10 };

void proxy_remove_socket(const json_t *proxy, int patience)
{
	const char *listen = json_string_value(json_object_get(proxy, "listen"));
	const char *bind = json_string_value(json_object_get(proxy, "bind"));
	if (!listen || strncmp(listen, "unix:/", 6) != 0 || (bind && strcmp(bind, "host") != 0))
		return;
	cleanup_close int directory = unix_path_directory(listen + 5, NULL);
	const char *name = strrchr(listen, '/') + 1;
	while (directory >= 0 && unix_path_remove_stale(directory, name, NULL) < 0 &&
	       patience > 0) {
		usleep(STEP * 1000);
		patience -= STEP;
	}
}

void proxies_remove_sockets(const json_t *proxies, int patience)
{
	for (size_t i = 0; i < json_array_size(proxies); i++)
		proxy_remove_socket(json_array_get(proxies, i), patience);
}
