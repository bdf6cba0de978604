#include "lxcfs/formats.h"
#include "lxcfs/values_cpus.h"
#include "lxcfs/values_times.h"

static void add_seconds(struct text *text, uint64_t nanoseconds)
{
	uint64_t hundredths = nanoseconds / 10000000;
	text_add_number(text, hundredths / 100, 0);
	text_add_bytes(text, hundredths % 100 < 10 ? ".0" : ".", hundredths % 100 < 10 ? 2 : 1);
	text_add_number(text, hundredths % 100, 0);
}

bool format_uptime(struct instance *instance, unsigned number, struct text *text)
{
	(void)number;
	struct times times;
	struct cpus cpus;
	cpus_read(instance, &cpus);
	times_read(instance, &times);
	uint64_t all = times.uptime * cpus.count;
	add_seconds(text, times.uptime);
	text_add_bytes(text, " ", 1);
	add_seconds(text, all > times.used ? all - times.used : 0);
	text_add_bytes(text, "\n", 1);
	return true;
}
