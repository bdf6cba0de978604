/*
 * Templates: programs that make images (templates/README.md has the contract).
 * Those in the configuration directory come before those that came with sysct,
 * and hide the ones of the same name.
 */
#ifndef SYSCT_IMAGE_TEMPLATE_H
#define SYSCT_IMAGE_TEMPLATE_H

#include <jansson.h>

#include "error.h"

struct server;

/**
 * struct template_match - a template that can make an alias.
 * @options: {key: value} for its build command.
 * @aliases: [name] that an image built so deserves.
 */
struct template_match {
	char *path;
	char *name;
	char *description;
	json_t *options;
	json_t *aliases;
};

void template_match_clear(struct template_match *match);
#define cleanup_template_match __attribute__((cleanup(template_match_clear)))

/**
 * template_find - the first template that knows @alias.
 * ERROR_NOT_FOUND names the templates there are; ERROR_INVALID is the answer
 * of a template that knows the name and cannot make it.
 */
int template_find(struct server *server, const char *alias, struct template_match *match,
		  struct error **error);

/* Lays @options over those of the match; ERROR_INVALID for what is no option. */
int template_match_override(struct template_match *match, const json_t *options,
			    struct error **error);

#endif
