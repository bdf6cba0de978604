/*
 * sysct-unpack [--sync] [--max-bytes N] [--max-entries N] TARGET [METADATA]
 *
 * Unpacks a tar archive from stdin below TARGET/rootfs in one pass, and tells
 * its fingerprint: SHA-256 of METADATA's bytes and of those on stdin, which is
 * how LXD names an image of two files. METADATA is read when the first byte
 * of the archive has come, and copied to TARGET/metadata.json.
 *
 * It ends with one JSON line on stdout, or with the reason as the last line on
 * stderr and a status of unpack.h. It dies with its parent.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "image/unpack.h"
#include "image/unpack_archive.h"
#include "image/unpack_confine.h"
#include "image/unpack_input.h"
#include "memory.h"

struct unpack_options {
	const char *target;
	const char *metadata;
	bool sync;
	struct unpack_limits limits;
};

static bool parse_number(const char *text, uint64_t *number)
{
	char *end;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

static bool parse_options(int argc, char **argv, struct unpack_options *options)
{
	static const struct option known[] = {
		{"sync", no_argument, NULL, 's'},
		{"max-bytes", required_argument, NULL, 'b'},
		{"max-entries", required_argument, NULL, 'e'},
		{NULL, 0, NULL, 0},
	};
	int option;
	while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		bool right = option == 's';
		if (option == 's')
			options->sync = true;
		if (option == 'b')
			right = parse_number(optarg, &options->limits.bytes);
		if (option == 'e')
			right = parse_number(optarg, &options->limits.entries);
		if (!right)
			return false;
	}
	if (optind >= argc || argc - optind > 2)
		return false;
	options->target = argv[optind];
	options->metadata = argv[optind + 1];
	return true;
}

/*
 * A parent that died before prctl() is seen by the new one's pid; one that died
 * even before main() by the end of the archive, which it would have written.
 */
static void die_with_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(UNPACK_FAILED);
}

static int sync_files(struct error **error)
{
	cleanup_close int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || syncfs(fd) < 0)
		return error_errno(error, errno, "writing the files to the disk");
	return 0;
}

/* The outer part: while paths of the host still mean something. */
static int prepare(const struct unpack_options *options, struct unpack_input *input,
		   struct error **error)
{
	char target[PATH_MAX];
	if (!realpath(options->target, target))
		return error_errno(error, errno, "opening %s", options->target);
	cleanup_free char *rootfs = memory_printf("%s/rootfs", target);
	cleanup_free char *copy = memory_printf("%s/metadata.json", target);
	if (mkdir(rootfs, 0755) < 0 && errno != EEXIST)
		return error_errno(error, errno, "creating %s", rootfs);
	if (unpack_input_wait(input, error) < 0)
		return -1;
	if (options->metadata && unpack_input_metadata(input, options->metadata, copy, error) < 0)
		return -1;
	return unpack_confine(rootfs, error);
}

static int unpack(const struct unpack_options *options, struct unpack_input *input,
		  struct error **error)
{
	struct unpack_counts counts = {0};
	char fingerprint[UNPACK_HEX_SIZE];
	if (prepare(options, input, error) < 0 ||
	    unpack_archive(input, &options->limits, NULL, &counts, error) < 0 ||
	    unpack_input_drain(input, error) < 0)
		return -1;
	if (options->sync && sync_files(error) < 0)
		return -1;
	unpack_input_fingerprint(input, fingerprint);
	printf("{\"fingerprint\":\"%s\",\"bytes\":%" PRIu64 ",\"entries\":%" PRIu64
	       ",\"unpacked\":%" PRIu64 ",\"devices_dropped\":%" PRIu64
	       ",\"attributes_dropped\":%" PRIu64 "}\n",
	       fingerprint, input->bytes, counts.entries, counts.bytes, counts.devices_dropped,
	       counts.attributes_dropped);
	return 0;
}

#ifdef __SANITIZE_ADDRESS__
/* LeakSanitizer looks into /proc, which the confined root has not. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

int main(int argc, char **argv)
{
	pid_t parent = getppid();
	struct unpack_options options = {0};
	struct unpack_input input;
	cleanup_error struct error *error = NULL;
	die_with_parent(parent);
	if (!parse_options(argc, argv, &options)) {
		fprintf(stderr, "usage: sysct-unpack [--sync] [--max-bytes N] [--max-entries N] "
				"TARGET [METADATA]\n");
		return UNPACK_USAGE;
	}
	/* Names in UTF-8 pass through libarchive unchanged, whatever the daemon's locale is. */
	setlocale(LC_CTYPE, "C.UTF-8");
	umask(0);
	unpack_input_init(&input, STDIN_FILENO);
	int result = unpack(&options, &input, &error);
	unpack_input_clear(&input);
	if (result == 0)
		return UNPACK_DONE;
	fprintf(stderr, "%s\n", error_message(error));
	return error && error->kind == ERROR_NO_SPACE ? UNPACK_NO_SPACE : UNPACK_FAILED;
}
