#include "lxcfs/formats.h"
#include "lxcfs/load.h"

bool format_loadavg(struct instance *instance, unsigned number, struct text *text)
{
	(void)number;
	const uint64_t rounding = (1U << LOAD_BITS) / 200; /* half a hundredth */
	struct moment now;
	struct load load;
	host_now(instance->host, &now);
	load_read(instance, now.boottime, &load);
	for (int i = 0; i < 3; i++) {
		text_add_hundredths(text, (load.averages[i] + rounding) * 100 >> LOAD_BITS);
		text_add_bytes(text, " ", 1);
	}
	text_add_number(text, load.running, 0);
	text_add_bytes(text, "/", 1);
	text_add_number(text, load.tasks, 0);
	text_add_bytes(text, " ", 1);
	text_add_number(text, load.newest, 0);
	text_add_bytes(text, "\n", 1);
	return true;
}
