#include "lxcfs/formats.h"

/* Which objects of the kernel there are is the host's business: the two lines above them, of format 2.1. */
bool format_slabinfo(struct instance *instance, unsigned number, struct text *text)
{
	(void)instance;
	(void)number;
	text_add(text, "slabinfo - version: 2.1\n"
		       "# name            <active_objs> <num_objs> <objsize> <objperslab> "
		       "<pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata "
		       "<active_slabs> <num_slabs> <sharedavail>\n");
	return true;
}
