/* Sockets in the file system that nobody listens to any more. */
#ifndef SYSCT_UNIX_PATH_H
#define SYSCT_UNIX_PATH_H

#include "error.h"

/**
 * unix_path_directory - descriptor of the directory of @path, so that what follows concerns this
 * directory whoever moves a part of the path meanwhile. The last component is behind the last "/".
 */
int unix_path_directory(const char *path, struct error **error);

/**
 * unix_path_remove_stale - remove a socket if nobody listens to it.
 * @directory: of @name, or AT_FDCWD. Missing is fine; ERROR_EXISTS when it is something else or
 * somebody listens.
 */
int unix_path_remove_stale(int directory, const char *name, struct error **error);

#endif
