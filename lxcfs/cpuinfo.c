#include "lxcfs/cpuinfo.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lxcfs/host.h"
#include "memory.h"

/*
 * Processors differ in a few lines. A block is a list of pieces of the kept bytes: a line that the block before has
 * at the same place is not kept again, and lines that follow each other in the bytes are one piece. So a processor
 * needs some 150 bytes of the 1,500 that its block has on x86-64.
 *
 * A block begins at "processor" and ends after an empty line. Text before the first (32-bit ARM: "Processor: ...")
 * and after the last ("Hardware: ...") belongs to no processor: all see it.
 */
struct piece {
	uint32_t offset, length;
};

struct block {
	uint32_t first, count; /* pieces */
};

struct cpuinfo_blocks {
	unsigned references; /* below the lock */
	char *bytes;
	size_t length, bytes_room;
	struct piece *pieces;
	uint32_t count, pieces_room;
	struct block *processors; /* by number; those that are not there have no pieces */
	unsigned end, processors_room;
	struct block head, tail;
};

enum {
	CHUNK = 32 << 10,
	MAX_LINES = 64,	      /* that are compared; more are kept for each processor */
	REFRESH = 1000000000, /* ns */
	SHARE = 100	      /* of the time that reading takes */
};

struct reader {
	struct cpuinfo_blocks *blocks;
	struct block *block; /* that lines are added to */
	struct piece before[MAX_LINES], lines[MAX_LINES];
	unsigned line;
	bool ended; /* the block, by an empty line */
};

static void blocks_free(struct cpuinfo_blocks *blocks)
{
	free(blocks->bytes);
	free(blocks->pieces);
	free(blocks->processors);
	free(blocks);
}

/* Room for @count elements of an array that doubles. */
static void *grow(void *array, size_t size, size_t count, size_t room, size_t *new_room)
{
	*new_room = room;
	if (count <= room)
		return array;
	*new_room = count > 2 * room ? count : 2 * room;
	return memory_realloc(array, *new_room * size);
}

/* ---- what is kept ---- */

static struct piece keep_bytes(struct cpuinfo_blocks *blocks, const char *bytes, size_t length)
{
	blocks->bytes = grow(blocks->bytes, 1, blocks->length + length, blocks->bytes_room,
			     &blocks->bytes_room);
	memcpy(blocks->bytes + blocks->length, bytes, length);
	struct piece piece = {(uint32_t)blocks->length, (uint32_t)length};
	blocks->length += length;
	return piece;
}

static void add_piece(struct cpuinfo_blocks *blocks, struct block *block, struct piece piece)
{
	struct piece *last = block->count ? &blocks->pieces[block->first + block->count - 1] : NULL;
	if (last && last->offset + last->length == piece.offset) {
		last->length += piece.length;
		return;
	}
	size_t room;
	blocks->pieces =
		grow(blocks->pieces, sizeof(piece), blocks->count + 1, blocks->pieces_room, &room);
	blocks->pieces_room = (uint32_t)room;
	if (block->count == 0)
		block->first = blocks->count;
	blocks->pieces[blocks->count++] = piece;
	block->count++;
}

static struct block *start_processor(struct cpuinfo_blocks *blocks, unsigned number)
{
	size_t room;
	if (number >= blocks->end) {
		blocks->processors = grow(blocks->processors, sizeof(struct block), number + 1,
					  blocks->processors_room, &room);
		blocks->processors_room = (unsigned)room;
		memset(blocks->processors + blocks->end, 0,
		       (number + 1 - blocks->end) * sizeof(struct block));
		blocks->end = number + 1;
	}
	blocks->processors[number] = (struct block){0};
	return &blocks->processors[number];
}

/* "processor\t: 3", as x86-64 and arm64 write it. */
static bool is_start(const char *line, size_t length, unsigned *number)
{
	static const char name[] = "processor";
	const char *colon = memchr(line, ':', length);
	if (!colon || strncmp(line, name, sizeof(name) - 1) != 0 ||
	    strspn(line + sizeof(name) - 1, " \t") != (size_t)(colon - line) - (sizeof(name) - 1))
		return false;
	uint64_t value = source_number(colon + 1 + strspn(colon + 1, " "), NULL);
	*number = (unsigned)value;
	return value < HOST_MAX_CPUS;
}

/* A line with its newline. */
static void take_line(struct reader *reader, const char *line, size_t length)
{
	unsigned number;
	struct cpuinfo_blocks *blocks = reader->blocks;
	if (is_start(line, length, &number)) {
		reader->block = start_processor(blocks, number);
		memcpy(reader->before, reader->lines, sizeof(reader->lines));
		reader->line = 0;
		reader->ended = false;
	} else if (reader->ended) {
		reader->block = &blocks->tail;
		reader->line = MAX_LINES;
	}
	reader->ended = length == 1 && reader->block != &blocks->tail;
	struct piece *before = reader->line < MAX_LINES ? &reader->before[reader->line] : NULL;
	struct piece piece =
		before && before->length == length &&
				memcmp(blocks->bytes + before->offset, line, length) == 0
			? *before
			: keep_bytes(blocks, line, length);
	if (before)
		reader->lines[reader->line++] = piece;
	add_piece(blocks, reader->block, piece);
}

