/* Configuration keys, their values, devices and the expansion of profiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "instance/config_keys.h"
#include "instance/config_keys_unsupported.h"
#include "instance/config_keys_values.h"
#include "instance/device_types.h"
#include "memory.h"

static void expect_error(int result, struct error **error, enum error_kind kind, const char *text)
{
	assert_int_equal(result, -1);
	assert_non_null(*error);
	if ((*error)->kind != kind || !strstr(error_message(*error), text))
		fail_msg("expected %s \"%s\", got %s: %s", error_kind_to_string(kind), text,
			 error_kind_to_string((*error)->kind), error_message(*error));
	error_free(*error);
	*error = NULL;
}

static void good(int result, struct error **error)
{
	if (result < 0)
		fail_msg("%s", error_message(*error));
}

static const struct {
	const char *text;
	uint64_t bytes;
} sizes[] = {
	{"0", 0},
	{"512", 512},
	{"7B", 7},
	{"2kB", 2000},
	{"3MB", 3000000},
	{"1GB", 1000000000},
	{"1KiB", 1024},
	{"2GiB", 2147483648},
	{"1TiB", 1099511627776},
	{"7EiB", 8070450532247928832},
	{"9223372036854775807", INT64_MAX},
	{"50%", 500},
	{"0%", 0},
	{"100%", 1001},
	{"33%", 330},
};
static const char *const bad_sizes[] = {"",
					"x",
					"-1",
					"1.5GB",
					"1 GB",
					"1GB ",
					"1gb",
					"1K",
					"%",
					" 1",
					"+1",
					"0x10",
					"1GiBB",
					"101%",
					"5%%",
					"8EiB",
					"18446744073709551616",
					"9223372036854775808",
					"99999999999999999999GiB"};

static void test_sizes(void **state)
{
	struct error *error = NULL;
	uint64_t bytes;
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		good(size_or_percent_parse(sizes[i].text, 1001, &bytes, &error), &error);
		assert_true(bytes == sizes[i].bytes);
	}
	for (size_t i = 0; i < sizeof(bad_sizes) / sizeof(bad_sizes[0]); i++)
		expect_error(size_or_percent_parse(bad_sizes[i], 1000, &bytes, &error), &error,
			     ERROR_INVALID, bad_sizes[i]);
	good(size_or_percent_parse("99%", UINT64_MAX, &bytes, &error), &error);
	assert_true(bytes > UINT64_MAX / 100 * 98);
	expect_error(size_parse("50%", &bytes, &error), &error, ERROR_INVALID, "50%");
}

static void test_cpus(void **state)
{
	static const char *const rows[][2] = {
		{"0", "0"},	    {"0-3,5", "0-3,5"}, {"5,3,4", "3-5"}, {"1,1,1", "1"},
		{"0-2,1-4", "0-4"}, {"63-64", "63-64"}, {"4095", "4095"}, {"0-4095", "0-4095"}};
	static const char *const bad[] = {"",	  ",",	  "1,",	    ",1",
					  "-1",	  "1-",	  "3-1",    "a",
					  "1 2",  "4096", "0-4096", "99999999999999999999",
					  "1--2", "1-2-3"};
	struct error *error = NULL;
	struct cpuset set;
	struct cpu_limit limit;
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		good(cpuset_parse(rows[i][0], &set, &error), &error);
		cleanup_free char *text = cpuset_format(&set);
		assert_string_equal(text, rows[i][1]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_error(cpuset_parse(bad[i], &set, &error), &error, ERROR_INVALID, bad[i]);
	good(cpu_limit_parse("4", &limit, &error), &error);
	assert_int_equal(limit.count, 4);
	good(cpu_limit_parse("2-2,7", &limit, &error), &error);
	assert_int_equal(limit.count, 0);
	assert_int_equal(cpuset_count(&limit.set), 2);
	assert_true(cpuset_has(&limit.set, 7) && !cpuset_has(&limit.set, 3));
	expect_error(cpu_limit_parse("0", &limit, &error), &error, ERROR_INVALID, "\"0\"");
}

static void test_cpu_allowance(void **state)
{
	static const struct {
		const char *text;
		unsigned int count;
	} rows[] = {{"25ms/100ms", 1},
		    {"100ms/100ms", 1},
		    {"101ms/100ms", 2},
		    {"150ms/100ms", 2},
		    {"1ms/1ms", 1},
		    {"1000ms/1ms", 1000},
		    {"4096000ms/1ms", CPUSET_SIZE},
		    {"50%", CPUSET_SIZE},
		    {"100%", CPUSET_SIZE}};
	static const char *const bad[] = {"",
					  "0%",
					  "101%",
					  "50",
					  "25ms",
					  "25ms/",
					  "0ms/100ms",
					  "25ms/0ms",
					  "25/100",
					  "25ms/1001ms",
					  "25ms/100ms ",
					  "-1ms/100ms",
					  "1ms/100msx",
					  "99999999999999999999ms/1ms"};
	struct error *error = NULL;
	struct cpu_allowance allowance;
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		good(cpu_allowance_parse(rows[i].text, &allowance, &error), &error);
		assert_int_equal(cpu_allowance_count(&allowance), rows[i].count);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_error(cpu_allowance_parse(bad[i], &allowance, &error), &error, ERROR_INVALID,
			     bad[i]);
	good(cpu_allowance_parse("25ms/100ms", &allowance, &error), &error);
	assert_int_equal(allowance.quota, 25);
	assert_int_equal(allowance.period, 100);
	assert_int_equal(allowance.percent, 0);
	good(cpu_allowance_parse("7%", &allowance, &error), &error);
	assert_int_equal(allowance.percent, 7);
	assert_int_equal(allowance.quota, 0);
}

static int validate_in(enum config_scope scope, const char *key, const char *value,
		       struct error **error)
{
	json_t *config = json_pack("{s:s}", key, value);
	int result = config_validate(config, scope, error);
	json_decref(config);
	return result;
}

static int validate(const char *key, const char *value, struct error **error)
{
	return validate_in(CONFIG_SCOPE_INSTANCE, key, value, error);
}

static void test_good_pairs(void **state)
{
	static const char *const rows[][2] = {
		{"limits.memory", "512MiB"},
		{"limits.memory", "25%"},
		{"limits.cpu", "2"},
		{"limits.cpu", "0-1"},
		{"limits.cpu", ""},
		{"limits.cpu.allowance", "150ms/100ms"},
		{"limits.cpu.allowance", "50%"},
		{"limits.processes", "100"},
		{"boot.autostart", "TRUE"},
		{"boot.autostart.priority", "-5"},
		{"boot.autostart.delay", "0"},
		{"environment.PATH", "/bin=x"},
		{"user.a.b", "x"},
		{"image.os", "Debian"},
		{"volatile.uuid", "x"},
		{"volatile.eth0.hwaddr", "x"},
		{"security.privileged", "false"},
		{"security.idmap.isolated", "true"},
	};
	struct error *error = NULL;
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		good(validate(rows[i][0], rows[i][1], &error), &error);
	good(config_validate(NULL, CONFIG_SCOPE_PROFILE, &error), &error);
}

static void test_bad_pairs(void **state)
{
	static const struct {
		const char *key, *value;
		enum error_kind kind;
		const char *text;
	} rows[] = {
		{"limits.memory", "12x", ERROR_INVALID, "key \"limits.memory\": \"12x\""},
		{"limits.memory", "0", ERROR_INVALID, "no memory"},
		{"limits.processes", "0", ERROR_INVALID, "between 1 and"},
		{"limits.processes", "1.5", ERROR_INVALID, "whole number"},
		{"limits.processes", "99999999999999999999", ERROR_INVALID, "whole number"},
		{"boot.autostart", "maybe", ERROR_INVALID, "neither true nor false"},
		{"boot.autostart.delay", "-1", ERROR_INVALID, "between 0"},
		{"environment.A=B", "x", ERROR_INVALID, "\"=\""},
		{"security.privileged", "true", ERROR_UNSUPPORTED, "no privileged instances"},
		{"security.idmap.isolated", "no", ERROR_UNSUPPORTED, "of its own"},
		{"security.nesting", "true", ERROR_UNSUPPORTED,
		 "key \"security.nesting\" is not supported by sysct yet"},
		{"raw.lxc", "x", ERROR_UNSUPPORTED, "raw.lxc"},
		{"security.syscalls.intercept.mount.fuse", "x", ERROR_UNSUPPORTED, "mount.fuse"},
		{"security.syscalls.intercept.sysinfo", "x", ERROR_INVALID, "neither true"},
		{"limits.kernel.nofile", "1", ERROR_UNSUPPORTED, "limits.kernel.nofile"},
		{"limit.memory", "1", ERROR_INVALID, "did you mean \"limits.memory\""},
		{"boot.autostrat", "1", ERROR_INVALID, "did you mean \"boot.autostart\""},
		{"security.nestin", "1", ERROR_INVALID, "did you mean \"security.nesting\""},
		{"enviroment.PATH", "1", ERROR_INVALID, "did you mean \"environment.*\""},
		{"user.", "1", ERROR_INVALID, "unknown configuration key \"user.\""},
		{"", "1", ERROR_INVALID, "unknown configuration key \"\""},
		{"something.else.entirely", "1", ERROR_INVALID, "unknown configuration key"},
	};
	struct error *error = NULL;
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_error(validate(rows[i].key, rows[i].value, &error), &error, rows[i].kind,
			     rows[i].text);
	expect_error(validate_in(CONFIG_SCOPE_PROFILE, "volatile.uuid", "x", &error), &error,
		     ERROR_INVALID, "only be set on instances");
	expect_error(validate_in(CONFIG_SCOPE_PROFILE, "image.os", "x", &error), &error,
		     ERROR_INVALID, "only be set on instances");
	json_t *config = json_pack("{s:i}", "limits.cpu", 2);
	expect_error(config_validate(config, CONFIG_SCOPE_INSTANCE, &error), &error, ERROR_INVALID,
		     "not a text");
	config_normalize(config);
	good(config_validate(config, CONFIG_SCOPE_INSTANCE, &error), &error);
	json_decref(config);
}

static void test_protected(void **state)
{
	struct error *error = NULL;
	json_t *old = json_pack("{s:s, s:s}", "volatile.uuid", "u", "user.a", "1");
	json_t *new = json_pack("{s:s, s:s}", "volatile.uuid", "u", "user.b", "2");
	(void)state;
	good(config_validate_change(old, new, CONFIG_SCOPE_INSTANCE, &error), &error);
	json_object_set_new(new, "volatile.uuid", json_string("v"));
	expect_error(config_validate_change(old, new, CONFIG_SCOPE_INSTANCE, &error), &error,
		     ERROR_INVALID, "volatile.uuid");
	json_object_del(new, "volatile.uuid");
	expect_error(config_validate_change(old, new, CONFIG_SCOPE_INSTANCE, &error), &error,
		     ERROR_INVALID, "volatile.uuid");
	expect_error(config_validate_change(new, old, CONFIG_SCOPE_INSTANCE, &error), &error,
		     ERROR_INVALID, "volatile.uuid");
	json_decref(old);
	json_decref(new);
}

static void test_table(void **state)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);
	(void)state;
	for (size_t i = 0; i < count; i++) {
		struct error *error = NULL;
		if (keys[i].fallback)
			good(keys[i].validate(keys[i].name, keys[i].fallback, &error), &error);
		assert_false(config_key_is_unsupported(keys[i].name));
		assert_non_null(config_type_to_string(keys[i].type));
	}
	assert_true(config_key_is_live("limits.memory"));
	assert_false(config_key_is_live("security.privileged"));
	assert_false(config_key_is_live("nothing"));
	assert_string_equal(config_get(NULL, "boot.autostart.delay"), "0");
	assert_null(config_get(NULL, "limits.memory"));
	json_t *config =
		json_pack("{s:s, s:s, s:n, s:b, s:i}", "a", "", "b", "x", "c", "d", 1, "e", 5);
	config_normalize(config);
	cleanup_free char *text = json_dumps(config, JSON_SORT_KEYS | JSON_COMPACT);
	assert_string_equal(text, "{\"b\":\"x\",\"d\":\"true\",\"e\":\"5\"}");
	json_decref(config);
}

static void test_reference(void **state)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	(void)state;
	config_keys_write_reference(out);
	fclose(out);
	assert_non_null(strstr(text, "\n## limits\n"));
	assert_non_null(strstr(text, "| `limits.cpu` | number or set of CPUs |"));
	assert_non_null(strstr(text, "### disk"));
	free(text);
}

static void test_devices(void **state)
{
	static const struct {
		const char *devices;
		enum error_kind kind;
		const char *text;
	} rows[] = {
		{"{'a':{'type':'gpu'}}", ERROR_UNSUPPORTED,
		 "device \"a\": devices of type \"gpu\""},
		{"{'a':{'type':'nic'}}", ERROR_INVALID, "needs \"network\""},
		{"{'a':{'type':'nic','network':'n','parent':'p'}}", ERROR_INVALID, "must not be"},
		{"{'a':{'type':'nic','nictype':'bridged'}}", ERROR_INVALID, "needs \"parent\""},
		{"{'a':{'type':'nic','nictype':'macvlan'}}", ERROR_INVALID, "needs \"parent\""},
		{"{'a':{'type':'nic','nictype':'sriov','parent':'p'}}", ERROR_UNSUPPORTED, "sriov"},
		{"{'a':{'type':'nic','network':'n','name':'sixteen-letters0'}}", ERROR_INVALID,
		 "1 to 15"},
		{"{'a':{'type':'nic','network':'n','hwaddr':'01:00:00:00:00:00'}}", ERROR_INVALID,
		 "MAC address"},
		{"{'a':{'type':'nic','network':'n','vrf':'x'}}", ERROR_UNSUPPORTED, "\"vrf\""},
		{"{'a':{'type':'nic','network':'n','limits.max':'fast'}}", ERROR_INVALID,
		 "not a rate"},
		{"{'a':{'type':'nic','nictype':'p2p','limits.max':'1Mbit'}}", ERROR_INVALID,
		 "\"p2p\" has no key \"limits.max\""},
		{"{'a':{'type':'nix'}}", ERROR_INVALID, "no device type \"nix\""},
		{"{'a':{}}", ERROR_INVALID, "it has no type"},
		{"{'a':{'type':'none','x':'y'}}", ERROR_INVALID, "has no key \"x\""},
		{"{'a':{'type':'disk','path':'/'}}", ERROR_INVALID, "has no \"pool\""},
		{"{'a':{'type':'disk','path':'/x','pool':'p'}}", ERROR_INVALID, "no \"source\""},
		{"{'a':{'type':'disk','path':'/x/../y','source':'/s'}}", ERROR_INVALID,
		 "not an absolute path"},
		{"{'a':{'type':'disk','path':'/x','source':'s'}}", ERROR_INVALID, "source: "},
		{"{'a':{'type':'disk','path':'/x','source':'../s','pool':'p'}}", ERROR_INVALID,
		 "neither VOLUME"},
		{"{'a':{'type':'disk','path':'/x','source':'v','pool':'p','shift':'false'}}",
		 ERROR_INVALID, "always shifted"},
		{"{'a':{'type':'disk','path':'/x','source':'/s','size':'1GB'}}", ERROR_INVALID,
		 "has no \"size\""},
		{"{'a':{'type':'disk','path':'/x','source':'tmpfs:','recursive':'true'}}",
		 ERROR_INVALID, "a tmpfs has no"},
		{"{'a':{'type':'disk','path':'/x','source':'/s','propagation':'shared'}}",
		 ERROR_UNSUPPORTED, "is not supported"},
		{"{'a':{'type':'disk','path':'/x','source':'/s','io.bus':'nvme'}}",
		 ERROR_UNSUPPORTED, "virtual machines"},
		{"{'a':{'type':'disk','path':'/x','source':'/s'},"
		 "'b':{'type':'disk','path':'/x','source':'/t'}}",
		 ERROR_INVALID, "both at /x"},
		{"{'a':{'type':'disk','path':'/','pool':'p','size':'1XB'}}", ERROR_INVALID, "size"},
		{"{'a':{'type':'disk','path':'/','pool':'p','sise':'1GB'}}", ERROR_INVALID,
		 "no key \"sise\""},
		{"{'a/b':{'type':'none'}}", ERROR_INVALID, "not a name"},
		{"{'':{'type':'none'}}", ERROR_INVALID, "not a name"},
		{"{'a':'x'}", ERROR_INVALID, "not an object"},
		{"{'a':{'type':'disk','path':'/','pool':'p'},'b':{'type':'disk','path':'/"
		 "','pool':'p'}}",
		 ERROR_INVALID, "both a root disk"},
	};
	struct error *error = NULL;
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cleanup_free char *text = memory_strdup(rows[i].devices);
		for (char *at = text; *at; at++)
			*at = *at == '\'' ? '"' : *at;
		json_t *devices = json_loads(text, 0, NULL);
		assert_non_null(devices);
		expect_error(devices_validate(devices, &error), &error, rows[i].kind, rows[i].text);
		json_decref(devices);
	}
}

static void test_expand(void **state)
{
	struct error *error = NULL;
	struct profile_row profile_rows[] = {
		{.name = (char *)"default",
		 .config = json_pack("{s:s, s:s}", "limits.cpu", "1", "user.a", "1"),
		 .devices = json_pack("{s:{s:s, s:s, s:s}, s:{s:s}}", "root", "type", "disk",
				      "path", "/", "pool", "default", "x", "type", "none")},
		{.name = (char *)"big", .config = json_pack("{s:s}", "limits.cpu", "8")},
	};
	struct profile_list profiles = {profile_rows, 2};
	json_t *names = json_pack("[s, s]", "default", "big");
	json_t *config = json_pack("{s:s}", "user.a", "2");
	json_t *devices = json_pack("{s:{s:s, s:s, s:s}}", "root", "type", "disk", "path", "/",
				    "pool", "fast");
	json_t *all = NULL, *all_devices = NULL;
	(void)state;
	good(config_expand(&profiles, names, config, devices, &all, &all_devices, &error), &error);
	cleanup_free char *text = json_dumps(all, JSON_SORT_KEYS | JSON_COMPACT);
	assert_string_equal(text, "{\"limits.cpu\":\"8\",\"user.a\":\"2\"}");
	assert_string_equal(devices_root_pool(all_devices, &error), "fast");
	assert_int_equal(json_object_size(all_devices), 2);
	good(devices_validate(all_devices, &error), &error);
	assert_null(devices_root_pool(NULL, &error));
	expect_error(-1, &error, ERROR_INVALID, "no root disk");
	json_array_append_new(names, json_string("gone"));
	expect_error(config_expand(&profiles, names, NULL, NULL, NULL, NULL, &error), &error,
		     ERROR_NOT_FOUND, "\"gone\"");
	json_t *owned[] = {names,
			   config,
			   devices,
			   all,
			   all_devices,
			   profile_rows[0].config,
			   profile_rows[0].devices,
			   profile_rows[1].config};
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		json_decref(owned[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),	   cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_good_pairs), cmocka_unit_test(test_bad_pairs),
		cmocka_unit_test(test_protected),  cmocka_unit_test(test_table),
		cmocka_unit_test(test_reference),  cmocka_unit_test(test_devices),
		cmocka_unit_test(test_expand),	   cmocka_unit_test(test_cpu_allowance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
