/*
 * sysct-unpack-backup --index SCRATCH
 * sysct-unpack-backup SCRATCH container=DIRECTORY [snapshots/NAME=DIRECTORY...]
 * sysct-unpack-backup SCRATCH volume=DIRECTORY [volume-snapshots/NAME=DIRECTORY...]
 * sysct-unpack-backup --streams SCRATCH TREE=DIRECTORY...
 *
 * Reads a backup in LXD's format from stdin. With --index it prints index.yaml as JSON and ends as
 * soon as it has that. Else it unpacks each tree into its empty directory, with ids from 0, in one
 * pass; all that index.yaml speaks of must be named. Devices are left out, as from images. SCRATCH is
 * an empty directory that it mounts over in a namespace of its own. With --streams the trees are in the format of btrfs, and
 * become a subvolume "rootfs" in their directory each.
 *
 * It ends with the reason as the last line on stderr and a status of image/unpack.h, and dies with
 * its parent. It is confined before it reads a byte of the archive.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/unpack_ids.h"
#include "backup/unpack_stream.h"
#include "cleanup.h"
#include "image/unpack.h"
#include "image/unpack_archive.h"
#include "image/unpack_confine.h"
#include "image/unpack_input.h"
#include "memory.h"
#include "strbuf.h"
#include "yaml_text.h"

#define TOP "backup/"

enum { INDEX_MAX = 64 << 20 };

/* Where things are in a backup, by its type. */
struct layout {
	const char *type;
	const char *whole;     /* the tree, also as a member of "config" */
	const char *snapshots; /* directory of theirs */
	const char *root;      /* of files below each; "" for the tree itself */
	const char *list;      /* of snapshots in "config" */
	const char *map;       /* key of what the ids on the disk were */
};

static const struct layout layouts[] = {
	{"container", "container", "snapshots", "/rootfs", "snapshots",
	 "volatile.last_state.idmap"},
	{"custom", "volume", "volume-snapshots", "", "volume_snapshots", "volatile.idmap.last"},
};

enum { LAYOUTS = sizeof(layouts) / sizeof(layouts[0]) };

struct backup {
	bool only_index;
	bool streamed; /* its trees are streams of subvolumes */
	struct unpack_streams *streams;
	const struct layout *layout;
	json_t *index;
	json_t *maps; /* {"container": map of ids, "snapshots/NAME": ...} */
	json_t *seen; /* those whose root has come */
	int filters;  /* what it is compressed with */
};

/* ---- the index ---- */

static json_t *read_yaml(struct archive *reader, const char *name, struct error **error)
{
	cleanup_strbuf struct strbuf text = {0};
	char chunk[16384];
	la_ssize_t count;
	while ((count = archive_read_data(reader, chunk, sizeof(chunk))) > 0) {
		strbuf_append_bytes(&text, chunk, (size_t)count);
		if (text.length > INDEX_MAX)
			break;
	}
	if (count < 0 || text.length > INDEX_MAX) {
		error_set(error, ERROR_INVALID, "%s cannot be read: %s", name,
			  count < 0 ? archive_error_string(reader) : "it is too large");
		return NULL;
	}
	json_t *content = yaml_to_json(text.text ? text.text : "", error);
	if (!content)
		error_prefix(error, "%s", name);
	return content;
}

/* What can be said already of one that is not for here. */
static int check_index(struct backup *backup, struct error **error)
{
	const json_t *index = backup->index;
	const char *type = json_string_value(json_object_get(index, "type"));
	if (!json_is_object(index) || !json_is_string(json_object_get(index, "name")))
		return error_set(error, ERROR_INVALID, "index.yaml does not describe a backup");
	for (size_t i = 0; i < LAYOUTS; i++)
		if (strcmp(type ? type : "container", layouts[i].type) == 0)
			backup->layout = &layouts[i];
	if (!backup->layout)
		return error_set(error, ERROR_UNSUPPORTED,
				 "this is the backup of a %s: only those of containers and custom "
				 "volumes can be imported",
				 type);
	if (!json_is_object(
		    json_object_get(json_object_get(index, "config"), backup->layout->whole)))
		return error_set(error, ERROR_UNSUPPORTED,
				 "index.yaml has no configuration, as of LXD before 4.0: export "
				 "it with a newer one");
	return 0;
}

