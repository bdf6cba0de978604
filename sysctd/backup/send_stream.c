/* See send_stream.h. Numbers are little-endian; the sum is CRC-32C, from 0 and not inverted. */
#include "backup/send_stream.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

static const char magic[13] = "btrfs-stream";

enum { VERSION = 1, HEAD = 10, MOST = 1 << 20 };

/* Four bits at a time, by the polynomial 0x82f63b78. */
static uint32_t sum(const void *bytes, size_t length)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	uint32_t crc = 0;
	for (size_t i = 0; i < length; i++) {
		crc ^= ((const uint8_t *)bytes)[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

static uint16_t number16(const void *bytes)
{
	uint16_t number;
	memcpy(&number, bytes, sizeof(number));
	return le16toh(number);
}

static uint32_t number32(const void *bytes)
{
	uint32_t number;
	memcpy(&number, bytes, sizeof(number));
	return le32toh(number);
}

/* ---- reading ---- */

static int damaged(struct error **error)
{
	return error_set(error, ERROR_INVALID, "the stream of a subvolume is damaged");
}

int send_read_head(struct send_reader *reader, struct error **error)
{
	char head[sizeof(magic) + sizeof(uint32_t)];
	if (reader->source(reader->data, head, sizeof(head), error) < 0)
		return -1;
	if (memcmp(head, magic, sizeof(magic)) != 0)
		return error_set(error, ERROR_INVALID, "this is no stream of a btrfs subvolume");
	uint32_t version = number32(head + sizeof(magic));
	return version == VERSION
		       ? 0
		       : error_set(
				 error, ERROR_UNSUPPORTED,
				 "the stream of a subvolume is of version %u: only version %d can "
				 "be read",
				 version, VERSION);
}

/* Each value gets a zero byte behind it, in a copy. */
static int split(struct send_reader *reader, size_t length, struct send_command *command,
		 struct error **error)
{
	const char *at = reader->body + HEAD, *end = at + length;
	char *to = reader->text;
	while (at < end) {
		size_t size = end - at < 4 ? MOST : number16(at + 2);
		if (size > (size_t)(end - at) - 4)
			return damaged(error);
		uint16_t attribute = number16(at);
		memcpy(to, at + 4, size);
		to[size] = '\0';
		if (attribute <= SEND_A_MOST)
			command->values[attribute] = (struct send_value){to, size};
		to += size + 1;
		at += 4 + size;
	}
	return 0;
}

int send_read(struct send_reader *reader, struct send_command *command, struct error **error)
{
	if (!reader->body) {
		reader->body = memory_alloc(HEAD + MOST);
		reader->text = memory_alloc(MOST);
	}
	if (reader->source(reader->data, reader->body, HEAD, error) < 0)
		return -1;
	uint32_t length = number32(reader->body), expected = number32(reader->body + 6);
	*command = (struct send_command){.kind = (enum send_kind)number16(reader->body + 4)};
	if (length > MOST)
		return damaged(error);
	if (reader->source(reader->data, reader->body + HEAD, length, error) < 0)
		return -1;
	memset(reader->body + 6, 0, sizeof(uint32_t));
	if (sum(reader->body, HEAD + length) != expected)
		return damaged(error);
	if (split(reader, length, command, error) < 0)
		return -1;
	return command->kind == SEND_END ? 0 : 1;
}

void send_reader_clear(struct send_reader *reader)
{
	free(reader->body);
	free(reader->text);
	reader->body = reader->text = NULL;
}

const char *send_text(const struct send_command *command, enum send_attribute attribute,
		      struct error **error)
{
	const struct send_value *value = &command->values[attribute];
	if (value->bytes && strlen(value->bytes) == value->length)
		return value->bytes;
	damaged(error);
	return NULL;
}

int send_number(const struct send_command *command, enum send_attribute attribute, uint64_t *number,
		struct error **error)
{
	const struct send_value *value = &command->values[attribute];
	uint64_t bytes = 0;
	if (!value->bytes || value->length > sizeof(bytes))
		return damaged(error);
	memcpy(&bytes, value->bytes, value->length);
	*number = le64toh(bytes);
	return 0;
}

/* ---- writing ---- */

static void append16(struct strbuf *stream, uint16_t number)
{
	number = htole16(number);
	strbuf_append_bytes(stream, (const char *)&number, sizeof(number));
}

static void append32(struct strbuf *stream, uint32_t number)
{
	number = htole32(number);
	strbuf_append_bytes(stream, (const char *)&number, sizeof(number));
}

void send_write_head(struct strbuf *stream)
{
	strbuf_append_bytes(stream, magic, sizeof(magic));
	append32(stream, VERSION);
}

size_t send_write_begin(struct strbuf *stream, enum send_kind kind)
{
	size_t begun = stream->length;
	append32(stream, 0);
	append16(stream, (uint16_t)kind);
	append32(stream, 0);
	return begun;
}

void send_write_bytes(struct strbuf *stream, enum send_attribute attribute, const void *bytes,
		      size_t length)
{
	append16(stream, (uint16_t)attribute);
	append16(stream, (uint16_t)length);
	strbuf_append_bytes(stream, bytes, length);
}

void send_write_text(struct strbuf *stream, enum send_attribute attribute, const char *text)
{
	send_write_bytes(stream, attribute, text, strlen(text));
}

void send_write_number(struct strbuf *stream, enum send_attribute attribute, uint64_t number)
{
	number = htole64(number);
	send_write_bytes(stream, attribute, &number, sizeof(number));
}

void send_write_end(struct strbuf *stream, size_t begun)
{
	char *command = stream->text + begun;
	uint32_t length = htole32((uint32_t)(stream->length - begun - HEAD));
	memcpy(command, &length, sizeof(length));
	uint32_t crc = htole32(sum(command, stream->length - begun));
	memcpy(command + 6, &crc, sizeof(crc));
}
