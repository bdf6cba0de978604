/* See fault.h. */
#include "fault.h"

#ifdef ENABLE_FAULTS

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fault_point(const char *name)
{
	const char *wanted = getenv("SYSCT_FAULT");
	if (wanted && strcmp(wanted, name) == 0) {
		kill(getpid(), SIGKILL);
		pause();
	}
}

#else

/* ISO C wants something in every file. */
typedef int fault_points_are_compiled_out;

#endif
