/* Images by alias or fingerprint. */
#ifndef SYSCT_IMAGE_H
#define SYSCT_IMAGE_H

#include "cli.h"

/* The fingerprint that an alias means; what is no alias is taken for a (cut) fingerprint itself.
 * The caller frees it. */
char *image_resolve(struct cli *cli, const char *name, struct error **error);

extern const struct option_row image_list_options[];

/* "debian, debian/12", the names of an image's aliases; the caller frees it. */
char *image_alias_names(const json_t *image);

int image_run_list(struct cli *cli, struct error **error);
int image_run_info(struct cli *cli, struct error **error);

#endif
