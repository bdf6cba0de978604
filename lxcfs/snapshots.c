/*
 * A snapshot is a chain of pages. Its first page carries the handle, which is written last and cleared first, so that
 * a worker that dies in between leaves free pages or a whole snapshot. Everything else here is found again from them.
 */
#include "lxcfs/snapshots.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

enum {
	NONE = UINT16_MAX,
	BUCKETS = 1024,
	OWNERS = 256,			  /* counted by a hash: two may share a count */
	MOST_OF_ONE = SHARED_PAGES / 8,	  /* pages */
	FAIR = SHARED_PAGES / 64,	  /* who has no more is not robbed while others have */
	LONGEST = 32 * SHARED_PAGE_BYTES, /* longer ones are huge */
	HUGE_TEXTS = 2,
};

struct shared_page {
	_Atomic uint64_t handle; /* 0: not the first of a snapshot */
	uint64_t owner;
	uint32_t length; /* of the whole text */
	uint16_t next;	 /* page, or NONE */
	uint16_t unused;
};

_Static_assert(sizeof(struct shared_page) == SHARED_PAGE_HEADER, "it is laid out in shared.c");

/* Else making room for a long text could take what others have. */
_Static_assert(MOST_OF_ONE - LONGEST / SHARED_PAGE_BYTES - 1 > FAIR,
	       "an owner at its limit has many");

/* Of hosts with hundreds of processors: kept by this worker alone, the last few of them. */
struct huge {
	uint64_t handle;
	size_t length;
	char *bytes; /* NULL: none */
};

struct snapshots {
	struct shared_page *pages;
	char *bytes; /* of page after page */
	pthread_mutex_t lock;
	uint16_t buckets[BUCKETS];	    /* first pages by handle */
	uint16_t same_bucket[SHARED_PAGES]; /* next in the bucket */
	uint16_t free[SHARED_PAGES];
	unsigned free_count;
	unsigned owned[OWNERS];
	unsigned hand; /* where the search for the next victim begins */
	struct huge huge[HUGE_TEXTS];
	unsigned next_huge;
};

static unsigned bucket_of(uint64_t handle)
{
	return (unsigned)(handle * UINT64_C(0x9e3779b97f4a7c15) >> 54) % BUCKETS;
}

static unsigned *owned_by(struct snapshots *snapshots, uint64_t owner)
{
	return &snapshots->owned[owner % OWNERS];
}

static unsigned page_count(size_t length)
{
	return length ? (unsigned)((length + SHARED_PAGE_BYTES - 1) / SHARED_PAGE_BYTES) : 1;
}

/* The link that leads to a handle's first page, or to NONE. */
static uint16_t *find(struct snapshots *snapshots, uint64_t handle)
{
	uint16_t *link = &snapshots->buckets[bucket_of(handle)];
	while (*link != NONE && snapshots->pages[*link].handle != handle)
		link = &snapshots->same_bucket[*link];
	return link;
}

static void enter(struct snapshots *snapshots, uint16_t first)
{
	uint16_t *bucket = &snapshots->buckets[bucket_of(snapshots->pages[first].handle)];
	snapshots->same_bucket[first] = *bucket;
	*bucket = first;
}

static void drop(struct snapshots *snapshots, uint16_t *link)
{
	uint16_t page = *link;
	if (page == NONE)
		return;
	*link = snapshots->same_bucket[page];
	snapshots->pages[page].handle = 0;
	unsigned *owned = owned_by(snapshots, snapshots->pages[page].owner);
	for (; page != NONE; page = snapshots->pages[page].next) {
		snapshots->free[snapshots->free_count++] = page;
		--*owned;
	}
}

/* Drops one snapshot: of @owner's when it has many, else of somebody who has many, else of anybody. */
static void drop_victim(struct snapshots *snapshots, uint64_t owner)
{
	unsigned *own = owned_by(snapshots, owner);
	uint16_t any = NONE;
	for (unsigned i = 0; i < SHARED_PAGES; i++) {
		uint16_t page = (uint16_t)((snapshots->hand + i) % SHARED_PAGES);
		if (snapshots->pages[page].handle == 0)
			continue;
		any = any == NONE ? page : any;
		unsigned *owned = owned_by(snapshots, snapshots->pages[page].owner);
		if (*own > FAIR ? owned == own : *owned > FAIR) {
			any = page;
			break;
		}
	}
	if (any == NONE)
		return;
	snapshots->hand = any + 1U;
	drop(snapshots, find(snapshots, snapshots->pages[any].handle));
}

static struct huge *find_huge(struct snapshots *snapshots, uint64_t handle)
{
	for (unsigned i = 0; i < HUGE_TEXTS; i++)
		if (snapshots->huge[i].bytes && snapshots->huge[i].handle == handle)
			return &snapshots->huge[i];
	return NULL;
}

static void drop_huge(struct huge *huge)
{
	if (!huge)
		return;
	free(huge->bytes);
	*huge = (struct huge){0};
}

static void store_huge(struct snapshots *snapshots, uint64_t handle, const char *bytes,
		       size_t length)
{
	struct huge *huge = &snapshots->huge[snapshots->next_huge++ % HUGE_TEXTS];
	drop_huge(huge);
	*huge = (struct huge){handle, length, memory_alloc(length)};
	memcpy(huge->bytes, bytes, length);
}

