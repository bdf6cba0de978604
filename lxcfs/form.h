/*
 * Text with blanks for numbers. Where an instance shall have the lines that the host's file has, in the same order,
 * so that every tool finds what it looks for, a form is made of the host's file when it is first asked for; after
 * that, writing is copying.
 */
#ifndef SYSCT_LXCFS_FORM_H
#define SYSCT_LXCFS_FORM_H

#include <stddef.h>
#include <stdint.h>

#include "lxcfs/text.h"
#include "strbuf.h"

struct blank {
	size_t end;	/* of the text before it; form_add_blank() knows it */
	size_t offset;	/* of a uint64_t in the values */
	unsigned shift; /* right, from that number to what is told: 10 for bytes as kB */
	int width;	/* see text_add_number() */
};

struct form {
	struct strbuf text;
	struct blank *blanks;
	size_t count;
};

/* Where a form is kept once it is made. */
struct form_slot {
	_Atomic(struct form *) form;
};

void form_add_blank(struct form *form, struct blank blank);

/**
 * form_get - the form of @slot; at the first call @make makes it of the text of @path, which it may change.
 * Several threads may call it. form_release() frees it, not the caller.
 * Returns NULL when there is no such file.
 */
const struct form *form_get(struct form_slot *slot, int dirfd, const char *path,
			    void (*make)(char *source, struct form *form));
void form_release(struct form_slot *slot);

/* @values: what the blanks' offsets are in. */
void form_write(const struct form *form, const void *values, struct text *text);

#endif
