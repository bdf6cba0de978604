#include "lxcfs/formats.h"
#include "lxcfs/values_ticks.h"

/* Ticks are hundredths of a second. The idle time is that of proc/stat, as in the kernel. */
bool format_uptime(struct instance *instance, unsigned number, struct text *text)
{
	(void)number;
	struct moment now;
	struct ticks ticks;
	host_now(instance->host, &now);
	ticks_read(instance, &now, &ticks);
	text_add_hundredths(text, ticks.uptime);
	text_add_bytes(text, " ", 1);
	text_add_hundredths(text, ticks.sum[TICKS_IDLE]);
	text_add_bytes(text, "\n", 1);
	return true;
}
