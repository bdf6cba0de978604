#include "lxcfs/formats.h"
#include "lxcfs/load.h"
#include "lxcfs/values_ticks.h"
#include "lxcfs/values_times.h"

/* iowait, irq, softirq, steal, guest and guest_nice are not accounted for control groups. */
static void add_ticks(struct text *text, const uint64_t ticks[TICKS_KINDS])
{
	for (int kind = 0; kind < TICKS_KINDS; kind++) {
		text_add_bytes(text, " ", 1);
		text_add_number(text, ticks[kind], 0);
	}
	text_add(text, " 0 0 0 0 0 0\n");
}

static void add_line(struct text *text, const char *name, uint64_t value)
{
	text_add(text, name);
	text_add_number(text, value, 0);
	text_add_bytes(text, "\n", 1);
}

bool format_stat(struct instance *instance, unsigned number, struct text *text)
{
	(void)number;
	struct moment now;
	struct ticks ticks;
	struct load load;
	host_now(instance->host, &now);
	ticks_read(instance, &now, &ticks);
	load_read(instance, now.boottime, &load);
	text_add(text, "cpu ");
	add_ticks(text, ticks.sum);
	for (unsigned i = 0; i < ticks.count; i++) {
		text_add_bytes(text, "cpu", 3);
		text_add_number(text, ticks.numbers[i], 0);
		add_ticks(text, ticks.processors[i]);
	}
	add_line(text, "intr ", 0);
	add_line(text, "ctxt ", load.switches);
	add_line(text, "btime ", times_started(instance, &now));
	add_line(text, "processes ", load.forks);
	add_line(text, "procs_running ", load.running);
	add_line(text, "procs_blocked ", load.blocked);
	text_add(text, "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
	return true;
}
