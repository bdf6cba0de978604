/*
 * sysct-pack: writes a backup as a tar archive to stdout. What goes into it comes as JSON on stdin
 * (pack.h). It ends with the reason as the last line on stderr and a status of pack.h, and dies
 * with its parent.
 */
#include "backup/pack.h"

#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <locale.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "compression.h"
#include "backup/pack_mounts.h"
#include "backup/pack_send.h"
#include "backup/pack_tree.h"
#include "cleanup.h"
#include "file.h"
#include "memory.h"

enum { PROGRESS_MS = 100, OUTPUT_BLOCK = 256 << 10 };

static void tell_progress(uint64_t bytes)
{
	static int64_t last;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	int64_t time = now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (time - last < PROGRESS_MS)
		return;
	last = time;
	dprintf(PACK_PROGRESS_FD, "%" PRIu64 "\n", bytes);
}

/* ---- the archive ---- */

static la_ssize_t write_output(struct archive *writer, void *data, const void *bytes, size_t length)
{
	(void)data;
	if (file_write_all(STDOUT_FILENO, bytes, length) == 0)
		return (la_ssize_t)length;
	archive_set_error(writer, errno, "%s", strerror(errno));
	return -1;
}

static int fail_compression(struct archive *writer, const char *name, struct error **error)
{
	const char *text = archive_error_string(writer);
	return error_set(error, ERROR_UNSUPPORTED, "compression \"%s\" cannot be used: %s", name,
			 text ? text : "libarchive was built without it");
}

static int add_filter(struct archive *writer, const char *name, struct error **error)
{
	char threads[16];
	cpu_set_t cpus;
	if (strcmp(name, "none") == 0)
		return 0;
	/* A warning says that a program would be started, which there is not. */
	if (archive_write_add_filter_by_name(writer, name) != ARCHIVE_OK)
		return fail_compression(writer, name, error);
	int count = sched_getaffinity(0, sizeof(cpus), &cpus) < 0 ? 1 : CPU_COUNT(&cpus);
	snprintf(threads, sizeof(threads), "%d", count);
	/* Those that have no such option use one. */
	archive_write_set_filter_option(writer, name, "threads", threads);
	return 0;
}

static int open_writer(struct archive *writer, const char *compression, struct error **error)
{
	if (!writer)
		return error_set(error, ERROR_INTERNAL, "no memory to write an archive");
	/* "restricted": extended headers only where a file needs them, as GNU tar reads them. */
	if (archive_write_set_format_pax_restricted(writer) != ARCHIVE_OK ||
	    archive_write_set_format_option(writer, "pax", "xattrheader", "SCHILY") != ARCHIVE_OK)
		return pack_write_error(writer, "headers", error);
	if (add_filter(writer, compression, error) < 0)
		return -1;
	archive_write_set_bytes_per_block(writer, OUTPUT_BLOCK);
	archive_write_set_bytes_in_last_block(writer, 1);
	if (archive_write_open(writer, NULL, NULL, write_output, NULL) != ARCHIVE_OK)
		return pack_write_error(writer, "the beginning", error);
	return 0;
}

static int write_file(struct archive *writer, const char *path, const json_t *entry,
		      struct error **error)
{
	const json_t *text = json_object_get(entry, "text");
	size_t length = json_string_length(text);
	struct archive_entry *header = archive_entry_new();
	archive_entry_set_pathname(header, path);
	archive_entry_set_mode(header,
			       (text ? S_IFREG : S_IFDIR) |
				       (mode_t)json_integer_value(json_object_get(entry, "mode")));
	archive_entry_set_mtime(header, time(NULL), 0);
	archive_entry_set_size(header, (la_int64_t)length);
	int result = archive_write_header(writer, header) < ARCHIVE_WARN ? -1 : 0;
	archive_entry_free(header);
	if (result == 0 && length > 0 &&
	    archive_write_data(writer, json_string_value(text), length) < 0)
		result = -1;
	return result < 0 ? pack_write_error(writer, path, error) : 0;
}

static int write_entry(struct archive *writer, struct pack_sends *sends, const json_t *entry,
		       size_t number, uint64_t *bytes, struct error **error)
{
	const char *path = json_string_value(json_object_get(entry, "path"));
	cleanup_free char *root = memory_printf("/t%zu", number);
	if (json_object_get(entry, "send"))
		return pack_sends_write(sends, writer, path, entry, bytes, tell_progress, error);
	if (json_object_get(entry, "layers") || json_object_get(entry, "flat"))
		return pack_tree(writer, root, path, bytes, tell_progress, error);
	return write_file(writer, path, entry, error);
}

static int write_entries(struct archive *writer, struct pack_sends *sends, const json_t *entries,
			 struct error **error)
{
	uint64_t bytes = 0;
	size_t i;
	const json_t *entry;
	json_array_foreach (entries, i, entry)
		if (write_entry(writer, sends, entry, i, &bytes, error) < 0)
			return -1;
	if (archive_write_close(writer) != ARCHIVE_OK)
		return pack_write_error(writer, "the end", error);
	return 0;
}

static int check_entries(const json_t *entries, struct error **error)
{
	size_t i;
	const json_t *entry;
	json_array_foreach (entries, i, entry)
		if (!json_is_string(json_object_get(entry, "path")))
			return error_set(error, ERROR_INVALID, "an entry without a path");
	return json_array_size(entries) ? 0 : error_set(error, ERROR_INVALID, "no entries");
}

static int write_archive(const char *compression, struct pack_sends *sends, const json_t *entries,
			 struct error **error)
{
	struct archive *writer = archive_write_new();
	int result = open_writer(writer, compression, error);
	if (result == 0)
		result = write_entries(writer, sends, entries, error);
	/* Or freeing would write what is left of a failed one. */
	if (result < 0 && writer)
		archive_write_fail(writer);
	if (writer)
		archive_write_free(writer);
	return result;
}

static int pack(const json_t *request, struct error **error)
{
	const json_t *entries = json_object_get(request, "entries");
	const char *scratch = json_string_value(json_object_get(request, "scratch"));
	const char *name = json_string_value(json_object_get(request, "compression"));
	const struct compression *compression = compression_find(name, error);
	scratch = scratch ? scratch : "";
	if (!compression || check_entries(entries, error) < 0)
		return -1;
	struct pack_sends *sends = pack_sends_start(entries, scratch, error);
	if (!sends)
		return -1;
	int result = pack_mounts_make(entries, scratch, error);
	if (result == 0)
		result = write_archive(compression->name, sends, entries, error);
	pack_sends_free(sends);
	return result;
}

#ifdef __SANITIZE_ADDRESS__
/* LeakSanitizer looks into /proc, which the confined root has not. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

int main(void)
{
	pid_t parent = getppid();
	cleanup_error struct error *error = NULL;
	json_error_t problem;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return PACK_FAILED;
	/* The daemon ignores it, and a closed pipe is an error to tell here, too. */
	signal(SIGPIPE, SIG_IGN);
	setlocale(LC_CTYPE, "C.UTF-8");
	json_t *request = json_loadf(stdin, 0, &problem);
	int result = request ? pack(request, &error)
			     : error_set(&error, ERROR_INVALID, "stdin: %s", problem.text);
	json_decref(request);
	if (result == 0)
		return PACK_DONE;
	fprintf(stderr, "%s\n", error_message(error));
	return error->kind == ERROR_NO_SPACE ? PACK_NO_SPACE : PACK_FAILED;
}
