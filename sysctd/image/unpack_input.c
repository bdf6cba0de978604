/* See unpack_input.h. */
#include "image/unpack_input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"

enum { METADATA_MAX = 1 << 20 };

void unpack_input_init(struct unpack_input *input, int fd)
{
	*input = (struct unpack_input){.fd = fd, .buffer = memory_alloc(UNPACK_BUFFER)};
	sha256_init(&input->hash);
}

void unpack_input_clear(struct unpack_input *input)
{
	free(input->buffer);
}

int unpack_input_wait(struct unpack_input *input, struct error **error)
{
	struct pollfd fd = {input->fd, POLLIN, 0};
	while (poll(&fd, 1, -1) < 0)
		if (errno != EINTR)
			return error_errno(error, errno, "waiting for the archive");
	return 0;
}

int unpack_input_metadata(struct unpack_input *input, const char *path, const char *copy,
			  struct error **error)
{
	size_t length = 0;
	cleanup_free char *text = file_read_at(AT_FDCWD, path, &length, error);
	if (!text)
		return -1;
	if (length > METADATA_MAX)
		return error_set(error, ERROR_INVALID, "%s is larger than 1 MiB", path);
	sha256_update(&input->hash, length, (const uint8_t *)text);
	return file_replace_at(AT_FDCWD, copy, text, length, 0644, false, error);
}

static void count_zeros(struct unpack_input *input, size_t count)
{
	size_t zeros = 0;
	while (zeros < count && zeros < UNPACK_END && input->buffer[count - 1 - zeros] == 0)
		zeros++;
	input->zeros = zeros < count ? zeros : input->zeros + zeros;
}

ssize_t unpack_input_read(struct unpack_input *input)
{
	ssize_t count;
	do
		count = read(input->fd, input->buffer, UNPACK_BUFFER);
	while (count < 0 && errno == EINTR);
	if (count > 0) {
		sha256_update(&input->hash, (size_t)count, input->buffer);
		input->bytes += (uint64_t)count;
		count_zeros(input, (size_t)count);
	}
	return count;
}

int unpack_input_drain(struct unpack_input *input, struct error **error)
{
	ssize_t count;
	while ((count = unpack_input_read(input)) > 0)
		;
	return count < 0 ? error_errno(error, errno, "reading the archive") : 0;
}

void unpack_input_fingerprint(struct unpack_input *input, char hex[static UNPACK_HEX_SIZE])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	sha256_digest(&input->hash, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}
