/* Whose values a process gets, with real processes in pid namespaces: also when a number is given to another process. */
#include "tests/unit/test_lxcfs_common.h"
#include "tests/unit/test_lxcfs_process.h"

#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lxcfs/instances.h"
#include "lxcfs/readers.h"

static struct host host;
static struct shared shared;
static struct instances *instances;
static struct readers *readers;

static uint64_t namespace_of(pid_t pid)
{
	struct stat status;
	cleanup_free char *path = memory_printf("/proc/%d/ns/pid", (int)pid);
	assert_int_equal(stat(path, &status), 0);
	return status.st_ino;
}

/* What the server finds is the process's own namespace, and its first process. */
static void expect(pid_t reader, pid_t init)
{
	for (int again = 0; again < 2; again++) {
		struct instance *instance = readers_instance(readers, reader);
		assert_non_null(instance);
		assert_int_equal(instance->process_ids, namespace_of(reader));
		assert_int_equal(instance->init, init);
		instance_unref(instance);
	}
}

static void test_host(void **state)
{
	(void)state;
	pid_t child = start(false, 0);
	assert_null(readers_instance(readers, getpid()));
	assert_null(readers_instance(readers, child));
	assert_null(readers_instance(readers, 0)); /* from outside of our namespace */
	end(child);
	assert_null(readers_instance(readers, child));
}

static void test_instance(void **state)
{
	(void)state;
	pid_t one = start(true, 0), two = start(true, 0);
	expect(one, one);
	expect(two, two);
	expect(one, one);
	end(one);
	assert_null(readers_instance(readers, one));
	expect(two, two);
	end(two);
}

static pid_t only_child(pid_t parent)
{
	cleanup_free char *path =
		memory_printf("/proc/%d/task/%d/children", (int)parent, (int)parent);
	for (;;) {
		cleanup_free char *children = file_read_at(AT_FDCWD, path, NULL, NULL);
		if (children && atoi(children) > 0)
			return atoi(children);
		sched_yield();
	}
}

/* A process that came into the namespace from outside (exec), whose parent is not in it; and a namespace in one. */
static void test_entered(void **state)
{
	(void)state;
	pid_t init = start(true, 0);
	cleanup_free char *path = memory_printf("/proc/%d/ns/pid", (int)init);
	cleanup_close int inside = open(path, O_RDONLY | O_CLOEXEC);
	cleanup_close int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	assert_int_equal(setns(inside, CLONE_NEWPID), 0);
	pid_t entered = fork();
	if (entered == 0) { /* who was born there may make another one below it */
		start(true, 0);
		for (;;)
			pause();
	}
	assert_int_equal(setns(own, CLONE_NEWPID), 0);
	expect(entered, init);
	pid_t nested = only_child(entered);
	expect(nested, nested);
	assert_int_not_equal(namespace_of(nested), namespace_of(init));
	end(entered);
	end(init);
}

/* The number of one that has ended is given to a process of another instance, and of the host. */
static void test_number_again(void **state)
{
	(void)state;
	pid_t first = start(true, 0);
	expect(first, first);
	uint64_t before = namespace_of(first);
	cleanup_free char *path = memory_printf("/proc/%d/ns/pid", (int)first);
	cleanup_close int kept =
		open(path, O_RDONLY | O_CLOEXEC); /* so that its inode is not used again */
	end(first);
	pid_t second = start(true, first);
	assert_int_equal(second, first);
	assert_int_not_equal(namespace_of(second), before);
	expect(second, second);
	end(second);
}

static pid_t thread_id;
static pthread_barrier_t barrier;

static void *be_there(void *unused)
{
	thread_id = (pid_t)syscall(SYS_gettid);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return unused;
}

/* FUSE tells the number of the thread that reads. */
static void test_thread(void **state)
{
	(void)state;
	pthread_t thread;
	pthread_barrier_init(&barrier, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, be_there, NULL), 0);
	pthread_barrier_wait(&barrier);
	assert_int_not_equal(thread_id, getpid());
	assert_null(readers_instance(readers, thread_id));
	assert_null(readers_instance(readers, thread_id));
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	assert_null(readers_instance(readers, thread_id));
}

/* More readers than are remembered. */
static void test_many(void **state)
{
	(void)state;
	enum { MANY = 300 };
	pid_t init = start(true, 0), children[MANY];
	cleanup_free char *path = memory_printf("/proc/%d/ns/pid", (int)init);
	cleanup_close int inside = open(path, O_RDONLY | O_CLOEXEC);
	cleanup_close int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	assert_int_equal(setns(inside, CLONE_NEWPID), 0);
	for (int i = 0; i < MANY; i++)
		children[i] = start(false, 0);
	assert_int_equal(setns(own, CLONE_NEWPID), 0);
	for (int round = 0; round < 10; round++)
		for (int i = 0; i < MANY; i++)
			expect(children[i], init);
	for (int i = 0; i < MANY; i++)
		end(children[i]);
	end(init);
}

static int begin(void **state)
{
	(void)state;
	assert_int_equal(host_open(&host, "/", NULL), 0);
	assert_int_equal(shared_map(&shared, shared_create(host.cpus, NULL), NULL), 0);
	instances = instances_open(&host, &shared);
	readers = readers_open(&host, instances);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),	cmocka_unit_test(test_instance),
		cmocka_unit_test(test_entered), cmocka_unit_test(test_number_again),
		cmocka_unit_test(test_thread),	cmocka_unit_test(test_many),
	};
	return cmocka_run_group_tests_name("lxcfs_readers", tests, begin, NULL);
}