/* Takes whole lines; returns how many bytes these are. */
static size_t take_lines(struct reader *reader, const char *bytes, size_t length)
{
	size_t taken = 0;
	for (const char *end; (end = memchr(bytes + taken, '\n', length - taken));) {
		size_t line = (size_t)(end + 1 - bytes) - taken;
		take_line(reader, bytes + taken, line);
		taken += line;
	}
	return taken;
}

static struct cpuinfo_blocks *read_blocks(struct cpuinfo *cpuinfo, int proc)
{
	int fd = source_open(&cpuinfo->source, proc, "cpuinfo");
	if (fd < 0)
		return NULL;
	struct cpuinfo_blocks *blocks = memory_alloc(sizeof(*blocks));
	struct reader reader = {.blocks = blocks, .block = &blocks->head, .line = MAX_LINES};
	char buffer[CHUNK + 1];
	off_t offset = 0;
	size_t kept = 0;
	ssize_t some;
	while (kept < CHUNK && (some = pread(fd, buffer + kept, CHUNK - kept, offset)) > 0) {
		offset += some;
		kept += (size_t)some;
		buffer[kept] = '\0';
		size_t taken = take_lines(&reader, buffer, kept);
		kept -= taken;
		memmove(buffer, buffer + taken, kept);
	}
	if (some < 0) {
		blocks_free(blocks);
		return NULL;
	}
	blocks->bytes = memory_realloc(blocks->bytes, blocks->length + 1);
	blocks->bytes_room = blocks->length + 1;
	blocks->references = 1;
	return blocks;
}

/* ---- who has it ---- */

void cpuinfo_open(struct cpuinfo *cpuinfo)
{
	*cpuinfo = (struct cpuinfo){.source = SOURCE_INIT};
	pthread_mutex_init(&cpuinfo->lock, NULL);
}

void cpuinfo_close(struct cpuinfo *cpuinfo)
{
	source_close(&cpuinfo->source);
	if (cpuinfo->blocks)
		blocks_free(cpuinfo->blocks);
	cpuinfo->blocks = NULL;
	pthread_mutex_destroy(&cpuinfo->lock);
}

static void drop(struct cpuinfo_blocks *blocks)
{
	if (blocks && --blocks->references == 0)
		blocks_free(blocks);
}

/* Reads it again. Others go on with the old one, or wait for the first. */
static void refresh(struct host *host)
{
	struct cpuinfo *cpuinfo = &host->cpuinfo;
	struct moment before, after;
	bool first = !cpuinfo->blocks;
	cpuinfo->reading = true;
	if (!first)
		pthread_mutex_unlock(&cpuinfo->lock);
	host_now(host, &before);
	struct cpuinfo_blocks *blocks = read_blocks(cpuinfo, host->proc);
	host_now(host, &after);
	if (!first)
		pthread_mutex_lock(&cpuinfo->lock);
	cpuinfo->reading = false;
	uint64_t pause = SHARE * (after.boottime - before.boottime);
	cpuinfo->fresh_until = after.boottime + (pause > REFRESH ? pause : REFRESH);
	if (blocks) {
		drop(cpuinfo->blocks);
		cpuinfo->blocks = blocks;
	}
}

static struct cpuinfo_blocks *take(struct host *host)
{
	struct cpuinfo *cpuinfo = &host->cpuinfo;
	struct moment now;
	host_now(host, &now);
	pthread_mutex_lock(&cpuinfo->lock);
	if (!cpuinfo->blocks || (now.boottime >= cpuinfo->fresh_until && !cpuinfo->reading))
		refresh(host);
	struct cpuinfo_blocks *blocks = cpuinfo->blocks;
	if (blocks)
		blocks->references++;
	pthread_mutex_unlock(&cpuinfo->lock);
	return blocks;
}

static void give_back(struct cpuinfo *cpuinfo, struct cpuinfo_blocks *blocks)
{
	pthread_mutex_lock(&cpuinfo->lock);
	drop(blocks);
	pthread_mutex_unlock(&cpuinfo->lock);
}

static void add_block(struct text *text, const struct cpuinfo_blocks *blocks,
		      const struct block *block)
{
	for (uint32_t i = 0; i < block->count; i++) {
		const struct piece *piece = &blocks->pieces[block->first + i];
		text_add_bytes(text, blocks->bytes + piece->offset, piece->length);
	}
}

bool cpuinfo_write(struct host *host, const uint64_t *cpus, unsigned end, struct text *text)
{
	struct cpuinfo_blocks *blocks = take(host);
	if (!blocks)
		return false;
	add_block(text, blocks, &blocks->head);
	for (unsigned number = 0; number < end && number < blocks->end; number++)
		if (cpus[number / 64] >> number % 64 & 1)
			add_block(text, blocks, &blocks->processors[number]);
	add_block(text, blocks, &blocks->tail);
	give_back(&host->cpuinfo, blocks);
	return true;
}
