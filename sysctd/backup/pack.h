/*
 * What sysct-pack reads on stdin, as JSON:
 *
 *   {"compression": "zstd", "scratch": "/a/directory", "entries": [...]}
 *
 * An entry is one of
 *   {"path": NAME, "text": CONTENT, "mode": 0400}               a file
 *   {"path": NAME, "mode": 0100}                                a directory
 *   {"path": NAME, "layers": [{"path": DIR, "base": N}, ...]}   a tree: layers, the uppermost first, written with ids from
 *                                                               N on
 *   {"path": NAME, "flat": DIR, "base": N}                      a tree as it is
 *   {"path": NAME, "send": DIR, "parent": DIR, "name": NAME,    a stream of a subvolume that is only read; what differs
 *    "below": NAME, "files": [...]}                             from the parent, if there is one (send_rewrite.h)
 *
 * Its exit codes, shared with the daemon. It writes how many bytes of data it has read into PACK_PROGRESS_FD, a number in
 * a line.
 */
#ifndef SYSCT_BACKUP_PACK_H
#define SYSCT_BACKUP_PACK_H

enum pack_status { PACK_DONE = 0, PACK_FAILED = 1, PACK_NO_SPACE = 3 };

enum { PACK_PROGRESS_FD = 3 };

#endif
