/* Unit tests of the WebSocket over a socket pair; the client's frames are made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "api/websocket.h"
#include "cleanup.h"
#include "file.h"
#include "memory.h"

struct pair {
	struct websocket *websocket;
	int client;
};

static struct pair make_pair(void)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	return (struct pair){websocket_create(fds[0], NULL, 0, NULL, NULL), fds[1]};
}

static void free_pair(struct pair *pair)
{
	websocket_free(pair->websocket);
	if (pair->client >= 0)
		close(pair->client);
}

/* A masked frame of fewer than 64 KiB, as clients send them. */
static void client_send(int fd, unsigned char first, const char *payload, size_t length)
{
	static const unsigned char mask[4] = {0x11, 0x22, 0x33, 0x44};
	unsigned char head[8] = {first, 0x80 | (length < 126 ? (unsigned char)length : 126)};
	size_t size = 2;
	if (length >= 126) {
		head[size++] = (unsigned char)(length >> 8);
		head[size++] = (unsigned char)length;
	}
	memcpy(head + size, mask, 4);
	size += 4;
	cleanup_free char *frame = memory_alloc(size + length);
	memcpy(frame, head, size);
	for (size_t i = 0; i < length; i++)
		frame[size + i] = (char)(payload[i] ^ mask[i % 4]);
	assert_int_equal(file_write_all(fd, frame, size + length), 0);
}

/* Reads one frame of the server; its first byte. */
static unsigned char client_receive(int fd, char *payload, size_t *length)
{
	unsigned char head[8];
	assert_int_equal(file_read_all(fd, head, 2), 2);
	*length = head[1];
	if (head[1] == 126) {
		assert_int_equal(file_read_all(fd, head + 2, 2), 2);
		*length = (size_t)head[2] << 8 | head[3];
	} else if (head[1] == 127) {
		assert_int_equal(file_read_all(fd, payload, 8), 8);
		*length = 0;
		for (int i = 0; i < 8; i++)
			*length = *length << 8 | (unsigned char)payload[i];
	}
	assert_int_equal(file_read_all(fd, payload, *length), *length);
	return head[0];
}

static void expect(int fd, unsigned char first, const char *text, size_t size)
{
	char payload[WEBSOCKET_CHUNK + 8];
	size_t length;
	assert_int_equal(client_receive(fd, payload, &length), first);
	assert_int_equal(length, size);
	assert_memory_equal(payload, text, size);
}

static void makes_key(void **state)
{
	(void)state;
	char accept[WEBSOCKET_KEY_SIZE];
	websocket_accept_key("dGhlIHNhbXBsZSBub25jZQ==", accept); /* RFC 6455, 1.3 */
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void joins_fragments(void **state)
{
	(void)state;
	struct pair pair = make_pair();
	cleanup_strbuf struct strbuf message = {0};
	enum websocket_type type;
	client_send(pair.client, 0x01, "abc", 3);
	client_send(pair.client, 0x89, "keepalive", 9);
	client_send(pair.client, 0x00, "", 0);
	client_send(pair.client, 0x80, "def", 3);
	assert_int_equal(websocket_receive_message(pair.websocket, &message, 100, &type, NULL),
			 WEBSOCKET_DATA);
	assert_string_equal(message.text, "abcdef");
	assert_int_equal(type, WEBSOCKET_TEXT);
	expect(pair.client, 0x8a, "keepalive", 9);
	client_send(pair.client, 0x88, "\x03\xe8", 2);
	assert_int_equal(websocket_receive_message(pair.websocket, &message, 100, &type, NULL),
			 WEBSOCKET_CLOSED);
	expect(pair.client, 0x88, "\x03\xe8", 2);
	assert_int_equal(websocket_send(pair.websocket, WEBSOCKET_TEXT, "x", 1, NULL), -1);
	free_pair(&pair);
}

static void refuses_violations(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t length;
	} rows[] = {
		{"\x82\x03\x61\x62\x63", 5},		    /* no mask */
		{"\xc2\x81\0\0\0\0x", 7},		    /* reserved bit */
		{"\x80\x81\0\0\0\0x", 7},		    /* nothing to continue */
		{"\x83\x81\0\0\0\0x", 7},		    /* unknown opcode */
		{"\x09\x81\0\0\0\0x", 7},		    /* fragment of a ping */
		{"\x02\x81\0\0\0\0x\x82\x81\0\0\0\0x", 14}, /* message in a message */
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pair pair = make_pair();
		cleanup_strbuf struct strbuf message = {0};
		enum websocket_type type;
		file_write_all(pair.client, rows[i].bytes, rows[i].length);
		assert_int_equal(
			websocket_receive_message(pair.websocket, &message, 100, &type, NULL),
			WEBSOCKET_ERROR);
		char payload[256];
		size_t length;
		assert_int_equal(client_receive(pair.client, payload, &length), 0x88);
		assert_memory_equal(payload, "\x03\xea", 2);
		free_pair(&pair);
	}
}

