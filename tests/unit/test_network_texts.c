/* Ports of forwards, names and entries of zones: texts from the API. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "memory.h"
#include "network/forward_ports.h"
#include "network/zone_records.h"

static void test_ports(void **state)
{
	(void)state;
	cleanup_free uint16_t *ports = NULL;
	size_t count;
	assert_int_equal(ports_parse("80, 90-92,65535", &ports, &count, NULL), 0);
	assert_int_equal(count, 5);
	assert_int_equal(ports[0], 80);
	assert_int_equal(ports[3], 92);
	assert_int_equal(ports[4], 65535);
}

static void test_bad_ports(void **state)
{
	static const char *const bad[] = {"",	   "0",		"65536", "80,",	  ",80", "9-8",
					  "a",	   "80-",	"-80",	 "1-2-3", "+80", "0x50",
					  "80;81", "1-65535,1", "80 81", "000080"};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cleanup_free uint16_t *ports = NULL;
		cleanup_error struct error *error = NULL;
		size_t count;
		assert_int_equal(ports_parse(bad[i], &ports, &count, &error), -1);
		assert_non_null(error);
	}
}

/* What one port of a forward becomes. */
static void entries_of(const char *listen, const char *target, struct dnat_list *list)
{
	struct network network = {.name = (char *)"lan"};
	struct part_row row = {.name = (char *)"192.0.2.1", .config = json_object()};
	struct error *error = NULL;
	subnet_parse(AF_INET, "10.1.2.1/24", &network.ipv4, NULL);
	row.list = json_pack("[{s:s, s:s, s:s, s:s}]", "protocol", "tcp", "listen_port", listen,
			     "target_port", target, "target_address", "10.1.2.3");
	if (forward_entries(&row, &network, list, &error) < 0)
		fail_msg("%s", error_message(error));
	json_decref(row.list);
	json_decref(row.config);
}

static void test_entries(void **state)
{
	(void)state;
	cleanup_dnat_list struct dnat_list same = {0}, one = {0}, shifted = {0}, split = {0};
	entries_of("90-99", "", &same);
	assert_int_equal(same.count, 1);
	assert_int_equal(same.entries[0].target_last, 99);
	entries_of("90-99", "22", &one);
	assert_int_equal(one.count, 1);
	assert_int_equal(one.entries[0].target_first, 22);
	assert_int_equal(one.entries[0].target_last, 22);
	entries_of("80,90-92", "8080-8083", &shifted);
	assert_int_equal(shifted.count, 2);
	assert_int_equal(shifted.entries[1].listen_first, 90);
	assert_int_equal(shifted.entries[1].target_first, 8081);
	entries_of("1-4", "10-11,20-21", &split);
	assert_int_equal(split.count, 2);
	assert_int_equal(split.entries[1].listen_first, 3);
	assert_int_equal(split.entries[1].target_first, 20);
}

static void test_names(void **state)
{
	static const char *const good[] = {"lab.test", "_sip._tcp", "a", "2.0.192.in-addr.arpa"};
	static const char *const bad[] = {"",	 ".",	"a..b",	   ".a",  "a.",
					  "-a",	 "a-",	"a b",	   "a/b", "a\nlocal=/x/",
					  "a,b", "a#b", "\xc3\xa4"};
	char label[80], name[300];
	(void)state;
	memset(label, 'a', sizeof(label));
	label[64] = '\0';
	memset(name, 'a', sizeof(name));
	for (size_t i = 50; i < 254; i += 50)
		name[i] = '.';
	name[254] = '\0';
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(zone_check_name(good[i], NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(zone_check_name(bad[i], NULL), -1);
	assert_int_equal(zone_check_name(label, NULL), -1);
	assert_int_equal(zone_check_name(label + 1, NULL), 0);
	assert_int_equal(zone_check_name(name, NULL), -1);
	assert_int_equal(zone_check_name(name + 1, NULL), 0);
}

static bool is_local(const char *name, void *data)
{
	(void)data;
	return strstr(name, "lab.test");
}

static int check(const char *type, const char *value, int ttl, struct strbuf *hosts,
		 struct strbuf *config)
{
	json_t *entries = json_pack("[{s:s, s:s, s:i}]", "type", type, "value", value, "ttl", ttl);
	int result = zone_records_check("lab.test", "www", entries, is_local, NULL, NULL);
	if (result == 0)
		zone_records_write("lab.test", "www", entries, hosts, config);
	json_decref(entries);
	return result;
}

static void test_records(void **state)
{
	static const struct {
		const char *type, *value;
		int ttl;
		const char *hosts, *config;
	} good[] = {
		{"a", "10.1.2.3", 0, "10.1.2.3 www.lab.test\n", NULL},
		{"AAAA", "fd42::3", 60, NULL, "host-record=www.lab.test,fd42::3,60\n"},
		{"CNAME", "web", 0, NULL, "cname=www.lab.test,web.lab.test\n"},
		{"CNAME", "web.lab.test.", 9, NULL, "cname=www.lab.test,web.lab.test,9\n"},
		{"MX", "10 @", 0, NULL, "dns-rr=www.lab.test,15,000a036c6162047465737400\n"},
		{"TXT", "a \"b c\"", 0, NULL, "dns-rr=www.lab.test,16,016103622063\n"},
		{"CAA", "0 issue \"ca\"", 0, NULL, "dns-rr=www.lab.test,257,000569737375656361\n"},
		{"SSHFP", "4 2 00ff", 0, NULL, "dns-rr=www.lab.test,44,040200ff\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cleanup_strbuf struct strbuf hosts = {0}, config = {0};
		assert_int_equal(check(good[i].type, good[i].value, good[i].ttl, &hosts, &config),
				 0);
		assert_string_equal(hosts.text ? hosts.text : "",
				    good[i].hosts ? good[i].hosts : "");
		assert_string_equal(config.text ? config.text : "",
				    good[i].config ? good[i].config : "");
	}
}

static void test_bad_records(void **state)
{
	static const struct {
		const char *type, *value;
		int ttl;
	} bad[] = {
		{"A", "::1", 0},	   {"A", "10.1.2.3\n", 0},
		{"AAAA", "10.1.2.3", 0},   {"MX", "mail", 0},
		{"MX", "10 mail more", 0}, {"MX", "65536 mail", 0},
		{"TXT", "\"open", 0},	   {"TXT", "", 0},
		{"TXT", "a", 60},	   {"CNAME", "example.org", 0},
		{"CNAME", "www", 0},	   {"CNAME", "a b.lab.test", 0},
		{"SSHFP", "4 2 0", 0},	   {"SSHFP", "4 2 xy", 0},
		{"SOA", "x", 0},	   {"", "x", 0},
		{"NS", "a..b", 0},	   {"CAA", "256 issue x", 0},
		{"PTR", "a,b", 0},
	};
	char text[300];
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(check(bad[i].type, bad[i].value, bad[i].ttl, NULL, NULL), -1);
	memset(text, 'x', sizeof(text));
	text[256] = '\0';
	assert_int_equal(check("TXT", text, 0, NULL, NULL), -1);
	text[255] = '\0';
	assert_int_equal(check("TXT", text, 0, NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),	cmocka_unit_test(test_bad_ports),
		cmocka_unit_test(test_entries), cmocka_unit_test(test_names),
		cmocka_unit_test(test_records), cmocka_unit_test(test_bad_records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
