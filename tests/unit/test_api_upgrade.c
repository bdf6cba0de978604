/* Many WebSockets at once, each handed to a thread that closes it while the connection's own is still at it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/http.h"
#include "api/websocket.h"
#include "cleanup.h"
#include "file.h"

enum { CLIENTS = 4, CONNECTIONS = 2000, TIMEOUT = 20000 };

struct fixture {
	struct sockaddr_un address;
	int listener;
	struct api_server *server;
};

/* At another moment each time, for a mistake needs its own. */
static void spin(void)
{
	static atomic_uint count;
	for (volatile unsigned i = count++ % 100 * 200; i > 0; i--)
		;
}

static void *close_soon(void *data)
{
	struct websocket *websocket = data;
	spin();
	websocket_send(websocket, WEBSOCKET_TEXT, "bye", 3, NULL);
	websocket_free(websocket);
	return NULL;
}

static void hand_on(struct websocket *websocket, void *data)
{
	(void)data;
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, close_soon, websocket), 0);
	pthread_detach(thread);
}

static struct response *serve(struct request *request, struct error **error)
{
	(void)request;
	(void)error;
	return response_websocket(hand_on, NULL, NULL);
}

static int set_up(void **state)
{
	static const struct route routes[] = {{"GET", "/1.0/test", serve, ROUTE_WEBSOCKET, 0, NULL},
					      {0}};
	static const struct route *const all[] = {routes, NULL};
	static struct fixture fixture;
	fixture.address.sun_family = AF_UNIX;
	/* Abstract: nothing is left behind. */
	snprintf(fixture.address.sun_path + 1, sizeof(fixture.address.sun_path) - 1,
		 "sysct-test-%d", getpid());
	fixture.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fixture.listener, (struct sockaddr *)&fixture.address,
			      sizeof(fixture.address)),
			 0);
	assert_int_equal(listen(fixture.listener, 128), 0);
	fixture.server = api_server_start(
		&(struct api_config){.listen_fd = fixture.listener, .routes = all}, NULL);
	assert_non_null(fixture.server);
	*state = &fixture;
	return 0;
}

/* One conversation; whether the end of it came after the message. */
static bool talk(const struct fixture *fixture)
{
	static const char hello[] = "GET /1.0/test HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
				    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
				    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
	char answer[1024] = "";
	size_t length = 0;
	ssize_t count;
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 20},
		   sizeof(struct timeval));
	if (connect(fd, (const struct sockaddr *)&fixture->address, sizeof(fixture->address)) < 0 ||
	    file_write_all(fd, hello, sizeof(hello) - 1) < 0)
		return false;
	while (length < sizeof(answer) - 1 &&
	       (count = read(fd, answer + length, sizeof(answer) - 1 - length)) > 0)
		length += (size_t)count;
	return strncmp(answer, "HTTP/1.1 101", 12) == 0 && length > 5 &&
	       memcmp(answer + length - 5,
		      "\x81\x03"
		      "bye",
		      5) == 0;
}

static void *talk_often(void *data)
{
	intptr_t good = 0;
	for (int i = 0; i < CONNECTIONS; i++)
		good += talk(data);
	return (void *)good;
}

static void test_closed_elsewhere(void **state)
{
	struct fixture *fixture = *state;
	pthread_t clients[CLIENTS];
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_create(&clients[i], NULL, talk_often, fixture), 0);
	for (int i = 0; i < CLIENTS; i++) {
		void *good;
		assert_int_equal(pthread_join(clients[i], &good), 0);
		assert_int_equal((intptr_t)good, CONNECTIONS);
	}
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(api_server_stop(fixture->server, TIMEOUT), 0);
	close(fixture->listener);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_closed_elsewhere)};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
