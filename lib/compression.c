/* See compression.h. */
#include "compression.h"

#include <string.h>

#include "cleanup.h"
#include "strbuf.h"

/* The first is the default. */
static const struct compression compressions[] = {
	{"zstd", ".tar.zst"},  {"none", ".tar"},  {"gzip", ".tar.gz"},
	{"bzip2", ".tar.bz2"}, {"xz", ".tar.xz"}, {"lz4", ".tar.lz4"},
};

enum { COUNT = sizeof(compressions) / sizeof(compressions[0]) };

const struct compression *compression_find(const char *name, struct error **error)
{
	cleanup_strbuf struct strbuf names = {0};
	if (!name || !*name)
		return &compressions[0];
	for (size_t i = 0; i < COUNT; i++) {
		if (strcmp(compressions[i].name, name) == 0)
			return &compressions[i];
		strbuf_printf(&names, "%s%s", i ? ", " : "", compressions[i].name);
	}
	error_set(error, ERROR_UNSUPPORTED, "compression \"%s\" is not supported: there are %s",
		  name, names.text);
	return NULL;
}
