/*
 * See layer_merge.h. A directory of the new layer has a directory of the upper layer, one of the lower, or
 * both, and goes on in what is below the two at one path or not at all: so each case of whiteouts and
 * redirects can be said by one attribute, an absolute redirect if need be.
 */
#include "storage/layer_merge.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"
#include "storage/layer_lookup.h"
#include "storage/tree_copy.h"
#include "storage/tree_copy_file.h"

enum {
	/* Levels of directories: each takes four descriptors, and part of the stack. */
	DEEPEST = 512,
	/* Bytes: an attribute must fit into a block with others. */
	LONGEST_REDIRECT = 2048,
};

struct merge {
	int lower; /* the roots */
	const atomic_bool *stop;
};

/* A directory that both layers have, or one of them. */
struct place {
	struct merge *merge;
	int upper;		  /* -1: the upper layer has none */
	struct layer_below below; /* borrowed */
	int target;
	int depth;
};

/* A directory below it. */
struct child {
	const char *name;
	int from; /* the directory that has the one whose attributes are seen */
	const struct stat *status;
	int upper;
	struct layer_below below;
};

static int fail(const char *name, struct error **error)
{
	return error_errno(error, errno, "merging %s", name);
}

/* ---- what is no directory ---- */

/* Nothing to hide where nothing goes on below; in a directory that is of one layer it would be seen, too. */
static int put_whiteout(const struct place *place, const char *name, struct error **error)
{
	if (!place->below.rest)
		return 0;
	return mknodat(place->target, name, S_IFCHR, 0) < 0 ? fail(name, error) : 0;
}

/* ext4 has at most 65000 names of a file. */
static int copy_file(const struct place *place, int from, const char *name,
		     const struct stat *status, struct error **error)
{
	unsigned long long written = 0;
	if (!S_ISREG(status->st_mode))
		return error_set(error, ERROR_UNSUPPORTED, "%s has too many links", name);
	return tree_copy_file(from, place->target, name, &written) < 0 ||
			       tree_copy_attributes(from, place->target, name, status) < 0
		       ? fail(name, error)
		       : 0;
}

static int put_other(const struct place *place, int from, const char *name,
		     const struct stat *status, struct error **error)
{
	if (S_ISREG(status->st_mode) && layer_check_data(from, name, error) < 0)
		return -1;
	if (linkat(from, name, place->target, name, 0) == 0)
		return 0;
	return errno == EMLINK ? copy_file(place, from, name, status, error) : fail(name, error);
}

/* ---- directories ---- */

static int merge_tree(const struct place *place, struct error **error);

/* How the new directory goes on below it: as its name says where nothing else is said. */
static int tie(const struct place *place, const struct child *child, struct error **error)
{
	cleanup_free char *path = memory_printf("/proc/self/fd/%d/%s", place->target, child->name);
	cleanup_free char *natural = layer_join(place->below.rest, child->name);
	const char *rest = child->below.rest;
	int result = 0;
	if ((lremovexattr(path, LAYER_OPAQUE) < 0 && errno != ENODATA) ||
	    (lremovexattr(path, LAYER_REDIRECT) < 0 && errno != ENODATA))
		return fail(child->name, error);
	if (rest && strlen(rest) > LONGEST_REDIRECT)
		return error_set(error, ERROR_UNSUPPORTED,
				 "%s was moved from a path that is too long", child->name);
	if (!rest && natural)
		result = lsetxattr(path, LAYER_OPAQUE, "y", 1, 0);
	else if (rest && (!natural || strcmp(rest, natural) != 0))
		result = lsetxattr(path, LAYER_REDIRECT, rest, strlen(rest), 0);
	return result < 0 ? fail(child->name, error) : 0;
}

static int put_directory(const struct place *place, const struct child *child, struct error **error)
{
	if (place->depth >= DEEPEST)
		return error_set(error, ERROR_UNSUPPORTED,
				 "directories more than %d below each other are not merged",
				 DEEPEST);
	if (mkdirat(place->target, child->name, 0700) < 0)
		return fail(child->name, error);
	cleanup_close int target =
		openat(place->target, child->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct place inside = {place->merge, child->upper, child->below, target,
				     place->depth + 1};
	if (target < 0)
		return fail(child->name, error);
	if (merge_tree(&inside, error) < 0)
		return -1;
	/* The last, as what is made inside changes its time. */
	if (tree_copy_attributes(child->from, place->target, child->name, child->status) < 0)
		return fail(child->name, error);
	return tie(place, child, error);
}

static int put_upper(const struct place *place, const char *name, const struct stat *status,
		     struct error **error)
{
	struct child child = {name, place->upper, status, -1, {-1, NULL}};
	if (layer_continue(place->merge->lower, place->upper, name, &place->below, &child.below,
			   error) < 0)
		return -1;
	child.upper = openat(place->upper, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int result = child.upper < 0 ? fail(name, error) : put_directory(place, &child, error);
	cleanup_close_fd(&child.upper);
	layer_below_clear(&child.below);
	return result;
}

static int put_lower(const struct place *place, const char *name, const struct stat *status,
		     struct error **error)
{
	struct child child = {name, place->below.lower, status, -1, {-1, NULL}};
	if (layer_step(&place->below, name, &child.below, error) < 0)
		return -1;
	int result = put_directory(place, &child, error);
	layer_below_clear(&child.below);
	return result;
}

/* ---- all entries ---- */

static int merge_entry(const struct place *place, int from, const char *name, struct error **error)
{
	struct stat status;
	bool is_upper = from == place->upper;
	if (place->merge->stop && *place->merge->stop)
		return error_set(error, ERROR_CANCELLED, "merging was stopped");
	if (!is_upper && place->upper >= 0) {
		int hidden = layer_entry(place->upper, name, &status, error);
		if (hidden != LAYER_NOTHING)
			return hidden < 0 ? -1 : 0;
	}
	int entry = layer_entry(from, name, &status, error);
	if (entry < 0)
		return -1;
	if (entry == LAYER_WHITEOUT)
		return put_whiteout(place, name, error);
	if (entry == LAYER_OTHER)
		return put_other(place, from, name, &status, error);
	return is_upper ? put_upper(place, name, &status, error)
			: put_lower(place, name, &status, error);
}

static int merge_entries(const struct place *place, int from, struct error **error)
{
	cleanup_dir DIR *dir = from < 0 ? NULL : file_open_directory_at(from, ".");
	struct dirent *entry;
	if (!dir)
		return from < 0 ? 0 : fail("a directory", error);
	while (errno = 0, (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    merge_entry(place, from, entry->d_name, error) < 0)
			return -1;
	return errno ? fail("a directory", error) : 0;
}

static int merge_tree(const struct place *place, struct error **error)
{
	return merge_entries(place, place->upper, error) < 0
		       ? -1
		       : merge_entries(place, place->below.lower, error);
}

int layer_merge(int lower, int upper, int target, const atomic_bool *stop, struct error **error)
{
	struct merge merge = {lower, stop};
	char root[] = "";
	const struct place place = {&merge, upper, {lower, root}, target, 0};
	if (merge_tree(&place, error) < 0)
		return -1;
	return tree_copy_root(upper, target, 0, error);
}
