#include "lxcfs/shared.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

enum { MAGIC = 0x6c786673 };

static size_t round_up(size_t bytes)
{
	return (bytes + SHARED_PAGE_BYTES - 1) / SHARED_PAGE_BYTES * SHARED_PAGE_BYTES;
}

static void lay_out(struct shared *shared, unsigned cpus)
{
	shared->state_bytes = state_size(cpus);
	size_t pages = round_up(sizeof(struct shared_head));
	size_t bytes = pages + round_up((size_t)SHARED_PAGES * SHARED_PAGE_HEADER);
	size_t states = bytes + (size_t)SHARED_PAGES * SHARED_PAGE_BYTES;
	shared->bytes = states + round_up(SHARED_STATES * shared->state_bytes);
	if (shared->head) {
		shared->pages = (struct shared_page *)((char *)shared->head + pages);
		shared->bytes_of_pages = (char *)shared->head + bytes;
		shared->states = (char *)shared->head + states;
	}
}

static unsigned counted(unsigned cpus)
{
	return cpus > STATE_MAX_CPUS ? STATE_MAX_CPUS : cpus;
}

int shared_create(unsigned cpus, struct error **error)
{
	struct shared shared = {0};
	lay_out(&shared, counted(cpus));
	cleanup_close int fd = memfd_create("sysct-lxcfs", MFD_CLOEXEC);
	struct shared_head head = {.magic = MAGIC, .layout = SHARED_LAYOUT, .cpus = counted(cpus)};
	if (fd < 0 || ftruncate(fd, (off_t)shared.bytes) < 0 ||
	    pwrite(fd, &head, offsetof(struct shared_head, requests), 0) < 0)
		return error_errno(error, errno, "making memory for the workers");
	return steal_fd(&fd);
}

int shared_map(struct shared *shared, int fd, struct error **error)
{
	struct shared_head head;
	*shared = (struct shared){0};
	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) || head.magic != MAGIC)
		return error_set(error, ERROR_INVALID, "this is not the memory of a file server");
	lay_out(shared, head.cpus);
	struct stat status;
	bool same = head.layout == SHARED_LAYOUT && fstat(fd, &status) == 0 &&
		    (size_t)status.st_size == shared->bytes;
	/* Cut off and made longer again it is empty. */
	if (!same && (ftruncate(fd, sizeof(head)) < 0 || ftruncate(fd, (off_t)shared->bytes) < 0))
		return error_errno(error, errno, "emptying the memory of another version");
	void *memory = mmap(NULL, shared->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return error_errno(error, errno, "mapping the memory of the workers");
	shared->head = memory;
	shared->head->layout = SHARED_LAYOUT;
	lay_out(shared, head.cpus);
	return 0;
}

void shared_unmap(struct shared *shared)
{
	munmap(shared->head, shared->bytes);
}

struct instance_state *shared_state(struct shared *shared, uint64_t process_ids, uint64_t start,
				    uint64_t now)
{
	struct instance_state *oldest = NULL;
	for (size_t i = 0; i < SHARED_STATES; i++) {
		struct instance_state *state = (void *)(shared->states + i * shared->state_bytes);
		if (state->process_ids == process_ids && state->start == start) {
			state->used_at = now;
			return state;
		}
		if (!oldest || state->used_at < oldest->used_at)
			oldest = state;
		if (state->process_ids == 0)
			break; /* none was ever used behind it */
	}
	memset(oldest, 0, shared->state_bytes);
	oldest->start = start;
	oldest->used_at = now;
	oldest->process_ids = process_ids;
	return oldest;
}
