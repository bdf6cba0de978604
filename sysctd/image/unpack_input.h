/*
 * What sysct-unpack reads: the metadata file, then an archive on a pipe. Every
 * byte goes through SHA-256 on its way, so the fingerprint costs no second pass.
 */
#ifndef SYSCT_IMAGE_UNPACK_INPUT_H
#define SYSCT_IMAGE_UNPACK_INPUT_H

#include <nettle/sha2.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

enum {
	UNPACK_BUFFER = 256 << 10,
	UNPACK_END = 1024, /* two blocks of zeros end a tar archive */
};

struct unpack_input {
	int fd;
	uint64_t bytes; /* of the archive, as read */
	uint64_t zeros; /* that it ends with so far; counted up to UNPACK_END */
	struct sha256_ctx hash;
	unsigned char *buffer;
};

void unpack_input_init(struct unpack_input *input, int fd);
void unpack_input_clear(struct unpack_input *input);

/* Waits for the first byte of the archive or its end. */
int unpack_input_wait(struct unpack_input *input, struct error **error);

/* Hashes the metadata file at @path, and keeps a copy of it as @copy. */
int unpack_input_metadata(struct unpack_input *input, const char *path, const char *copy,
			  struct error **error);

/* The next bytes, in input->buffer: their number, 0 at the end, -1 with errno. */
ssize_t unpack_input_read(struct unpack_input *input);

/* Reads to the end: padding after the archive's own end is part of the fingerprint. */
int unpack_input_drain(struct unpack_input *input, struct error **error);

enum { UNPACK_HEX_SIZE = 2 * SHA256_DIGEST_SIZE + 1 };
void unpack_input_fingerprint(struct unpack_input *input, char hex[static UNPACK_HEX_SIZE]);

#endif
