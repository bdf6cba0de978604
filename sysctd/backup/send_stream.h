/*
 * Streams that btrfs sends (BTRFS_IOC_SEND), version 1: commands with attributes, as fs/btrfs/send.h has them. Read and
 * written by the programs that pack and unpack backups in the format of btrfs.
 */
#ifndef SYSCT_BACKUP_SEND_STREAM_H
#define SYSCT_BACKUP_SEND_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "strbuf.h"

enum send_kind {
	SEND_SUBVOL = 1,
	SEND_SNAPSHOT = 2,
	SEND_MKFILE = 3,
	SEND_MKDIR = 4,
	SEND_MKNOD = 5,
	SEND_MKFIFO = 6,
	SEND_MKSOCK = 7,
	SEND_SYMLINK = 8,
	SEND_RENAME = 9,
	SEND_LINK = 10,
	SEND_UNLINK = 11,
	SEND_RMDIR = 12,
	SEND_SET_XATTR = 13,
	SEND_REMOVE_XATTR = 14,
	SEND_WRITE = 15,
	SEND_CLONE = 16,
	SEND_TRUNCATE = 17,
	SEND_CHMOD = 18,
	SEND_CHOWN = 19,
	SEND_UTIMES = 20,
	SEND_END = 21,
};

enum send_attribute {
	SEND_A_UUID = 1,
	SEND_A_INODE = 3,
	SEND_A_SIZE = 4,
	SEND_A_MODE = 5,
	SEND_A_UID = 6,
	SEND_A_GID = 7,
	SEND_A_RDEV = 8,
	SEND_A_MTIME = 10,
	SEND_A_ATIME = 11,
	SEND_A_XATTR_NAME = 13,
	SEND_A_XATTR_DATA = 14,
	SEND_A_PATH = 15,
	SEND_A_PATH_TO = 16,
	SEND_A_PATH_LINK = 17,
	SEND_A_FILE_OFFSET = 18,
	SEND_A_DATA = 19,
	SEND_A_CLONE_UUID = 20,
	SEND_A_CLONE_PATH = 22,
	SEND_A_CLONE_OFFSET = 23,
	SEND_A_CLONE_LENGTH = 24,
	SEND_A_MOST = 31,
};

enum { SEND_UUID = 16 };

struct send_value {
	const char *bytes; /* NULL: it is not there; else a zero byte follows */
	size_t length;
};

struct send_command {
	enum send_kind kind;
	struct send_value values[SEND_A_MOST + 1];
};

/* Bytes for a reader: exactly so many; -1 with *error, also at the end. */
typedef int (*send_source)(void *data, void *bytes, size_t length, struct error **error);

struct send_reader {
	send_source source;
	void *data;
	char *body; /* of the last command; freed by send_reader_clear() */
	char *text;
};

int send_read_head(struct send_reader *reader, struct error **error);

/* The next command, whose values live until the one after; 0 after SEND_END, else 1. */
int send_read(struct send_reader *reader, struct send_command *command, struct error **error);
void send_reader_clear(struct send_reader *reader);

/* A value as text, without zero bytes in it; NULL with ERROR_INVALID when there is none. */
const char *send_text(const struct send_command *command, enum send_attribute attribute,
		      struct error **error);
int send_number(const struct send_command *command, enum send_attribute attribute, uint64_t *number,
		struct error **error);

/* ---- writing: into a buffer ---- */

void send_write_head(struct strbuf *stream);

/* Begins a command; attributes follow, and send_write_end(). Returns where it is, for that. */
size_t send_write_begin(struct strbuf *stream, enum send_kind kind);
void send_write_bytes(struct strbuf *stream, enum send_attribute attribute, const void *bytes,
		      size_t length);
void send_write_text(struct strbuf *stream, enum send_attribute attribute, const char *text);
void send_write_number(struct strbuf *stream, enum send_attribute attribute, uint64_t number);
void send_write_end(struct strbuf *stream, size_t begun);

#endif
