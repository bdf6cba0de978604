/*
 * The one error object of the tree. A fallible function returns 0 (or a
 * pointer) and, on failure, -1 (or NULL) with *error filled. The kind becomes
 * the HTTP status in sysctd/api/response.c and the exit code in sysct/main.c.
 */
#ifndef SYSCT_ERROR_H
#define SYSCT_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

enum error_kind {
	ERROR_INTERNAL,
	ERROR_INVALID,
	ERROR_NOT_FOUND,
	ERROR_EXISTS,
	ERROR_BUSY,
	ERROR_PERMISSION,
	ERROR_NO_SPACE,
	ERROR_UNSUPPORTED,
	ERROR_PRECONDITION,
	ERROR_TIMEOUT,
	ERROR_CANCELLED,
	ERROR_KIND_COUNT
};

struct error {
	enum error_kind kind;
	int errnum; /* 0 where no system call failed */
	char *message;
};

/* Names as they travel between the programs ("not_found"). */
const char *error_kind_to_string(enum error_kind kind);
enum error_kind error_kind_from_string(const char *name);

/**
 * error_set - fill *error and return -1.
 * @error: may be NULL when the caller does not care. An error already there
 * is kept: the first failure is the one worth telling.
 */
int error_set(struct error **error, enum error_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * error_errno - like error_set, with the kind taken from @errnum and
 * ": strerror" appended to the sentence.
 */
int error_errno(struct error **error, int errnum, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A program, or a library, said so and not a system call: which failure that is (error_errno()). Returns -1. */
int error_set_errnum(struct error **error, int errnum);

/**
 * error_prefix - put "context: " before the message; always returns -1, so
 * that a caller can `return error_prefix(error, ...)`.
 */
int error_prefix(struct error **error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The sentence of an error, or "unknown error" for NULL. */
const char *error_message(const struct error *error);

/* Takes ownership of @from and stores it in *error (or frees it). */
void error_move(struct error **error, struct error *from);
void error_free(struct error *error);

#endif
