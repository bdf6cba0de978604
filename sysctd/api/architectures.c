/* See architectures.h. */
#include "api/architectures.h"

#include <string.h>
#include <sys/utsname.h>

static const struct {
	const char *host, *other;
} personalities[] = {{"x86_64", "i686"}, {"aarch64", "armv8l"}};

json_t *architectures_of_host(void)
{
	struct utsname kernel;
	uname(&kernel);
	json_t *list = json_pack("[s]", kernel.machine);
	for (size_t i = 0; i < sizeof(personalities) / sizeof(personalities[0]); i++)
		if (strcmp(personalities[i].host, kernel.machine) == 0)
			json_array_append_new(list, json_string(personalities[i].other));
	return list;
}
