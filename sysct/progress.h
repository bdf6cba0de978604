/* One line on the terminal that tells what is going on; nothing elsewhere. */
#ifndef SYSCT_PROGRESS_H
#define SYSCT_PROGRESS_H

#include <stdbool.h>

struct progress {
	bool enabled;
	bool shown;
};

/* Enabled when stderr is a terminal that can clear a line, and not @quiet. */
void progress_init(struct progress *progress, bool quiet);
void progress_show(struct progress *progress, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void progress_clear(struct progress *progress);

#endif