static int add_map(struct backup *backup, const char *name, const json_t *object,
		   struct error **error)
{
	json_t *map = unpack_ids_map(json_object_get(object, "config"), backup->layout->map, error);
	return map ? json_object_set_new(backup->maps, name, map) : -1;
}

static int make_maps(struct backup *backup, struct error **error)
{
	const json_t *config = json_object_get(backup->index, "config");
	const struct layout *layout = backup->layout;
	const json_t *snapshots = json_object_get(config, layout->list);
	size_t i;
	const json_t *snapshot;
	if (add_map(backup, layout->whole, json_object_get(config, layout->whole), error) < 0)
		return -1;
	json_array_foreach (snapshots, i, snapshot) {
		const char *name = json_string_value(json_object_get(snapshot, "name"));
		if (!name)
			return error_set(error, ERROR_INVALID,
					 "index.yaml: a snapshot without a name");
		cleanup_free char *tree = memory_printf("%s/%s", layout->snapshots, name);
		if (add_map(backup, tree, snapshot, error) < 0)
			return -1;
	}
	return 0;
}

static int take_index(struct backup *backup, struct archive *reader, struct error **error)
{
	if (backup->index)
		return error_set(error, ERROR_INVALID, "it has two index.yaml");
	backup->filters = archive_filter_count(reader);
	backup->index = read_yaml(reader, "index.yaml", error);
	if (!backup->index || check_index(backup, error) < 0)
		return -1;
	if (backup->only_index)
		return UNPACK_STOP;
	if (json_is_true(json_object_get(backup->index, "optimized")) != backup->streamed)
		return error_set(error, ERROR_INVALID, "index.yaml says another format by now");
	if (backup->streamed)
		backup->streams =
			unpack_streams_new(*backup->layout->root ? backup->layout->root + 1 : "");
	return make_maps(backup, error);
}

/* ---- the trees ---- */

