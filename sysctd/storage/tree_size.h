/* How much of the disk a tree takes. */
#ifndef SYSCT_STORAGE_TREE_SIZE_H
#define SYSCT_STORAGE_TREE_SIZE_H

#include <stdint.h>

/* As du(1) has it: a file with several names counts once, other file systems do not. -1 with errno. */
int64_t tree_size(const char *path);

#endif
