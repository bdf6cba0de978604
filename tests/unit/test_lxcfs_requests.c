/*
 * Requests of FUSE given to the server as the kernel gives them, random ones among them: each gets one answer, of the
 * right kind, and nothing breaks. The seed is printed; SYSCT_SEED chooses another.
 */
#include "tests/unit/test_lxcfs_common.h"
#include "tests/unit/test_lxcfs_process.h"

#include <dirent.h>
#include <errno.h>
#include <linux/fuse.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lxcfs/server.h"
#include "lxcfs/tree.h"

enum { ROUNDS = 20000, ANSWER_BYTES = 1 << 18, ANY = 1 };

static struct host host;
static struct shared shared;
static struct server *server;
static int kernel; /* our end of what the server takes for /dev/fuse */
static uint64_t last_unique = 2;
static pid_t inside; /* a process in a pid namespace of its own */
static char answer_bytes[ANSWER_BYTES];

struct answer {
	int error;
	const char *bytes;
	size_t length;
};

/* @arguments: what follows the header. An answer that does not come in time is none. */
static struct answer ask(uint32_t opcode, uint64_t node, pid_t pid, const void *arguments,
			 size_t length, bool answered)
{
	static char request[8192] __attribute__((aligned(8)));
	struct fuse_in_header header = {.len = (uint32_t)(sizeof(header) + length),
					.opcode = opcode,
					.unique = last_unique += 2,
					.nodeid = node,
					.pid = (uint32_t)pid};
	memcpy(request, &header, sizeof(header));
	memcpy(request + sizeof(header), arguments, length);
	server_process(server, request, sizeof(header) + length);
	ssize_t got = recv(kernel, answer_bytes, sizeof(answer_bytes), MSG_DONTWAIT);
	if (!answered) {
		assert_int_equal(got, -1);
		return (struct answer){0};
	}
	struct fuse_out_header out;
	assert_true(got >= (ssize_t)sizeof(out));
	memcpy(&out, answer_bytes, sizeof(out));
	assert_int_equal(out.len, got);
	assert_int_equal(out.unique, last_unique);
	assert_true(out.error <= 0 && out.error > -4096);
	assert_true(out.error == 0 || out.len == sizeof(out));
	assert_int_equal(recv(kernel, answer_bytes + sizeof(out) + got, 1, MSG_DONTWAIT), -1);
	return (struct answer){out.error, answer_bytes + sizeof(out), (size_t)got - sizeof(out)};
}

static struct answer look_up(uint64_t parent, const char *name, pid_t pid)
{
	return ask(FUSE_LOOKUP, parent, pid, name, strlen(name) + 1, true);
}

/* The node of a path below the mount, 0 when it is not there. */
static uint64_t node_of(const char *path, pid_t pid)
{
	cleanup_free char *copy = memory_strdup(path);
	uint64_t node = TREE_ROOT;
	char *rest = copy;
	for (char *name; node && (name = strsep(&rest, "/"));) {
		struct answer answer = look_up(node, name, pid);
		struct fuse_entry_out entry = {0};
		if (answer.error == 0)
			memcpy(&entry, answer.bytes, sizeof(entry));
		node = entry.nodeid;
	}
	return node;
}

static struct answer open_file(uint64_t node, pid_t pid, uint32_t flags)
{
	struct fuse_open_in in = {.flags = flags};
	return ask(FUSE_OPEN, node, pid, &in, sizeof(in), true);
}

static struct answer read_at(uint64_t node, uint64_t handle, pid_t pid, uint64_t offset,
			     uint32_t size)
{
	struct fuse_read_in in = {.fh = handle,
				  .offset = offset,
				  .size = size,
				  .read_flags = FUSE_READ_LOCKOWNER,
				  .lock_owner = 1};
	return ask(FUSE_READ, node, pid, &in, sizeof(in), true);
}

