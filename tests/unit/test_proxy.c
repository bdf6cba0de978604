/* Addresses of proxy devices, and which keys go together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <jansson.h>
#include <string.h>
#include <sys/un.h>

#include "cleanup.h"
#include "instance/device_types.h"
#include "proxy_address.h"

static void good_addresses(void **state)
{
	static const struct {
		const char *text;
		size_t count;
		int last; /* port */
	} cases[] = {
		{"tcp:127.0.0.1:80", 1, 80}, {"tcp:0.0.0.0:80,443,1000-1010", 13, 1010},
		{"udp:[::]:53", 1, 53},	     {"tcp:[fd42::1]:1-65535", 65535, 65535},
		{"tcp:1.2.3.4:5-5", 1, 5},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cleanup_proxy_address struct proxy_address address = {0};
		assert_int_equal(proxy_address_parse(cases[i].text, &address, NULL), 0);
		assert_int_equal(address.count, cases[i].count);
		assert_int_equal(address.ports[address.count - 1], cases[i].last);
	}
}

static void bad_addresses(void **state)
{
	static const char *const cases[] = {
		"",
		"tcp",
		"tcp:",
		"tcp:80",
		"tcp:127.0.0.1",
		"tcp:127.0.0.1:",
		"tcp:127.0.0.1:0",
		"tcp:127.0.0.1:65536",
		"tcp:127.0.0.1:-1",
		"tcp:127.0.0.1: 1",
		"tcp:127.0.0.1:1,",
		"tcp:127.0.0.1:1-",
		"tcp:127.0.0.1:2-1",
		"tcp:127.0.0.1:1-2-3",
		"tcp:127.0.0.1:1-65535,1",
		"tcp:localhost:1",
		"tcp:::1:1",
		"tcp:[127.0.0.1]:1",
		"tcp:[]:1",
		"tcp:[::1:1",
		"unix:",
		"unix:@",
		"unix:/",
		"unix:/a/",
		"unix:a",
		"sctp:127.0.0.1:1",
		"TCP:127.0.0.1:1",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cleanup_proxy_address struct proxy_address address = {0};
		cleanup_error struct error *error = NULL;
		assert_int_equal(proxy_address_parse(cases[i], &address, &error), -1);
		assert_int_equal(error->kind, ERROR_INVALID);
	}
}

static void filled(void **state)
{
	struct sockaddr_storage to;
	const struct sockaddr_un *local = (const struct sockaddr_un *)&to;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&to;
	(void)state;
	cleanup_proxy_address struct proxy_address path = {0}, abstract = {0}, range = {0};
	assert_int_equal(proxy_address_parse("unix:/run/x", &path, NULL), 0);
	proxy_address_fill(&path, 0, &to);
	assert_string_equal(local->sun_path, "/run/x");
	assert_true(proxy_address_is_path(&path));
	assert_int_equal(proxy_address_parse("unix:@/run/x", &abstract, NULL), 0);
	assert_int_equal(proxy_address_fill(&abstract, 0, &to),
			 offsetof(struct sockaddr_un, sun_path) + strlen("@/run/x"));
	assert_memory_equal(local->sun_path, "\0/run/x", 7);
	assert_false(proxy_address_is_path(&abstract));
	assert_int_equal(proxy_address_parse("tcp:[::1]:7,9", &range, NULL), 0);
	assert_int_equal(proxy_address_fill(&range, 1, &to), sizeof(*six));
	assert_int_equal(ntohs(six->sin6_port), 9);
}

static void check(const char *keys, const char *problem)
{
	cleanup_error struct error *error = NULL;
	json_t *devices = json_pack("{s:{s:s}}", "web", "type", "proxy");
	json_t *device = json_object_get(devices, "web");
	char copy[512], *rest = copy;
	snprintf(copy, sizeof(copy), "%s", keys);
	for (char *one; (one = strsep(&rest, " "));) {
		char *value = strchr(one, '=');
		*value++ = '\0';
		json_object_set_new(device, one, json_string(value));
	}
	int result = devices_validate(devices, &error);
	json_decref(devices);
	assert_int_equal(result, problem ? -1 : 0);
	if (problem)
		assert_non_null(strstr(error->message, problem));
}

static void keys_together(void **state)
{
	(void)state;
	check("listen=tcp:0.0.0.0:1-2 connect=tcp:127.0.0.1:3-4", NULL);
	check("listen=tcp:0.0.0.0:1-2 connect=tcp:127.0.0.1:3", NULL);
	check("listen=tcp:0.0.0.0:1-2 connect=unix:/x bind=guest", NULL);
	check("listen=tcp:0.0.0.0:1-2 connect=tcp:127.0.0.1:3-5", "as many");
	check("listen=tcp:0.0.0.0:1-3 connect=tcp:127.0.0.1:3-4", "as many");
	check("listen=unix:@x connect=tcp:127.0.0.1:3-4", "as many");
	check("listen=unix:/x connect=tcp:127.0.0.1:3 mode=0600 uid=1 gid=2", NULL);
	check("listen=tcp:0.0.0.0:1 connect=tcp:127.0.0.1:3 uid=1", "\"uid\"");
	check("listen=unix:/x connect=udp:127.0.0.1:3 proxy_protocol=true", "proxy_protocol");
	check("listen=tcp:192.0.2.1:1 connect=tcp:0.0.0.0:3 nat=true", NULL);
	check("listen=tcp:192.0.2.1:1 connect=tcp:0.0.0.0:3 nat=true bind=container", "bind=host");
	check("listen=tcp:0.0.0.0:1 connect=tcp:10.0.0.1:3 nat=true", "one address");
	check("listen=tcp:[::1]:1 connect=tcp:[fd42::1]:3 nat=true", "loopback");
	check("listen=tcp:192.0.2.1:1 connect=udp:10.0.0.1:3 nat=true", "tcp to tcp");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_addresses),
		cmocka_unit_test(bad_addresses),
		cmocka_unit_test(filled),
		cmocka_unit_test(keys_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
