/* Exit codes of sysct-unpack (unpack_main.c), shared with the daemon. */
#ifndef SYSCT_IMAGE_UNPACK_H
#define SYSCT_IMAGE_UNPACK_H

enum unpack_status {
	UNPACK_DONE = 0,
	UNPACK_FAILED = 1,
	UNPACK_USAGE = 2,
	UNPACK_NO_SPACE = 3,
};

#endif
