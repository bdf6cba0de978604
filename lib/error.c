/* See error.h. */
#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[ERROR_KIND_COUNT] = {
	[ERROR_INTERNAL] = "internal",
	[ERROR_INVALID] = "invalid",
	[ERROR_NOT_FOUND] = "not_found",
	[ERROR_EXISTS] = "exists",
	[ERROR_BUSY] = "busy",
	[ERROR_PERMISSION] = "permission",
	[ERROR_NO_SPACE] = "no_space",
	[ERROR_UNSUPPORTED] = "unsupported",
	[ERROR_PRECONDITION] = "precondition",
	[ERROR_TIMEOUT] = "timeout",
	[ERROR_CANCELLED] = "cancelled",
};

const char *error_kind_to_string(enum error_kind kind)
{
	return kind < ERROR_KIND_COUNT ? kind_names[kind] : "internal";
}

enum error_kind error_kind_from_string(const char *name)
{
	for (int i = 0; name && i < ERROR_KIND_COUNT; i++)
		if (strcmp(kind_names[i], name) == 0)
			return (enum error_kind)i;
	return ERROR_INTERNAL;
}

static enum error_kind kind_from_errno(int errnum)
{
	switch (errnum) {
	case ENOENT:
		return ERROR_NOT_FOUND;
	case EEXIST:
		return ERROR_EXISTS;
	case EACCES:
	case EPERM:
		return ERROR_PERMISSION;
	case ENOSPC:
	case EDQUOT:
		return ERROR_NO_SPACE;
	case EINVAL:
		return ERROR_INTERNAL;
	case ETIMEDOUT:
		return ERROR_TIMEOUT;
	default:
		return ERROR_INTERNAL;
	}
}

static char *format_message(const char *format, va_list args)
{
	char *text = NULL;
	if (vasprintf(&text, format, args) < 0)
		return NULL;
	return text;
}

static void store(struct error **error, enum error_kind kind, int errnum, char *message)
{
	struct error *new = calloc(1, sizeof(*new));
	if (!new) {
		free(message);
		return;
	}
	*new = (struct error){kind, errnum, message};
	*error = new;
}

int error_set(struct error **error, enum error_kind kind, const char *format, ...)
{
	if (!error || *error)
		return -1;
	va_list args;
	va_start(args, format);
	store(error, kind, 0, format_message(format, args));
	va_end(args);
	return -1;
}

int error_errno(struct error **error, int errnum, const char *format, ...)
{
	if (!error || *error)
		return -1;
	va_list args;
	va_start(args, format);
	char *what = format_message(format, args);
	va_end(args);
	char *message = NULL;
	if (asprintf(&message, "%s: %s", what ? what : "", strerror(errnum)) < 0)
		message = NULL;
	free(what);
	store(error, kind_from_errno(errnum), errnum, message);
	return -1;
}

int error_set_errnum(struct error **error, int errnum)
{
	if (error && *error)
		(*error)->errnum = errnum;
	return -1;
}

int error_prefix(struct error **error, const char *format, ...)
{
	if (!error || !*error)
		return -1;
	va_list args;
	va_start(args, format);
	char *context = format_message(format, args);
	va_end(args);
	char *message = NULL;
	if (asprintf(&message, "%s: %s", context ? context : "", error_message(*error)) >= 0) {
		free((*error)->message);
		(*error)->message = message;
	}
	free(context);
	return -1;
}

const char *error_message(const struct error *error)
{
	return error && error->message ? error->message : "unknown error";
}

void error_move(struct error **error, struct error *from)
{
	if (error && !*error)
		*error = from;
	else
		error_free(from);
}

void error_free(struct error *error)
{
	if (!error)
		return;
	free(error->message);
	free(error);
}
