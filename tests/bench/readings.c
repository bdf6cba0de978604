/* readings COUNT THREADS FILE: COUNT times in each thread open, read to the end, close. Prints p50 and p99, ns. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char *path;
static long count;
static pthread_barrier_t barrier;

static long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000L + time.tv_nsec;
}

static void *read_often(void *times)
{
	static _Thread_local char bytes[128 << 10];
	pthread_barrier_wait(&barrier);
	for (long i = 0; i < count; i++) {
		long began = now();
		ssize_t some;
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		while ((some = read(fd, bytes, sizeof(bytes))) > 0)
			;
		if (fd < 0 || some < 0) {
			perror(path);
			exit(1);
		}
		close(fd);
		((long *)times)[i] = now() - began;
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	long first = *(const long *)a, second = *(const long *)b;
	return (first > second) - (first < second);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	long threads = atol(argv[2]);
	count = atol(argv[1]);
	path = argv[3];
	long *times = calloc((size_t)(count * threads), sizeof(*times));
	pthread_t *ids = calloc((size_t)threads, sizeof(*ids));
	pthread_barrier_init(&barrier, NULL, (unsigned)threads);
	for (long i = 0; i < threads; i++)
		pthread_create(&ids[i], NULL, read_often, times + i * count);
	for (long i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	qsort(times, (size_t)(count * threads), sizeof(*times), compare);
	printf("%ld %ld\n", times[count * threads / 2], times[count * threads * 99 / 100]);
	return 0;
}
