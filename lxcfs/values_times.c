#include "lxcfs/values_times.h"

/* cpu.stat is in every directory of the cgroup2 hierarchy, with and without a controller, so on a hybrid host too. */
void times_read(struct instance *instance, struct times *times)
{
	char text[1024];
	struct moment now;
	*times = (struct times){0};
	if (instance_read(instance, GROUP_CPU_STAT, text, sizeof(text)) > 0) {
		source_field(text, "usage_usec", &times->used);
		source_field(text, "user_usec", &times->user);
		source_field(text, "system_usec", &times->system);
	}
	times->used *= 1000;
	times->user *= 1000;
	times->system *= 1000;
	host_now(instance->host, &now);
	times->uptime = now.boottime > instance->start ? now.boottime - instance->start : 0;
}
