/* Single files for tree_copy.c: their bytes and their attributes. -1 with errno. */
#ifndef SYSCT_STORAGE_TREE_COPY_FILE_H
#define SYSCT_STORAGE_TREE_COPY_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

/* Makes the file @name in @to with the bytes of that in @from; shared where the file system can
 * (ioctl_ficlone(2)), else with its holes. @written grows. */
int tree_copy_file(int from, int to, const char *name, unsigned long long *written);

/* Whether the target has the same under that name, as far as its attributes tell. */
bool tree_copy_same(int from, int to, const char *name, const struct stat *status);

/* Whether the two regular files of that name and size have the same bytes; false when that cannot be told. */
bool tree_copy_same_bytes(int from, int to, const char *name, off_t size);

/* Owner, mode, extended attributes and times. */
int tree_copy_attributes(int from, int to, const char *name, const struct stat *status);

#endif
