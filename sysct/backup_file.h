/* Backups between the daemon and files, for the commands that export and import. */
#ifndef SYSCT_BACKUP_FILE_H
#define SYSCT_BACKUP_FILE_H

#include "cli.h"

/* What is exported or imported; members are borrowed. */
struct backup_subject {
	const char *path; /* to POST to */
	const char *name; /* of an import the new one; NULL: the backup's */

	/* of an export: its option to leave snapshots out, and that in the request */
	const char *only_option, *only_field;

	/* of an import */
	const char *pool; /* NULL: as the daemon has it */
};

/* Into @file; "-" is standard output, NULL is NAME with what the compression ends in. */
int backup_file_export(struct cli *cli, const struct backup_subject *subject, const char *file,
		       struct error **error);

/* From @file; "-" is standard input. */
int backup_file_import(struct cli *cli, const struct backup_subject *subject, const char *file,
		       struct error **error);

#endif
