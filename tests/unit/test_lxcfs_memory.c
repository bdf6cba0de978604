/* proc/meminfo, proc/swaps, proc/vmstat, proc/zoneinfo, proc/slabinfo. */
#include "tests/unit/test_lxcfs_common.h"
int main(void)
{
	return 0;
}