static uint64_t open_path(const char *path, pid_t pid, uint64_t *node)
{
	struct fuse_open_out out;
	*node = node_of(path, pid);
	assert_true(*node);
	struct answer answer = open_file(*node, pid, O_RDONLY);
	assert_int_equal(answer.error, 0);
	memcpy(&out, answer.bytes, sizeof(out));
	assert_true(out.open_flags & FOPEN_DIRECT_IO);
	return out.fh;
}

/* Read at the end, in the middle and behind it: parts of one text. */
static void test_read(void **state)
{
	(void)state;
	uint64_t node, handle = open_path("proc/uptime", inside, &node);
	struct answer answer = read_at(node, handle, inside, 0, 4096);
	cleanup_free char *text = memory_strndup(answer.bytes, answer.length);
	size_t length = answer.length;
	assert_int_equal(answer.error, 0);
	assert_true(length > 4 && text[length - 1] == '\n');
	answer = read_at(node, handle, inside, 2, 3);
	assert_int_equal(answer.length, 3);
	assert_memory_equal(answer.bytes, text + 2, 3);
	assert_int_equal(read_at(node, handle, inside, length, 4096).length, 0);
	assert_int_equal(read_at(node, handle, inside, UINT64_MAX, 4096).length, 0);
	/* Through the page cache, which all instances share (mmap, sendfile). */
	struct fuse_read_in page = {.fh = handle, .size = 4096};
	assert_int_equal(ask(FUSE_READ, node, inside, &page, sizeof(page), true).error, -EINVAL);
	struct fuse_release_in release = {.fh = handle};
	assert_int_equal(ask(FUSE_RELEASE, node, inside, &release, sizeof(release), true).error, 0);
}

static void test_refused(void **state)
{
	(void)state;
	uint64_t node = node_of("proc/meminfo", inside);
	assert_int_equal(open_file(node, inside, O_RDWR).error, -EACCES);
	assert_int_equal(open_file(node, inside, O_WRONLY | O_TRUNC).error, -EACCES);
	assert_int_equal(open_file(12345, inside, O_RDONLY).error, -ENOENT);
	assert_int_equal(look_up(TREE_ROOT, "nothing", inside).error, -ENOENT);
	assert_int_equal(look_up(node, "meminfo", inside).error, -ENOENT);
	struct fuse_setattr_in change = {.valid = FATTR_MODE, .mode = 0777};
	assert_int_equal(ask(FUSE_SETATTR, node, inside, &change, sizeof(change), true).error,
			 -EPERM);
}

/* A number in the text of every file: of all paths that there are, random ones, and of those that there are not. */
static uint64_t any_node(void)
{
	if (rand() % 8 == 0)
		return (uint64_t)rand() << rand() % 40;
	const struct file *file = &files[(unsigned)rand() % files_count];
	unsigned number;
	const struct node *node = tree_node(TREE_ROOT, &number);
	cleanup_free char *path = memory_strdup(file->path);
	char *rest = path;
	for (char *name; (name = strsep(&rest, "/")) && (rand() % 8 || !node->parent);) {
		char *star = strchr(name, '*');
		if (star)
			*star = (char)('0' + rand() % 10);
		node = tree_child(node, name, &number);
	}
	return tree_id(node, number);
}

static const char *any_name(void)
{
	static char name[300];
	static const char *const known[] = {"proc",    "meminfo",  "cpu0",  "cpu1",
					    "cpu8191", "topology", "..",    ".",
					    "sys",     "node0",	   "online"};
	if (rand() % 2)
		return known[(size_t)rand() % (sizeof(known) / sizeof(known[0]))];
	size_t length = (size_t)rand() % 255 + 1;
	for (size_t i = 0; i < length; i++)
		name[i] = (char)(rand() % 255 + 1);
	name[length] = '\0';
	return name;
}

static uint64_t any_offset(void)
{
	return rand() % 2 ? (uint64_t)rand() % 5000 : (uint64_t)rand() << rand() % 33;
}

