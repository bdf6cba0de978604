/* proc/stat of one instance by several readers at once, and by readers that are killed at any point. */
#include "tests/unit/test_lxcfs_told.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct recorded shared;
static const char cpu_stat[] = "sys/fs/cgroup/sysct/one/cpu.stat";

static void *read_again_and_again(void *argument)
{
	struct told last = {0}, told;
	(void)argument;
	for (int i = 0; i < 300; i++) {
		read_told(&shared, &told);
		check_after(&last, &told);
		last = told;
	}
	return NULL;
}

static void use_some(uint64_t *used)
{
	char text[128];
	*used += (uint64_t)(rand() % 30000);
	snprintf(text, sizeof(text), "usage_usec %lu\nuser_usec %lu\nsystem_usec %lu\n", *used,
		 *used / 2, *used / 2);
	/* In one write: a reader never sees a half. */
	cleanup_free char *path = memory_printf("%s/%s", shared.directory, cpu_stat);
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(pwrite(fd, text, strlen(text), 0) > 0);
}

static void test_threads(void **state)
{
	(void)state;
	pthread_t threads[4];
	uint64_t used = UINT64_C(10000000);
	recorded_open(&shared, "stat_v2");
	shared.host.fixed.boottime = 0; /* the machine's clock */
	shared.instance->start = 10000000;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_again_and_again, NULL), 0);
	for (int i = 0; i < 500; i++)
		use_some(&used);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	recorded_close(&shared);
}

static void test_killed(void **state)
{
	(void)state;
	struct told last = {0}, told;
	uint64_t used = UINT64_C(10000000);
	recorded_open(&shared, "stat_v2");
	struct instance_state *own = shared.state;
	shared.state = mmap(NULL, state_size(CPUS), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared.state != MAP_FAILED);
	shared.instance->state = shared.state;
	shared.host.fixed.boottime = 0;
	shared.instance->start = 10000000;
	for (int i = 0; i < 60; i++) {
		pid_t child = fork();
		if (child == 0)
			for (;;)
				read_told(&shared, &told);
		struct timespec a_moment = {0, 1000000 + rand() % 12000000};
		use_some(&used);
		nanosleep(&a_moment, NULL);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		read_told(&shared, &told);
		check_after(&last, &told);
		for (int cpu = 2; cpu < 4; cpu++) {
			uint64_t total = 0;
			for (int kind = 0; kind < KINDS; kind++)
				total += told.cpus[cpu][kind];
			assert_true(total >= told.uptime && total <= told.uptime + 2);
		}
		last = told;
	}
	munmap(shared.state, state_size(CPUS));
	shared.state = own;
	recorded_close(&shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_killed),
	};
	return cmocka_run_group_tests_name("lxcfs_stat_readers", tests, NULL, NULL);
}