static void store_pages(struct snapshots *snapshots, uint64_t handle, uint64_t owner,
			const char *bytes, size_t length)
{
	unsigned count = page_count(length), *owned = owned_by(snapshots, owner);
	while (*owned && *owned + count > MOST_OF_ONE)
		drop_victim(snapshots, owner);
	while (snapshots->free_count < count)
		drop_victim(snapshots, owner);
	uint16_t next = NONE;
	for (unsigned part = count; part-- > 0;) {
		uint16_t number = snapshots->free[--snapshots->free_count];
		struct shared_page *page = &snapshots->pages[number];
		size_t at = (size_t)part * SHARED_PAGE_BYTES;
		memcpy(snapshots->bytes + (size_t)number * SHARED_PAGE_BYTES, bytes + at,
		       length - at < SHARED_PAGE_BYTES ? length - at : SHARED_PAGE_BYTES);
		page->owner = owner;
		page->length = (uint32_t)length;
		page->next = next;
		next = number;
	}
	*owned += count;
	atomic_store_explicit(&snapshots->pages[next].handle, handle, memory_order_release);
	enter(snapshots, next);
}

void snapshots_store(struct snapshots *snapshots, uint64_t handle, uint64_t owner,
		     const char *bytes, size_t length)
{
	pthread_mutex_lock(&snapshots->lock);
	drop(snapshots, find(snapshots, handle));
	drop_huge(find_huge(snapshots, handle));
	if (length <= LONGEST)
		store_pages(snapshots, handle, owner, bytes, length);
	else
		store_huge(snapshots, handle, bytes, length);
	pthread_mutex_unlock(&snapshots->lock);
}

static ssize_t read_huge(const struct huge *huge, uint64_t offset, char *bytes, size_t size)
{
	size_t left = offset < huge->length ? huge->length - offset : 0;
	if (size > left)
		size = left;
	memcpy(bytes, huge->bytes + (left ? offset : 0), size);
	return (ssize_t)size;
}

static ssize_t read_pages(const struct snapshots *snapshots, uint16_t page, uint64_t offset,
			  char *bytes, size_t size)
{
	uint64_t length = snapshots->pages[page].length;
	uint64_t end = offset + size < length ? offset + size : length;
	if (end <= offset)
		return 0;
	for (uint64_t at = 0; page != NONE && at < end;
	     at += SHARED_PAGE_BYTES, page = snapshots->pages[page].next) {
		uint64_t from = at > offset ? at : offset;
		uint64_t to = at + SHARED_PAGE_BYTES < end ? at + SHARED_PAGE_BYTES : end;
		if (from < to)
			memcpy(bytes + (from - offset),
			       snapshots->bytes + (size_t)page * SHARED_PAGE_BYTES + (from - at),
			       to - from);
	}
	return (ssize_t)(end - offset);
}

ssize_t snapshots_read(struct snapshots *snapshots, uint64_t handle, uint64_t offset, char *bytes,
		       size_t size)
{
	ssize_t result = -1;
	pthread_mutex_lock(&snapshots->lock);
	uint16_t page = *find(snapshots, handle);
	const struct huge *huge = page == NONE ? find_huge(snapshots, handle) : NULL;
	if (huge)
		result = read_huge(huge, offset, bytes, size);
	else if (page != NONE)
		result = read_pages(snapshots, page, offset, bytes, size);
	pthread_mutex_unlock(&snapshots->lock);
	return result;
}

void snapshots_drop(struct snapshots *snapshots, uint64_t handle)
{
	pthread_mutex_lock(&snapshots->lock);
	drop(snapshots, find(snapshots, handle));
	drop_huge(find_huge(snapshots, handle));
	pthread_mutex_unlock(&snapshots->lock);
}

/* A chain that makes no sense, which only a broken memory has, ends the snapshot. */
static bool mark_chain(const struct snapshots *snapshots, uint16_t page, bool *used)
{
	unsigned count = page_count(snapshots->pages[page].length);
	uint16_t chain[LONGEST / SHARED_PAGE_BYTES + 1];
	if (count > LONGEST / SHARED_PAGE_BYTES + 1)
		return false;
	for (unsigned i = 0; i < count; i++, page = snapshots->pages[page].next) {
		if (page >= SHARED_PAGES || used[page])
			return false;
		chain[i] = page;
	}
	for (unsigned i = 0; i < count; i++)
		used[chain[i]] = true;
	return page == NONE;
}

struct snapshots *snapshots_open(struct shared *shared)
{
	struct snapshots *snapshots = memory_alloc(sizeof(*snapshots));
	bool used[SHARED_PAGES] = {false};
	snapshots->pages = shared->pages;
	snapshots->bytes = shared->bytes_of_pages;
	pthread_mutex_init(&snapshots->lock, NULL);
	for (unsigned i = 0; i < BUCKETS; i++)
		snapshots->buckets[i] = NONE;
	for (unsigned number = 0; number < SHARED_PAGES; number++) {
		uint16_t page = (uint16_t)number;
		struct shared_page *first = &snapshots->pages[page];
		if (first->handle == 0)
			continue;
		if (!mark_chain(snapshots, page, used)) {
			first->handle = 0;
			continue;
		}
		*owned_by(snapshots, first->owner) += page_count(first->length);
		enter(snapshots, page);
	}
	for (uint16_t page = SHARED_PAGES; page-- > 0;)
		if (!used[page])
			snapshots->free[snapshots->free_count++] = page;
	return snapshots;
}

void snapshots_close(struct snapshots *snapshots)
{
	for (unsigned i = 0; i < HUGE_TEXTS; i++)
		drop_huge(&snapshots->huge[i]);
	pthread_mutex_destroy(&snapshots->lock);
	free(snapshots);
}