static void ask_anything(void)
{
	pid_t pids[] = {inside, getpid(), 0, 1, rand()};
	pid_t pid = pids[(size_t)rand() % (sizeof(pids) / sizeof(pids[0]))];
	uint64_t node = any_node(), handle = (UINT64_C(1) << 40) + (uint64_t)rand() % 500;
	struct fuse_release_in release = {.fh = handle};
	struct fuse_getattr_in attributes = {0};
	struct fuse_forget_in forget = {1};
	struct fuse_read_in list = {.offset = any_offset() >> 1, .size = (uint32_t)rand() % 70000};
	struct answer answer;
	switch (rand() % 8) {
	case 0:
		look_up(node, any_name(), pid);
		break;
	case 1:
		ask(FUSE_GETATTR, node, pid, &attributes, sizeof(attributes), true);
		break;
	case 2:
		open_file(node, pid, (uint32_t)rand() % 4);
		break;
	case 3:
		ask(FUSE_RELEASE, node, pid, &release, sizeof(release), true);
		break;
	case 4:
		answer = ask(FUSE_READDIR, node, pid, &list, sizeof(list), true);
		assert_true(answer.length <= list.size);
		break;
	case 5:
		ask(FUSE_FORGET, node, pid, &forget, sizeof(forget), false);
		break;
	case 6: /* what this file system has not */
		ask(FUSE_MKDIR + (uint32_t)rand() % 3, node, pid, "\0\0\0\0\0\0\0\0name", 13, ANY);
		break;
	default: {
		uint32_t size = (uint32_t)rand() % 20000;
		answer = read_at(node, handle, pid, any_offset(), size);
		assert_true(answer.length <= size);
	}
	}
}

static void test_random(void **state)
{
	(void)state;
	const char *given = getenv("SYSCT_SEED");
	unsigned seed = given ? (unsigned)atoi(given) : (unsigned)time(NULL);
	print_message("# SYSCT_SEED=%u\n", seed);
	srand(seed);
	for (int i = 0; i < ROUNDS; i++)
		ask_anything();
}

/* Names come one after another, in pieces of any size, and each once. */
static unsigned count_names(uint64_t node, uint32_t size)
{
	struct fuse_read_in in = {.size = size};
	unsigned count = 0;
	for (;;) {
		struct answer answer = ask(FUSE_READDIR, node, inside, &in, sizeof(in), true);
		assert_int_equal(answer.error, 0);
		if (answer.length == 0)
			return count;
		for (size_t at = 0; at < answer.length; count++) {
			struct fuse_dirent entry;
			memcpy(&entry, answer.bytes + at, sizeof(entry));
			in.offset = entry.off;
			at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + entry.namelen);
		}
	}
}

static void test_directory(void **state)
{
	(void)state;
	uint64_t node = node_of("proc", inside);
	unsigned all = count_names(node, 60000);
	assert_true(all > 10);
	assert_int_equal(count_names(node, 100), all);
	uint64_t cpus = node_of("sys/devices/system/cpu", inside);
	assert_int_equal(count_names(cpus, 100), count_names(cpus, 60000));
}

static int begin(void **state)
{
	(void)state;
	int ends[2], size = 1 << 20;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	kernel = ends[1];
	assert_int_equal(host_open(&host, "/", NULL), 0);
	assert_int_equal(shared_map(&shared, shared_create(host.cpus, NULL), NULL), 0);
	server = server_open(&host, &shared, NULL);
	assert_non_null(server);
	assert_int_equal(server_connect(server, ends[0], NULL), 0);
	struct fuse_init_in init = {.major = FUSE_KERNEL_VERSION, .minor = 34, .flags = ~0U};
	assert_int_equal(ask(FUSE_INIT, 0, 0, &init, sizeof(init), true).error, 0);
	inside = start(true, 0);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	end(inside);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests_name("lxcfs_requests", tests, begin, finish);
}
