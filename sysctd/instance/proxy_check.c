/* See proxy_check.h. */
#include "instance/proxy_check.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "instance/config_keys_values.h"
#include "network/addresses.h"
#include "proxy_address.h"

int proxy_check_address(const char *value, struct error **error)
{
	cleanup_proxy_address struct proxy_address address = {0};
	return proxy_address_parse(value, &address, error);
}

static bool is_instance(const char *bind)
{
	return strcmp(bind, "instance") == 0 || strcmp(bind, "guest") == 0 ||
	       strcmp(bind, "container") == 0;
}

int proxy_check_bind(const char *value, struct error **error)
{
	if (strcmp(value, "host") == 0 || is_instance(value))
		return 0;
	return error_set(error, ERROR_INVALID, "\"%s\" is not a side: use host or instance", value);
}

int proxy_check_mode(const char *value, struct error **error)
{
	char *end;
	if (isdigit((unsigned char)*value) && strtoul(value, &end, 8) <= 0777 && !*end)
		return 0;
	return error_set(error, ERROR_INVALID, "\"%s\" is not a mode, such as 0660", value);
}

int proxy_check_id(const char *value, struct error **error)
{
	char *end;
	if (isdigit((unsigned char)*value) && strtoull(value, &end, 10) < UINT32_MAX && !*end)
		return 0;
	return error_set(error, ERROR_INVALID, "\"%s\" is not the number of a user or group",
			 value);
}

int proxy_check_bool(const char *value, struct error **error)
{
	bool unused;
	return bool_parse(value, &unused, error);
}

bool proxy_is_in_instance(const json_t *device)
{
	const char *bind = nic_value(device, "bind");
	return bind && is_instance(bind);
}

bool proxy_is_true(const json_t *device, const char *key)
{
	const char *value = nic_value(device, key);
	bool result = false;
	return value && bool_parse(value, &result, NULL) == 0 && result;
}

/* One to one, or many to one. */
static int check_counts(const struct proxy_address *listen, const struct proxy_address *connect,
			struct error **error)
{
	if (connect->count == 1 || connect->count == listen->count)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "it listens on %zu ports and connects to %zu: there must be as many, or "
			 "one to connect to",
			 listen->count, connect->count);
}

static int check_owner(const json_t *device, const struct proxy_address *listen,
		       struct error **error)
{
	static const char *const keys[] = {"mode", "uid", "gid"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (nic_value(device, keys[i]) && !proxy_address_is_path(listen))
			return error_set(error, ERROR_INVALID,
					 "\"%s\" is for a listening socket in the file system "
					 "(unix:/PATH)",
					 keys[i]);
	return 0;
}

static bool is_wildcard(const struct proxy_address *address)
{
	static const unsigned char zero[16];
	return memcmp(address->address, zero, sizeof(zero)) == 0;
}

static bool is_loopback(const struct proxy_address *address)
{
	static const unsigned char six[16] = {[15] = 1};
	return address->family == AF_INET ? address->address[0] == 127
					  : memcmp(address->address, six, sizeof(six)) == 0;
}

static int check_nat(const json_t *device, const struct proxy_address *listen,
		     const struct proxy_address *connect, struct error **error)
{
	const char *problem = NULL;
	if (proxy_is_in_instance(device))
		problem = "only a proxy that listens on the host (bind=host) can use nat";
	else if (listen->kind == PROXY_UNIX || listen->kind != connect->kind)
		problem = "nat leads from tcp to tcp, or from udp to udp";
	else if (listen->family != connect->family)
		problem = "nat does not lead from IPv4 to IPv6, or back";
	else if (is_wildcard(listen))
		problem = "nat needs one address of the host to listen on";
	else if (is_loopback(listen))
		problem = "nat cannot listen on a loopback address, which is not routed";
	else if (nic_value(device, "security.uid") || nic_value(device, "security.gid"))
		problem = "with nat there is no process that security.uid and security.gid are for";
	return problem ? error_set(error, ERROR_INVALID, "%s", problem) : 0;
}

int proxy_check_device(const json_t *device, struct error **error)
{
	cleanup_proxy_address struct proxy_address listen = {0}, connect = {0};
	bool nat = proxy_is_true(device, "nat");
	if (proxy_address_parse(nic_value(device, "listen"), &listen, error) < 0 ||
	    proxy_address_parse(nic_value(device, "connect"), &connect, error) < 0 ||
	    check_counts(&listen, &connect, error) < 0 || check_owner(device, &listen, error) < 0)
		return -1;
	if (proxy_is_true(device, "proxy_protocol") && (nat || connect.kind != PROXY_TCP))
		return error_set(error, ERROR_INVALID,
				 "proxy_protocol is for tcp servers, and not with nat");
	return nat ? check_nat(device, &listen, &connect, error) : 0;
}