static void limits_messages(void **state)
{
	(void)state;
	struct pair pair = make_pair();
	cleanup_strbuf struct strbuf message = {0};
	enum websocket_type type;
	client_send(pair.client, 0x82, "0123456789", 10);
	assert_int_equal(websocket_receive_message(pair.websocket, &message, 9, &type, NULL),
			 WEBSOCKET_ERROR);
	free_pair(&pair);
}

static void holds_one_frame(void **state)
{
	(void)state;
	struct pair pair = make_pair();
	cleanup_free char *bytes = memory_alloc(WEBSOCKET_CHUNK);
	int posted, count = 0;
	while ((posted = websocket_post(pair.websocket, WEBSOCKET_BINARY, bytes, WEBSOCKET_CHUNK,
					NULL)) == 1)
		count++;
	assert_int_equal(posted, 0);
	char *payload = memory_alloc(WEBSOCKET_CHUNK + 8);
	for (int i = 0; i < count; i++) {
		size_t length;
		assert_int_equal(client_receive(pair.client, payload, &length), 0x82);
		assert_int_equal(length, WEBSOCKET_CHUNK);
		websocket_flush(pair.websocket, NULL);
	}
	free(payload);
	assert_int_equal(websocket_flush(pair.websocket, NULL), 1);
	close(pair.client);
	pair.client = -1;
	assert_int_equal(websocket_send(pair.websocket, WEBSOCKET_TEXT, "x", 1, NULL), -1);
	free_pair(&pair);
}

static void count_end(void *data)
{
	(*(int *)data)++;
}

static void pumps_both_ways(void **state)
{
	(void)state;
	struct pair pair = make_pair();
	int to[2], from[2], ends = 0;
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	client_send(pair.client, 0x82, "input", 5);
	client_send(pair.client, 0x81, "", 0);
	file_write_all(from[1], "output", 6);
	close(from[1]);
	struct websocket_pump pump = {from[0], to[1], -1, count_end, &ends};
	assert_int_equal(websocket_pump(pair.websocket, &pump, NULL), WEBSOCKET_PUMP_DONE);
	assert_int_equal(ends, 1);
	char text[6] = "";
	assert_int_equal(read(to[0], text, 5), 5);
	assert_string_equal(text, "input");
	expect(pair.client, 0x82, "output", 6);
	expect(pair.client, 0x81, "", 0);
	close(to[0]);
	close(to[1]);
	close(from[0]);
	free_pair(&pair);
}

static void pump_ends(void **state)
{
	(void)state;
	struct pair pair = make_pair();
	int from[2];
	cleanup_close int stop = eventfd(1, EFD_CLOEXEC);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	file_write_all(from[1], "last", 4);
	struct websocket_pump pump = {from[0], -1, stop, NULL, NULL};
	assert_int_equal(websocket_pump(pair.websocket, &pump, NULL), WEBSOCKET_PUMP_STOPPED);
	expect(pair.client, 0x82, "last", 4);
	expect(pair.client, 0x81, "", 0);
	close(pair.client);
	pair.client = -1;
	pump.stop_fd = -1;
	assert_int_equal(websocket_pump(pair.websocket, &pump, NULL), WEBSOCKET_PUMP_CLOSED);
	close(from[0]);
	close(from[1]);
	free_pair(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_key),	      cmocka_unit_test(joins_fragments),
		cmocka_unit_test(refuses_violations), cmocka_unit_test(limits_messages),
		cmocka_unit_test(holds_one_frame),    cmocka_unit_test(pumps_both_ways),
		cmocka_unit_test(pump_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
