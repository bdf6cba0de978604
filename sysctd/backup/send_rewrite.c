/* See send_rewrite.h. */
#include "backup/send_rewrite.h"

#include <string.h>

#include "cleanup.h"
#include "memory.h"

static void put_change(struct strbuf *stream, enum send_kind kind, const char *path,
		       enum send_attribute attribute, uint64_t number)
{
	size_t begun = send_write_begin(stream, kind);
	send_write_text(stream, SEND_A_PATH, path);
	send_write_number(stream, attribute, number);
	send_write_end(stream, begun);
}

static void put_owner(struct strbuf *stream, const char *path)
{
	size_t begun = send_write_begin(stream, SEND_CHOWN);
	send_write_text(stream, SEND_A_PATH, path);
	send_write_number(stream, SEND_A_UID, 0);
	send_write_number(stream, SEND_A_GID, 0);
	send_write_end(stream, begun);
}

/* btrfs receive wants to have an inode number, and does nothing with it. */
static void put_new(struct strbuf *stream, enum send_kind kind, const char *path)
{
	size_t begun = send_write_begin(stream, kind);
	send_write_number(stream, SEND_A_INODE, 0);
	send_write_text(stream, SEND_A_PATH, path);
	send_write_end(stream, begun);
}

static void put_file(struct strbuf *stream, const char *path, const char *text, uint64_t mode)
{
	enum { PIECE = 32 << 10 };
	size_t length = strlen(text);
	put_new(stream, SEND_MKFILE, path);
	for (size_t at = 0; at < length; at += PIECE) {
		size_t piece = length - at < PIECE ? length - at : PIECE;
		size_t begun = send_write_begin(stream, SEND_WRITE);
		send_write_text(stream, SEND_A_PATH, path);
		send_write_number(stream, SEND_A_FILE_OFFSET, at);
		send_write_bytes(stream, SEND_A_DATA, text + at, piece);
		send_write_end(stream, begun);
	}
	put_owner(stream, path);
	put_change(stream, SEND_CHMOD, path, SEND_A_MODE, mode);
}

/* What a container's subvolume has beside its root directory. */
static void put_beginning(struct strbuf *stream, const char *below, const json_t *files)
{
	enum { SEARCH_BY_OWNER = 0100 };
	size_t i;
	const json_t *file;
	put_owner(stream, "");
	put_change(stream, SEND_CHMOD, "", SEND_A_MODE, SEARCH_BY_OWNER);
	json_array_foreach (files, i, file)
		put_file(stream, json_string_value(json_object_get(file, "path")),
			 json_string_value(json_object_get(file, "text")),
			 (uint64_t)json_integer_value(json_object_get(file, "mode")));
	put_new(stream, SEND_MKDIR, below);
}

/* Whether it is the path of a file of this subvolume or the parent's. */
static bool is_path(const struct send_command *command, int attribute)
{
	return attribute == SEND_A_PATH || attribute == SEND_A_PATH_TO ||
	       attribute == SEND_A_CLONE_PATH ||
	       (attribute == SEND_A_PATH_LINK && command->kind == SEND_LINK);
}

static int put_value(struct strbuf *stream, const struct send_command *command, int attribute,
		     const char *name, const char *below, struct error **error)
{
	const struct send_value *value = &command->values[attribute];
	bool whole = command->kind == SEND_SUBVOL || command->kind == SEND_SNAPSHOT;
	if (attribute == SEND_A_PATH && whole) {
		send_write_text(stream, SEND_A_PATH, name);
	} else if (below && is_path(command, attribute)) {
		const char *path = send_text(command, (enum send_attribute)attribute, error);
		if (!path)
			return -1;
		cleanup_free char *moved = memory_printf("%s%s%s", below, *path ? "/" : "", path);
		send_write_text(stream, (enum send_attribute)attribute, moved);
	} else {
		send_write_bytes(stream, (enum send_attribute)attribute, value->bytes,
				 value->length);
	}
	return 0;
}

int send_rewrite(struct strbuf *stream, const struct send_command *command, const json_t *entry,
		 struct error **error)
{
	const char *name = json_string_value(json_object_get(entry, "name"));
	const char *below = json_string_value(json_object_get(entry, "below"));
	size_t begun = send_write_begin(stream, command->kind);
	for (int attribute = 0; attribute <= SEND_A_MOST; attribute++)
		if (command->values[attribute].bytes &&
		    put_value(stream, command, attribute, name ? name : "", below, error) < 0)
			return -1;
	send_write_end(stream, begun);
	if (command->kind == SEND_SUBVOL && below)
		put_beginning(stream, below, json_object_get(entry, "files"));
	return 0;
}
