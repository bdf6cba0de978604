#include "lxcfs/formats.h"

/* The host's disks are not the instance's: root and volumes are directories of file systems on them. */
bool format_partitions(struct instance *instance, unsigned number, struct text *text)
{
	(void)instance;
	(void)number;
	text_add(text, "major minor  #blocks  name\n\n");
	return true;
}
