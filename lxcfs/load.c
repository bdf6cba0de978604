#include "lxcfs/load.h"

void load_sample(struct instance *instance, uint64_t now)
{
	(void)instance;
	(void)now;
}
