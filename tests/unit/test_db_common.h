/* What the tests of the database share: a directory of their own, and rows to fill it. */
#ifndef SYSCT_TESTS_TEST_DB_COMMON_H
#define SYSCT_TESTS_TEST_DB_COMMON_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "db/db.h"
#include "db/images.h"
#include "db/instances.h"
#include "db/objects.h"
#include "db/profiles.h"
#include "file.h"
#include "memory.h"

struct fixture {
	char *directory;
	char *path; /* of the database */
	struct db *db;
};

static const struct id_pool ids = {1000000, 1000000000};

static inline void good(int result, struct error **error)
{
	if (result < 0)
		fail_msg("%s", error_message(*error));
}

/* The call failed with this kind and its sentence contains @text; the error is freed. */
static inline void expect_error(int result, struct error **error, enum error_kind kind,
				const char *text)
{
	assert_int_equal(result, -1);
	assert_non_null(*error);
	if ((*error)->kind != kind || !strstr(error_message(*error), text))
		fail_msg("expected %s \"%s\", got %s: %s", error_kind_to_string(kind), text,
			 error_kind_to_string((*error)->kind), error_message(*error));
	error_free(*error);
	*error = NULL;
}

static inline struct db *open_good(const char *path)
{
	struct error *error = NULL;
	struct db *db = db_open(path, &error);
	if (!db)
		fail_msg("%s", error_message(error));
	return db;
}

static inline int make_directory(void **state)
{
	const char *parent = getenv("TMPDIR");
	struct fixture *fixture = memory_alloc(sizeof(*fixture));
	fixture->directory = memory_printf("%s/sysct-db.XXXXXX", parent ? parent : "/tmp");
	if (!mkdtemp(fixture->directory))
		return -1;
	fixture->path = memory_printf("%s/sysct.db", fixture->directory);
	*state = fixture;
	return 0;
}

static inline int make_database(void **state)
{
	struct error *error = NULL;
	if (make_directory(state) < 0)
		return -1;
	struct fixture *fixture = *state;
	fixture->db = open_good(fixture->path);
	good(db_seed(fixture->db, &error), &error);
	return 0;
}

static inline int remove_all(void **state)
{
	struct fixture *fixture = *state;
	db_close(fixture->db);
	int result = file_remove_tree_at(AT_FDCWD, fixture->directory, NULL);
	free(fixture->directory);
	free(fixture->path);
	free(fixture);
	return result;
}

static inline struct instance_row new_instance(const char *name)
{
	return (struct instance_row){
		.uuid = memory_printf("uuid-%s", name),
		.name = memory_strdup(name),
		.architecture = memory_strdup("x86_64"),
		.pool = memory_strdup("default"),
	};
}

static inline struct instance_row create_instance(struct db *db, const char *name)
{
	struct error *error = NULL;
	struct instance_row row = new_instance(name);
	good(db_instance_create(db, &row, &ids, &error), &error);
	return row;
}

#endif
