#include "lxcfs/formats.h"
#include "lxcfs/values_memory.h"

/* As swap_show() of the kernel writes it: a number of few digits is followed by one more tab. */
static void add_column(struct text *text, uint64_t kib)
{
	enum { TWO_TABS_BELOW = 10000000 };
	text_add_number(text, kib, 0);
	text_add(text, kib < TWO_TABS_BELOW ? "\t\t" : "\t");
}

/* One line for its share of the host's, whose names are none of its business. The priority is the kernel's default. */
bool format_swaps(struct instance *instance, unsigned number, struct text *text)
{
	(void)number;
	uint64_t total, used;
	if (!memory_read_swap(instance, &total, &used))
		return false;
	text_add(text, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	if (total == 0)
		return true;
	text_add(text, "none                                    partition\t");
	add_column(text, total / 1024);
	add_column(text, used / 1024);
	text_add(text, "-2\n");
	return true;
}
