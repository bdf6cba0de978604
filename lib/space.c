/* See space.h. */
#include "space.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "cleanup.h"
#include "strbuf.h"

enum { FEW = 10000 }; /* inodes that are worth telling of */

struct space space_look(const char *path, char *where)
{
	struct statvfs status;
	struct space space = {.where = where, .inodes = UINT64_MAX};
	if (statvfs(path, &status) < 0)
		return space;
	/* The daemon may have what is reserved for root. */
	space.free = (uint64_t)status.f_bfree * status.f_frsize;
	if (status.f_files)
		space.inodes = status.f_ffree;
	return space;
}

void space_clear(struct space *space)
{
	free(space->where);
	*space = (struct space){0};
}

bool space_is_short(struct error *const *error)
{
	return error && *error && (*error)->kind == ERROR_NO_SPACE &&
	       ((*error)->errnum == ENOSPC || (*error)->errnum == EDQUOT);
}

static void append_need(struct strbuf *text, uint64_t need, uint64_t available)
{
	strbuf_append(text, "needs ");
	strbuf_append_size(text, (double)need);
	strbuf_append(text, ", ");
	strbuf_append_size(text, (double)available);
	strbuf_append(text, " were free");
	if (need <= available)
		return;
	strbuf_append(text, ", so ");
	strbuf_append_size(text, (double)(need - available));
	strbuf_append(text, " are missing");
}

int space_explain(const struct space *space, const char *what, int64_t need, struct error **error)
{
	cleanup_strbuf struct strbuf text = {0};
	if (!space->where || !space_is_short(error))
		return -1;
	strbuf_printf(&text, "no space left in %s: %s ", space->where, what);
	if (need >= 0) {
		append_need(&text, (uint64_t)need, space->free);
	} else {
		strbuf_append(&text, "needs more than the ");
		strbuf_append_size(&text, (double)space->free);
		strbuf_append(&text, " that were free");
	}
	if (space->inodes < FEW)
		strbuf_printf(&text, ", with room for %llu files",
			      (unsigned long long)space->inodes);
	strbuf_printf(&text, " (%s)", error_message(*error));
	free((*error)->message);
	(*error)->message = strbuf_steal(&text);
	(*error)->errnum = 0; /* it is told once */
	return -1;
}
