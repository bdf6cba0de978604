/*
 * roundtrips ADDRESS PORT COUNT: sends one byte and waits for one, COUNT times over one connection, and prints the median in
 * nanoseconds.  roundtrips -s ADDRESS PORT: the other side, until it is killed.  roundtrips -d ADDRESS PORT: takes
 * what comes.  roundtrips -b ADDRESS PORT MIB: sends so much, and prints the microseconds until the other side has taken it.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char block[1 << 20];

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int prepare(char **argv, struct sockaddr_in *address)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	*address = (struct sockaddr_in){.sin_family = AF_INET,
					.sin_port = htons((uint16_t)atoi(argv[1]))};
	if (fd < 0 || inet_pton(AF_INET, argv[0], &address->sin_addr) != 1)
		exit(2);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return fd;
}

static void serve_one(int client, int discard)
{
	int one = 1;
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (ssize_t count; (count = read(client, block, sizeof(block))) > 0;)
		if (!discard && write(client, block, (size_t)count) != count)
			break;
	if (discard && write(client, "x", 1) != 1)
		_exit(1);
	_exit(0);
}

static int serve(char **argv, int discard)
{
	struct sockaddr_in address;
	int fd = prepare(argv, &address);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 64) < 0)
		return 1;
	for (;;) {
		int client = accept(fd, NULL, NULL);
		if (client < 0)
			continue;
		if (fork() == 0)
			serve_one(client, discard);
		close(client);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

static int connect_to(char **argv)
{
	struct sockaddr_in address;
	int fd = prepare(argv, &address);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		exit(1);
	return fd;
}

static int compare(const void *one, const void *other)
{
	long long a = *(const long long *)one, b = *(const long long *)other;
	return a < b ? -1 : a > b;
}

static int ask(char **argv)
{
	int fd = connect_to(argv), count = atoi(argv[2]);
	long long *times = calloc((size_t)count, sizeof(*times));
	char byte = 'x';
	if (!times || count <= 0)
		return 2;
	for (int i = 0; i < count; i++) {
		long long start = now();
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			return 1;
		times[i] = now() - start;
	}
	qsort(times, (size_t)count, sizeof(*times), compare);
	printf("%lld\n", times[count / 2]);
	return 0;
}

static int send_bulk(char **argv)
{
	int fd = connect_to(argv);
	long long start = now();
	for (int i = atoi(argv[2]); i > 0; i--)
		for (size_t sent = 0; sent < sizeof(block);) {
			ssize_t count = write(fd, block + sent, sizeof(block) - sent);
			if (count <= 0)
				return 1;
			sent += (size_t)count;
		}
	shutdown(fd, SHUT_WR);
	if (read(fd, block, 1) != 1)
		return 1;
	printf("%lld\n", (now() - start) / 1000);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "-s") == 0)
		return serve(argv + 2, 0);
	if (argc == 4 && strcmp(argv[1], "-d") == 0)
		return serve(argv + 2, 1);
	if (argc == 5 && strcmp(argv[1], "-b") == 0)
		return send_bulk(argv + 2);
	return argc == 4 ? ask(argv + 1) : 2;
}
