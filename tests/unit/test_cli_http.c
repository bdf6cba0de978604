/* lib/http_client.c against answers of every shape, also broken ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/http_client.h"
#include "lib/websocket_client.h"

/* A server that takes one connection and gives one prepared answer a request. */
struct server {
	char path[64];
	int listener;
	const char *answers[4];
	size_t length; /* of an answer with NULs; 0: strlen */
	size_t step;   /* bytes in one write; 0: all */
	pthread_t thread;
};

static void write_steps(int fd, const char *bytes, size_t length, size_t step)
{
	while (length > 0) {
		size_t now = step && step < length ? step : length;
		ssize_t count = send(fd, bytes, now, MSG_NOSIGNAL);
		if (count <= 0)
			return;
		bytes += count;
		length -= (size_t)count;
	}
}

static void *serve(void *data)
{
	struct server *server = data;
	cleanup_close int fd = accept(server->listener, NULL, NULL);
	char request[4096];
	for (size_t i = 0; i < 4 && server->answers[i]; i++) {
		if (recv(fd, request, sizeof(request), 0) <= 0)
			break;
		const char *answer = server->answers[i];
		write_steps(fd, answer, server->length ? server->length : strlen(answer),
			    server->step);
	}
	return NULL;
}

static void start(struct server *server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(server->path, sizeof(server->path), "/tmp/sysct-test-http-%d", (int)getpid());
	unlink(server->path);
	strcpy(address.sun_path, server->path);
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->listener, 1), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop(struct server *server)
{
	pthread_join(server->thread, NULL);
	close(server->listener);
	unlink(server->path);
}

static int get(struct http_client *client, struct http_response *response, struct error **error)
{
	struct http_request request = {.method = "GET", .path = "/"};
	return http_client_request(client, &request, response, error);
}

static void test_keep_alive(void **state)
{
	(void)state;
	for (size_t step = 0; step < 4; step++) {
		struct server server = {
			.answers =
				{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag:  \"x\" \r\n\r\nabc",
				 "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 A\r\n"
				 "transfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n"
				 "a\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n",
				 "HTTP/1.1 204 No\r\n\r\n"},
			.step = step};
		start(&server);
		struct http_client *client = http_client_new(server.path, 5000);
		cleanup_response struct http_response response = {0};
		assert_int_equal(get(client, &response, NULL), 0);
		assert_string_equal(response.body.text, "abc");
		cleanup_free char *etag = http_response_header(&response, "etag");
		assert_string_equal(etag, "\"x\"");
		assert_int_equal(get(client, &response, NULL), 0);
		assert_int_equal(response.status, 202);
		assert_string_equal(response.body.text, "abc0123456789");
		assert_int_equal(get(client, &response, NULL), 0);
		assert_int_equal(response.status, 204);
		assert_int_equal(response.body.length, 0);
		http_client_free(client);
		stop(&server);
	}
}

static void expect_failure(const char *answer)
{
	struct server server = {.answers = {answer}};
	cleanup_error struct error *error = NULL;
	cleanup_response struct http_response response = {0};
	start(&server);
	struct http_client *client = http_client_new(server.path, 5000);
	if (get(client, &response, &error) == 0)
		fail_msg("taken for good: %s", answer);
	assert_non_null(error);
	http_client_free(client);
	stop(&server);
}

static void test_broken(void **state)
{
	(void)state;
	expect_failure("");
	expect_failure("SSH-2.0-x\r\n\r\n");
	expect_failure("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
	expect_failure("HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc");
	expect_failure("HTTP/1.1 200 OK\r\nContent-Length: 3x\r\n\r\nabc");
	expect_failure("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
	expect_failure(
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n");
	expect_failure("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	expect_failure("HTTP/1.1 200 OK\r\nX: ");
}

static void test_body_until_end(void **state)
{
	struct server server = {.answers = {"HTTP/1.0 200 OK\r\n\r\nabc"}};
	cleanup_response struct http_response response = {0};
	(void)state;
	start(&server);
	struct http_client *client = http_client_new(server.path, 5000);
	assert_int_equal(get(client, &response, NULL), 0);
	assert_string_equal(response.body.text, "abc");
	http_client_free(client);
	stop(&server);
}

static void test_nobody_there(void **state)
{
	cleanup_error struct error *error = NULL;
	cleanup_response struct http_response response = {0};
	struct http_client *client = http_client_new("/nonexistent/socket", 0);
	(void)state;
	assert_int_equal(get(client, &response, &error), -1);
	assert_int_equal(error->errnum, ENOENT);
	assert_int_equal(http_client_fd(client), -1);
	http_client_free(client);
}

static void test_escape(void **state)
{
	cleanup_strbuf struct strbuf path = {0};
	(void)state;
	http_append_escaped(&path, "debian/12 \xc3\xa9?&-_.~");
	assert_string_equal(path.text, "debian%2F12%20%C3%A9%3F%26-_.~");
}

static const char frames[] = "HTTP/1.1 101 S\r\n\r\n"
			     "\x89\x02hi" /* ping */
			     "\x01\x02"
			     "ab"
			     "\x80\x01"
			     "c"		   /* two fragments */
			     "\x81\x7e\x00\x03xyz" /* long length */
			     "\x88\x00";	   /* close */

static void test_websocket(void **state)
{
	(void)state;
	for (size_t step = 0; step < 3; step++) {
		struct server server = {
			.answers = {frames}, .length = sizeof(frames) - 1, .step = step};
		cleanup_response struct http_response response = {0};
		cleanup_strbuf struct strbuf message = {0};
		start(&server);
		struct http_client *client = http_client_new(server.path, 5000);
		assert_int_equal(websocket_open(client, "/events", &response, NULL), 0);
		assert_int_equal(response.status, 101);
		int first = websocket_receive(client, &message, NULL);
		/* The prepared server may be gone before the pong is sent. */
		if (first == 1) {
			assert_string_equal(message.text, "abc");
			assert_int_equal(websocket_receive(client, &message, NULL), 1);
			assert_string_equal(message.text, "xyz");
			assert_int_equal(websocket_receive(client, &message, NULL), 0);
		}
		http_client_free(client);
		stop(&server);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keep_alive),     cmocka_unit_test(test_broken),
		cmocka_unit_test(test_body_until_end), cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_escape),	       cmocka_unit_test(test_websocket),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
