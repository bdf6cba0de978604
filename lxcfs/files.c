#include "lxcfs/files.h"

#include "lxcfs/formats.h"

/* clang-format off */
const struct file files[] = {
	{"proc/uptime", format_uptime, NULL},
};
/* clang-format on */
const unsigned files_count = sizeof(files) / sizeof(files[0]);
