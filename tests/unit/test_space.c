/* What a full disk says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "memory.h"
#include "space.h"
#include "strbuf.h"

static const struct space there = {(char *)"pool \"p\"", 300ULL << 20, UINT64_MAX};

static void expect(const struct space *space, int errnum, int64_t need, const char *message)
{
	cleanup_error struct error *error = NULL;
	error_errno(&error, errnum, "copying x");
	assert_int_equal(space_explain(space, "the copy", need, &error), -1);
	assert_string_equal(error_message(error), message);
}

static void test_missing(void **state)
{
	(void)state;
	expect(&there, ENOSPC, 1000LL << 20,
	       "no space left in pool \"p\": the copy needs 1000.00MiB, 300.00MiB were free, so "
	       "700.00MiB are missing (copying x: No space left on device)");
	expect(&there, EDQUOT, 3LL << 29,
	       "no space left in pool \"p\": the copy needs 1.50GiB, 300.00MiB were free, so "
	       "1.21GiB are missing (copying x: Disk quota exceeded)");
}

/* Somebody else has written meanwhile, or it is something else that has come to its end. */
static void test_enough(void **state)
{
	(void)state;
	const struct space few = {(char *)"pool \"p\"", 300ULL << 20, 12};
	expect(&there, ENOSPC, 100,
	       "no space left in pool \"p\": the copy needs 100B, 300.00MiB were free (copying x: "
	       "No space left on device)");
	expect(&few, ENOSPC, 100,
	       "no space left in pool \"p\": the copy needs 100B, 300.00MiB were free, with room "
	       "for 12 files (copying x: No space left on device)");
}

static void test_unknown(void **state)
{
	(void)state;
	expect(&there, ENOSPC, -1,
	       "no space left in pool \"p\": the copy needs more than the 300.00MiB that were free "
	       "(copying x: No space left on device)");
}

static void test_others(void **state)
{
	(void)state;
	const struct space nowhere = {0};
	expect(&there, EIO, 100, "copying x: Input/output error");
	expect(&nowhere, ENOSPC, 100, "copying x: No space left on device");
	assert_int_equal(space_explain(&there, "the copy", 1, NULL), -1);
	assert_false(space_is_short(NULL));
	/* Ids can be used up, too. */
	cleanup_error struct error *error = NULL;
	error_set(&error, ERROR_NO_SPACE, "no ids");
	assert_false(space_is_short(&error));
	space_explain(&there, "the copy", 1, &error);
	assert_string_equal(error_message(error), "no ids");
}

static void test_once(void **state)
{
	(void)state;
	cleanup_error struct error *error = NULL;
	error_set(&error, ERROR_NO_SPACE, "unpacking failed");
	error_set_errnum(&error, ENOSPC);
	assert_true(space_is_short(&error));
	space_explain(&there, "the image", -1, &error);
	cleanup_free char *said = memory_strdup(error_message(error));
	space_explain(&there, "the instance", 5, &error);
	assert_string_equal(error_message(error), said);
	assert_int_equal(error->kind, ERROR_NO_SPACE);
}

static void test_look(void **state)
{
	(void)state;
	cleanup_space struct space space = space_look("/", memory_strdup("here"));
	cleanup_space struct space none = space_look("/nowhere/at/all", memory_strdup("there"));
	assert_true(space.free > 0);
	assert_int_equal(none.free, 0);
	assert_int_equal(none.inodes, UINT64_MAX);
}

static void test_sizes(void **state)
{
	(void)state;
	cleanup_strbuf struct strbuf text = {0};
	const double sizes[] = {0, 1023, 1024, 1.5 * (1 << 30), 4096.0 * (1ULL << 50)};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		strbuf_append_size(&text, sizes[i]);
		strbuf_append_char(&text, ' ');
	}
	assert_string_equal(text.text, "0B 1023B 1.00KiB 1.50GiB 4096.00PiB ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing), cmocka_unit_test(test_enough),
		cmocka_unit_test(test_unknown), cmocka_unit_test(test_others),
		cmocka_unit_test(test_once),	cmocka_unit_test(test_look),
		cmocka_unit_test(test_sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
