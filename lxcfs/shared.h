/*
 * Memory that outlives the worker: the supervisor holds it as a memfd and maps it into each. What a worker was doing
 * when it died can be read here by the next one, on every kernel: requests are received straight into it.
 *
 * The head and the requests keep their layout in all versions, since the binary is exchanged while files are open; the
 * rest is taken over when `layout` is the same and begun anew otherwise.
 */
#ifndef SYSCT_LXCFS_SHARED_H
#define SYSCT_LXCFS_SHARED_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "lxcfs/state.h"

enum {
	SHARED_LAYOUT = 1,
	SHARED_MAX_THREADS = 8,
	/* Nothing is ever written, but the pages of a read are as many as those of a write (fuse_lowlevel.h). */
	SHARED_MAX_WRITE = 16 << 10,
	/* The kernel wants room for the longest request, FUSE_MIN_READ_BUFFER at least. */
	SHARED_REQUEST_BYTES = SHARED_MAX_WRITE + 4096,
	SHARED_PAGE_BYTES = 4096,
	SHARED_PAGE_HEADER = 24,
	SHARED_PAGES = 1024,
	SHARED_STATES = 2048,
};

struct shared_page; /* snapshots.c */

struct shared_head {
	uint32_t magic, layout;
	uint64_t workers;     /* so far: file handles of different ones differ */
	uint32_t init_length; /* the FUSE_INIT request, 0 before it came */
	uint32_t cpus;	      /* of each state */
	char init[512];
	/* Each begins with its length (struct fuse_in_header): 0 when there is none in work. */
	_Alignas(8) char requests[SHARED_MAX_THREADS][SHARED_REQUEST_BYTES];
};

struct shared {
	struct shared_head *head;
	struct shared_page *pages; /* SHARED_PAGES of SHARED_PAGE_HEADER */
	char *bytes_of_pages; /* SHARED_PAGES of SHARED_PAGE_BYTES; apart, to be touched when used */
	char *states;	      /* SHARED_STATES */
	size_t state_bytes;
	size_t bytes;
};

/* A memfd of the right size for a host with @cpus processors. -1 with *error. */
int shared_create(unsigned cpus, struct error **error);

/**
 * shared_map - map it; shared_unmap() ends that.
 * @fd: of shared_create(), perhaps of another version of the program, then the part that is not understood is emptied.
 */
int shared_map(struct shared *shared, int fd, struct error **error);
void shared_unmap(struct shared *shared);

/**
 * shared_state - what is remembered of an instance, found again or begun.
 * @now: ns; the state that was used longest ago is forgotten when there is no free one.
 */
struct instance_state *shared_state(struct shared *shared, uint64_t process_ids, uint64_t start,
				    uint64_t now);

#endif