/* Whether @path is @prefix or below that. */
static bool is_below(const char *path, const char *prefix)
{
	size_t length = strlen(prefix);
	return strncmp(path, prefix, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

/* The length of "container" or "snapshots/NAME" where @path is of the files below it; 0: it is something else. */
static size_t tree_length(const struct layout *layout, const char *path)
{
	size_t length = 0;
	if (is_below(path, layout->whole))
		length = strlen(layout->whole);
	else if (is_below(path, layout->snapshots) && path[strlen(layout->snapshots)])
		length = strlen(layout->snapshots) + 1 +
			 strcspn(path + strlen(layout->snapshots) + 1, "/");
	return is_below(path + length, layout->root) ? length : 0;
}

static const char *below_top(const char *path)
{
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	return strncmp(path, TOP, strlen(TOP)) == 0 ? path + strlen(TOP) : NULL;
}

/* A hard link leads to a file of the same tree. */
static int take_link(const struct layout *layout, struct archive_entry *entry, const char *path,
		     size_t length, struct error **error)
{
	const char *link = archive_entry_hardlink(entry);
	const char *target = link ? below_top(link) : NULL;
	if (!link)
		return 0;
	if (!target || tree_length(layout, target) != length || strncmp(target, path, length) != 0)
		return error_set(error, ERROR_INVALID, "%s is a link out of its tree, to %s", path,
				 link);
	cleanup_free char *copy = memory_strdup(target);
	archive_entry_copy_hardlink(entry, copy);
	return 0;
}

static int take_file(struct backup *backup, struct archive_entry *entry, const char *path,
		     struct error **error)
{
	/* It is a part of the entry, which changes. */
	cleanup_free char *copy = memory_strdup(path);
	const struct layout *layout = backup->layout;
	if (!*path)
		return 0;
	if (!layout)
		return error_set(error, ERROR_INVALID, "index.yaml does not come first");
	size_t length = tree_length(layout, path);
	if (length == 0)
		return 0; /* templates and copies of the configuration */
	cleanup_free char *tree = memory_strndup(path, length);
	const json_t *map = json_object_get(backup->maps, tree);
	if (!map)
		return error_set(error, ERROR_INVALID, "index.yaml does not know %s", tree);
	const char *below = copy + length + strlen(layout->root);
	if (strcmp(below, "") == 0 || strcmp(below, "/") == 0)
		json_object_set_new(backup->seen, tree, json_true());
	if (take_link(layout, entry, copy, length, error) < 0 ||
	    unpack_ids_change(map, entry, error) < 0)
		return -1;
	archive_entry_copy_pathname(entry, copy);
	return 1;
}

/* ---- streams ---- */

/* LXD 5 lists subvolumes inside of a tree there, too, which would be streams of their own. */
static int check_header(struct archive *reader, struct error **error)
{
	json_t *header = read_yaml(reader, "optimized_header.yaml", error);
	const json_t *one;
	size_t i;
	int result = header ? 0 : -1;
	json_array_foreach (json_object_get(header, "subvolumes"), i, one) {
		const char *path = json_string_value(json_object_get(one, "path"));
		if (result == 0 && path && strcmp(path, "/") != 0)
			result = error_set(error, ERROR_UNSUPPORTED,
					   "it has a subvolume of its own, %s: export it without "
					   "--optimized-storage",
					   path);
	}
	json_decref(header);
	return result;
}

/* "container.bin", "snapshots/NAME.bin" */
static int take_stream(struct backup *backup, struct archive *reader, const char *path,
		       struct error **error)
{
	static const char suffix[] = ".bin";
	size_t length = strlen(path), end = strlen(suffix);
	if (strcmp(path, "optimized_header.yaml") == 0)
		return check_header(reader, error);
	cleanup_free char *tree = memory_strndup(path, length > end ? length - end : 0);
	const json_t *map = json_object_get(backup->maps, tree);
	if (!map || strcmp(path + length - end, suffix) != 0)
		return error_set(error, ERROR_INVALID, "index.yaml does not know %s", path);
	if (json_object_get(backup->seen, tree))
		return error_set(error, ERROR_INVALID, "it has two %s", path);
	json_object_set_new(backup->seen, tree, json_true());
	return unpack_stream(backup->streams, tree, map, reader, error);
}

static int take(void *data, struct archive *reader, struct archive_entry *entry,
		struct error **error)
{
	struct backup *backup = data;
	const char *name = archive_entry_pathname(entry);
	const char *path = name ? below_top(name) : NULL;
	if (!path)
		return error_set(error, ERROR_INVALID, "this is no backup: it has %s",
				 name ? name : "a file without a name");
	if (strcmp(path, "index.yaml") == 0)
		return take_index(backup, reader, error);
	if (backup->streams && *path)
		return take_stream(backup, reader, path, error);
	return take_file(backup, entry, path, error);
}

/* All that the index speaks of has come. */
static int check_trees(const struct backup *backup, struct error **error)
{
	const char *tree;
	json_t *map;
	json_object_foreach (backup->maps, tree, map)
		if (!json_object_get(backup->seen, tree))
			return error_set(error, ERROR_INVALID,
					 "the backup is not whole: it has no " TOP "%s%s", tree,
					 backup->layout->root);
	return 0;
}

/* A compressed one that was cut off is found by libarchive; a plain one is not where a file ended. */
static int check_end(const struct backup *backup, const struct unpack_input *input,
		     struct error **error)
{
	if (backup->filters == 1 && input->zeros < UNPACK_END)
		return error_set(error, ERROR_INVALID,
				 "the backup is not whole: it was cut off after %" PRIu64 " bytes",
				 input->bytes);
	return 0;
}

static int sync_files(const struct backup *backup, struct error **error)
{
	const struct layout *layout = backup->layout;
	cleanup_free char *path =
		memory_printf("%s%s", layout->whole, backup->streams ? "" : layout->root);
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || syncfs(fd) < 0)
		return error_errno(error, errno, "writing the files to the disk");
	return 0;
}

static int finish(const struct backup *backup, struct unpack_input *input, struct error **error)
{
	if (!backup->index)
		return error_set(error, ERROR_INVALID, "this is no backup: it has no index.yaml");
	if (backup->only_index) {
		json_dumpf(backup->index, stdout, JSON_COMPACT);
		return fflush(stdout) == 0 ? 0 : error_errno(error, errno, "telling the index");
	}
	if (unpack_input_drain(input, error) < 0 || check_end(backup, input, error) < 0 ||
	    check_trees(backup, error) < 0 ||
	    (backup->streams && unpack_streams_finish(backup->streams, error) < 0))
		return -1;
	return sync_files(backup, error);
}

/* ---- where they go ---- */

static int make_directory(const char *path, struct error **error)
{
	return mkdir(path, 0700) < 0 && errno != EEXIST
		       ? error_errno(error, errno, "creating %s", path)
		       : 0;
}

/* "container=DIRECTORY" */
static int mount_tree(const char *word, bool streamed, struct error **error)
{
	const char *equals = strchr(word, '=');
	if (!equals)
		return error_set(error, ERROR_INVALID, "%s names no directory", word);
	cleanup_free char *tree = memory_strndup(word, (size_t)(equals - word));
	const struct layout *layout = layouts;
	while (layout < layouts + LAYOUTS - 1 && !is_below(tree, layout->whole) &&
	       !is_below(tree, layout->snapshots))
		layout++;
	/* Where it is a stream, what makes a subvolume needs the directory around it. */
	cleanup_free char *point = memory_printf("%s%s", tree, streamed ? "" : layout->root);
	if (make_directory(tree, error) < 0 || make_directory(point, error) < 0)
		return -1;
	if (mount(equals + 1, point, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, point, NULL, MS_REMOUNT | MS_BIND | MS_NODEV | MS_NOSUID | MS_NOEXEC,
		  NULL) < 0)
		return error_errno(error, errno, "binding %s", equals + 1);
	return 0;
}

/* They are all that can be reached. */
static int confine(const char *scratch, bool streamed, char *const *trees, struct error **error)
{
	if (confine_namespaces(error) < 0)
		return -1;
	if (mount("tmpfs", scratch, "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC, "mode=0700") < 0 ||
	    chdir(scratch) < 0)
		return error_errno(error, errno, "mounting over %s", scratch);
	for (size_t i = 0; i < LAYOUTS; i++)
		if (make_directory(layouts[i].snapshots, error) < 0)
			return -1;
	for (; *trees; trees++)
		if (mount_tree(*trees, streamed, error) < 0)
			return -1;
	if (confine_pivot(scratch, error) < 0)
		return -1;
	return unpack_confine_capabilities(error);
}

static int unpack(struct backup *backup, struct unpack_input *input, const char *scratch,
		  char *const *trees, struct error **error)
{
	static const struct unpack_limits limits = {0};
	struct unpack_counts counts = {0};
	const struct unpack_filter filter = {take, backup};
	if (confine(scratch, backup->streamed, trees, error) < 0 ||
	    unpack_archive(input, &limits, &filter, &counts, error) < 0)
		return -1;
	return finish(backup, input, error);
}

#ifdef __SANITIZE_ADDRESS__
/* LeakSanitizer looks into /proc, which the confined root has not. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static int run(int argc, char **argv, struct error **error)
{
	const char *mode = argc > 2 && argv[1][0] == '-' ? argv[1] : "";
	char **words = argv + (*mode ? 2 : 1);
	struct backup backup = {
		.only_index = strcmp(mode, "--index") == 0,
		.streamed = strcmp(mode, "--streams") == 0,
		.maps = json_object(),
		.seen = json_object(),
	};
	struct unpack_input input;
	unpack_input_init(&input, STDIN_FILENO);
	int result = unpack(&backup, &input, words[0], words + 1, error);
	unpack_input_clear(&input);
	unpack_streams_free(backup.streams);
	json_decref(backup.maps);
	json_decref(backup.seen);
	json_decref(backup.index);
	return result;
}

int main(int argc, char **argv)
{
	pid_t parent = getppid();
	cleanup_error struct error *error = NULL;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return UNPACK_FAILED;
	if (argc < 3) {
		fprintf(stderr, "usage: sysct-unpack-backup --index SCRATCH | [--streams] SCRATCH "
				"TREE=DIRECTORY...\n");
		return UNPACK_USAGE;
	}
	setlocale(LC_CTYPE, "C.UTF-8");
	umask(0);
	if (run(argc, argv, &error) == 0)
		return UNPACK_DONE;
	fprintf(stderr, "%s\n", error_message(error));
	return error && error->kind == ERROR_NO_SPACE ? UNPACK_NO_SPACE : UNPACK_FAILED;
}
