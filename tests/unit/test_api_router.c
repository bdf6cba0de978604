/* Unit tests of the routes, requests and responses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "api/request_internal.h"
#include "api/response_internal.h"
#include "cleanup.h"

static struct response *nothing(struct request *request, struct error **error)
{
	(void)request;
	(void)error;
	return NULL;
}

static const struct route first[] = {
	{"GET", "/1.0", nothing, 0, 0, NULL},
	{"GET", "/1.0/images/{fingerprint}", nothing, 0, 0, NULL},
	{"DELETE", "/1.0/images/{fingerprint}", nothing, 0, 0, NULL},
	{"GET", "/1.0/images/aliases", nothing, 0, 0, NULL},
	{0},
};
static const struct route second[] = {
	{"POST", "/1.0/instances/{name}/exec", nothing, 0, 0, NULL},
	{"GET", "/1.0/instances/{name}/snapshots/{snapshot}", nothing, 0, 0, NULL},
	{0},
};
static const struct route *const all[] = {first, second, NULL};

static struct router *router;

static int setup(void **state)
{
	(void)state;
	router = router_create(all, NULL);
	return router ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	router_free(router);
	return 0;
}

static void check(const char *method, const char *path, const struct route *expected)
{
	struct route_match match;
	assert_int_equal(router_find(router, method, path, &match, NULL), 0);
	assert_ptr_equal(match.route, expected);
	route_match_clear(&match);
}

static void finds(void **state)
{
	(void)state;
	check("GET", "/1.0", &first[0]);
	check("GET", "/1.0/", &first[0]);
	check("HEAD", "/1.0", &first[0]);
	check("GET", "/1.0/images/abc", &first[1]);
	check("DELETE", "/1.0/images/abc", &first[2]);
	check("GET", "/1.0/images/aliases", &first[3]);
	check("POST", "/1.0/containers/a/exec", &second[0]);
	check("GET", "/1.0/images/", NULL);
	check("GET", "/1.0//images", NULL);
	check("GET", "/2.0", NULL);
	check("GET", "", NULL);
	check("GET", "*", NULL);
	check("GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18", NULL);
}

static void decodes_parameters(void **state)
{
	(void)state;
	struct route_match match;
	const char *path = "/1.0/containers/a%2Fb%20c/snapshots/x+y";
	assert_int_equal(router_find(router, "GET", path, &match, NULL), 0);
	assert_string_equal(route_match_parameter(&match, "name"), "a/b c");
	assert_string_equal(route_match_parameter(&match, "snapshot"), "x+y");
	assert_null(route_match_parameter(&match, "nam"));
	assert_true(match.containers);
	route_match_clear(&match);
	for (int i = 0; i < 4; i++) {
		static const char *const bad[] = {"/1.0/images/%", "/1.0/images/%4",
						  "/1.0/images/%4g", "/1.0/images/a%00"};
		cleanup_error struct error *error = NULL;
		assert_int_equal(router_find(router, "GET", bad[i], &match, &error), -1);
		assert_int_equal(error->kind, ERROR_INVALID);
	}
}

static void knows_methods(void **state)
{
	(void)state;
	struct route_match match;
	router_find(router, "PUT", "/1.0/images/abc", &match, NULL);
	assert_string_equal(match.allowed, "GET, DELETE");
	route_match_clear(&match);
	router_find(router, "DELETE", "/1.0/images/aliases", &match, NULL);
	assert_string_equal(match.allowed, "GET");
	route_match_clear(&match);
	router_find(router, "GET", "/1.0/cluster/members/x", &match, NULL);
	assert_true(match.unsupported);
	route_match_clear(&match);
	assert_null(match.advice);
	router_find(router, "POST", "/1.0/networks/lan/peers/x", &match, NULL);
	assert_true(match.unsupported);
	assert_non_null(strstr(match.advice, "OVN"));
	route_match_clear(&match);
	router_find(router, "GET", "/1.0/cluster/nonsense", &match, NULL);
	assert_false(match.unsupported);
	route_match_clear(&match);
}

static void refuses_twins(void **state)
{
	(void)state;
	static const struct route twin[] = {{"GET", "/1.0/images/{name}", nothing, 0, 0, NULL},
					    {0}};
	static const struct route *const both[] = {first, twin, NULL};
	cleanup_error struct error *error = NULL;
	assert_null(router_create(both, &error));
	assert_non_null(strstr(error_message(error), "twice"));
}

static void reads_query(void **state)
{
	(void)state;
	long value;
	struct request *request =
		request_create("/1.0?recursion=1&filter=a+eq%20b&x&&n=12z&all=TRUE");
	assert_int_equal(request_parse_query(request, NULL), 0);
	assert_string_equal(request_path(request), "/1.0");
	assert_int_equal(request_recursion(request), 1);
	assert_string_equal(request_query(request, "filter"), "a eq b");
	assert_string_equal(request_query(request, "x"), "");
	assert_null(request_query(request, "y"));
	assert_string_equal(request_project(request), "default");
	assert_true(request_query_bool(request, "all"));
	assert_int_equal(request_query_int(request, "n", 3, &value, NULL), -1);
	assert_int_equal(request_query_int(request, "m", 3, &value, NULL), 0);
	assert_int_equal(value, 3);
	request_free(request);
	request = request_create("/1.0?a=%0");
	assert_int_equal(request_parse_query(request, NULL), -1);
	request_free(request);
}

static const char *wanted_tag;

static const char *give_header(const void *connection, const char *name)
{
	(void)connection;
	return strcmp(name, "If-Match") == 0 ? wanted_tag : NULL;
}

static void compares_etags(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		int result;
	} rows[] = {{NULL, 0},	    {"*", 0},	      {"\"abc\"", 0},
		    {"abc", 0},	    {"W/\"abc\"", 0}, {"\"x\", \"abc\"", 0},
		    {"\"ab\"", -1}, {"\"abcd\"", -1}};
	struct request *request = request_create("/1.0");
	request->header = give_header;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cleanup_error struct error *error = NULL;
		wanted_tag = rows[i].header;
		assert_int_equal(request_if_match_check(request, "abc", &error), rows[i].result);
		if (rows[i].result < 0)
			assert_int_equal(response_status(error), 412);
	}
	request_free(request);
}

static struct request *with_body(const char *text)
{
	struct request *request = request_create("/1.0");
	request->body_limit = 1000;
	request_take_body(request, text, strlen(text));
	return request;
}

static void parses_bodies(void **state)
{
	(void)state;
	cleanup_error struct error *error = NULL, *deep = NULL;
	struct request *request = with_body("{\"a\": \"[[[\\\"[\"}");
	assert_int_equal(request_parse_body(request, NULL), 0);
	assert_non_null(request_body_object(request, NULL));
	request_free(request);
	request = with_body("{\n\"a\": x}");
	assert_int_equal(request_parse_body(request, &error), -1);
	assert_non_null(strstr(error_message(error), "line 2, column"));
	request_free(request);
	char nested[201];
	memset(nested, '[', sizeof(nested) - 1);
	nested[200] = '\0';
	request = with_body(nested);
	assert_int_equal(request_parse_body(request, &deep), -1);
	assert_non_null(strstr(error_message(deep), "nested"));
	request_free(request);
	char *big = calloc(1, 2000);
	memset(big, ' ', 1999);
	request = with_body(big);
	assert_true(request->too_large);
	request_free(request);
	free(big);
}

static void makes_envelopes(void **state)
{
	(void)state;
	struct response *response = response_sync(json_pack("{s:i}", "a", 1));
	assert_string_equal(response->body.text,
			    "{\"type\":\"sync\",\"status\":\"Success\",\"status_code\":200,"
			    "\"operation\":\"\",\"error_code\":0,\"error\":\"\","
			    "\"metadata\":{\"a\":1}}\n");
	response_free(response);
	cleanup_error struct error *error = NULL;
	error_set(&error, ERROR_NOT_FOUND, "no \"x\" \xff here");
	response = response_error(error);
	assert_int_equal(response->status, 404);
	json_t *body = json_loads(response->body.text, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(body, "error")), "no \"x\" ? here");
	assert_int_equal(json_integer_value(json_object_get(body, "error_code")), 404);
	json_decref(body);
	response_header(response, "X-Test", "a\r\nb");
	assert_string_equal(response->headers[response->header_count - 1].value, "a  b");
	response_free(response);
}

static void makes_etags(void **state)
{
	(void)state;
	json_t *one = json_pack("{s:i, s:i}", "a", 1, "b", 2);
	json_t *two = json_pack("{s:i, s:i}", "b", 2, "a", 1);
	cleanup_free char *first_tag = response_etag(one);
	cleanup_free char *second_tag = response_etag(two);
	/* sha256 of {"a":1,"b":2} */
	assert_string_equal(first_tag,
			    "43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777");
	assert_string_equal(first_tag, second_tag);
	json_decref(one);
	json_decref(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds),	 cmocka_unit_test(decodes_parameters),
		cmocka_unit_test(knows_methods), cmocka_unit_test(refuses_twins),
		cmocka_unit_test(reads_query),	 cmocka_unit_test(compares_etags),
		cmocka_unit_test(parses_bodies), cmocka_unit_test(makes_envelopes),
		cmocka_unit_test(makes_etags),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
