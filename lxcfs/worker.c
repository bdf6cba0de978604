/*
 * Requests are received into shared memory and stay there until they are answered. So a new worker first answers what
 * the last one was at: the kernel still waits for these, whatever its version, since the descriptor never closed
 * (fs/fuse/dev.c, fuse_dev_do_write() finds a request by its number alone). FUSE_INIT comes once in the life of a mount:
 * it is kept and given to each worker's libfuse, whose answer the kernel then refuses.
 */
#include "lxcfs/worker.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "lxcfs/server.h"
#include "lxcfs/supervisor.h"

/* The bit of fuse_in_header.unique that the kernel has for the interruption of a request. */
enum { INTERRUPTION = 1 };

struct worker {
	int fuse;
	struct shared shared;
	struct server *server;
};

struct thread {
	struct worker *worker;
	char *request;
	pthread_t id;
};

static uint32_t length_of(const char *request)
{
	return atomic_load_explicit((const _Atomic uint32_t *)request, memory_order_acquire);
}

static void set_done(char *request)
{
	atomic_store_explicit((_Atomic uint32_t *)request, 0, memory_order_release);
}

/* The length; 0 when there was none after all, -1 when the file system is unmounted. */
static ssize_t receive(const struct worker *worker, char *request)
{
	ssize_t length = read(worker->fuse, request, SHARED_REQUEST_BYTES);
	if (length >= 0)
		return length;
	/* ENOENT: taken back before it came (fuse_lowlevel.c of libfuse does the same). */
	return errno == EINTR || errno == EAGAIN || errno == ENOENT ? 0 : -1;
}

/* ---- threads ---- */

static void *serve(void *argument)
{
	struct thread *thread = argument;
	for (;;) {
		set_done(thread->request);
		ssize_t length = receive(thread->worker, thread->request);
		if (length < 0)
			return NULL;
		if (length > 0)
			server_process(thread->worker->server, thread->request, (size_t)length);
	}
}

/*
 * Whether a request was not answered yet. An answer to an interruption of it, which was never asked for, is looked up in
 * the same way and then does nothing, or is refused with ENOENT (fuse_dev_do_write(), FUSE_INT_REQ_BIT).
 */
static bool is_waited_for(const struct worker *worker, uint64_t unique)
{
	const struct fuse_out_header answer = {
		.len = sizeof(answer), .error = -EINTR, .unique = unique | INTERRUPTION};
	return write(worker->fuse, &answer, sizeof(answer)) >= 0;
}

/* Before anything else is served: a reader's next request must not come in between. */
static void finish_begun(const struct worker *worker)
{
	for (int i = 0; i < SHARED_MAX_THREADS; i++) {
		char *request = worker->shared.head->requests[i];
		const struct fuse_in_header *header = (const void *)request;
		uint32_t left = length_of(request);
		if (left > 0 && left <= SHARED_REQUEST_BYTES && header->opcode != FUSE_INIT &&
		    is_waited_for(worker, header->unique))
			server_process(worker->server, request, left);
		set_done(request);
	}
}

static int shake_hands(struct worker *worker, struct error **error)
{
	struct shared_head *head = worker->shared.head;
	if (head->init_length == 0) {
		ssize_t length = 0;
		while (length == 0)
			length = receive(worker, head->requests[0]);
		if (length < 0 || (size_t)length > sizeof(head->init))
			return error_errno(error, errno, "receiving the first request of FUSE");
		memcpy(head->init, head->requests[0], (size_t)length);
		atomic_thread_fence(memory_order_release);
		head->init_length = (uint32_t)length;
	}
	server_process(worker->server, head->init, head->init_length);
	return 0;
}

static unsigned thread_count(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	if (online < 2)
		return 2;
	return online > SHARED_MAX_THREADS ? SHARED_MAX_THREADS : (unsigned)online;
}

/* When they all have ended, the file system is unmounted; the supervisor's end comes first otherwise. */
static void *end_after(void *argument)
{
	struct thread *threads = argument;
	for (unsigned i = 0; i < SHARED_MAX_THREADS && threads[i].worker; i++)
		pthread_join(threads[i].id, NULL);
	_exit(WORKER_UNMOUNTED);
}

static int start_threads(struct worker *worker, struct error **error)
{
	static struct thread threads[SHARED_MAX_THREADS];
	pthread_t watcher;
	unsigned count = thread_count();
	for (unsigned i = 0; i < count; i++) {
		threads[i] = (struct thread){worker, worker->shared.head->requests[i], 0};
		int failed = pthread_create(&threads[i].id, NULL, serve, &threads[i]);
		if (failed)
			return error_errno(error, failed, "starting a thread");
	}
	int failed = pthread_create(&watcher, NULL, end_after, threads);
	return failed ? error_errno(error, failed, "starting a thread") : 0;
}

int worker_run(const struct inheritance *inheritance, int supervisor, struct error **error)
{
	static struct worker worker;
	static struct host host;
	worker.fuse = inheritance->fuse;
	if (host_open(&host, "/", error) < 0 ||
	    shared_map(&worker.shared, inheritance->memory, error) < 0)
		return WORKER_FAILED;
	worker.server = server_open(&host, &worker.shared, error);
	if (!worker.server || server_connect(worker.server, worker.fuse, error) < 0)
		return WORKER_FAILED;
	if (shake_hands(&worker, error) < 0)
		return WORKER_FAILED;
	finish_begun(&worker);
	if (start_threads(&worker, error) < 0)
		return WORKER_FAILED;
	struct pollfd wait = {.fd = supervisor, .events = POLLIN};
	while (poll(&wait, 1, -1) < 0 && errno == EINTR)
		;
	supervisor_exec(inheritance, "/proc/self/exe", error);
	return WORKER_FAILED;
}
