/*
 * /1.0 and the small lists around it: what the server is and what it can do.
 * Parts of LXD's API that sysct has not yet, but that clients ask for on the
 * way to something else, answer with an empty list.
 */
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "api/architectures.h"
#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "db/images.h"
#include "db/instances.h"
#include "db/profiles.h"
#include "file.h"
#include "lxcfs.h"
#include "memory.h"
#include "server.h"
#include "storage/storage.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1"
#endif

/*
 * LXD's names of what is really here; clients refuse a command whose extension
 * is missing. The rest of the list grows with the parts.
 */
static const char *const extensions[] = {
	"etag",
	"patch",
	"usedby_consistency",
	"profile_usedby",
	"container_last_used_at",
	"image_create_aliases", /* POST /1.0/images with "aliases" */
	"console",		/* attach over WebSockets */
	"container_exec_user_group_cwd",
	"operation_description",
	"event_lifecycle",
	"event_project",
	"entity_description",
	"auth_user",
	"resources",
	"resources_v2",
	"storage",
	"storage_api_volume_rename",
	"storage_api_local_volume_handling",
	"storage_api_volume_snapshots",
	"storage_volume_state",
	"custom_volume_backup",
	"custom_volume_snapshot_expiry",
	"volume_snapshot_scheduling",
	"instances",
	"snapshot_expiry",
	"container_backup",
	"backup_compression",
	"backup_compression_algorithm",
	"container_backup_override_pool",
	"backup_override_name",
	"direct_backup", /* POST .../backups that accepts application/octet-stream */
	"snapshot_scheduling",
	"snapshot_schedule_aliases",
	"snapshot_expiry_creation",
	"container_full", /* recursion=2 */
	"instance_get_full",
	"api_filtering",
	"api_os",
	"server_supported_storage_drivers",
	"projects", /* the project "default" */
	"instance_all_projects",
	"operation_wait",
	"network",
	"network_dhcp_expiry",
	"network_dns",
	"network_dns_records",
	"network_dns_search",
	"network_firewall_filtering",
	"network_forward",
	"network_leases",
	"network_nat_address",
	"network_nat_order",
	"network_state",
	"network_type",
	"network_allocations",
	"network_acl",
	"network_acl_log",
	"instance_nic_network",
	"proxy",
	"proxy_haproxy_protocol",
	"proxy_nat",
	"proxy_tcp_udp_multi_port_handling",
	"proxy_udp",
	"proxy_unix",
	"proxy_unix_dac_properties",
	"unix_priv_drop",
	"container_nic_ipfilter",
	NULL,
};

static json_t *text_list(const char *const *texts)
{
	json_t *list = json_array();
	for (; *texts; texts++)
		json_array_append_new(list, json_string(*texts));
	return list;
}

/* The value of KEY= in os-release(5), or "". */
static char *os_release_value(const char *text, const char *key)
{
	size_t length = strlen(key);
	for (const char *line = text; line && *line;) {
		const char *end = strchrnul(line, '\n');
		if (strncmp(line, key, length) == 0 && line[length] == '=') {
			const char *value = line + length + 1;
			value += *value == '"';
			return memory_strndup(value, strcspn(value, "\"\n"));
		}
		line = *end ? end + 1 : end;
	}
	return memory_strdup("");
}

static void add_os(json_t *environment)
{
	cleanup_free char *text = file_try_read_at(-1, "/etc/os-release");
	cleanup_free char *name = os_release_value(text, "NAME");
	cleanup_free char *version = os_release_value(text, "VERSION_ID");
	json_object_set_new(environment, "os_name", json_string(name));
	json_object_set_new(environment, "os_version", json_string(version));
}

static void add_storage(json_t *environment)
{
	json_t *supported = json_array();
	for (const struct storage_driver *const *driver = storage_drivers(); *driver; driver++)
		json_array_append_new(supported,
				      json_pack("{s:s, s:s, s:b}", "Name", (*driver)->name,
						"Version", "1", "Remote", 0));
	json_object_set_new(environment, "storage", json_string("overlay"));
	json_object_set_new(environment, "storage_version", json_string("1"));
	json_object_set_new(environment, "storage_supported_drivers", supported);
}

/* Ours: LXD tells of a missing lxcfs in its log alone. */
static void add_lxcfs(json_t *environment, struct server *server)
{
	cleanup_free char *problem = lxcfs_problem(server->lxcfs);
	cleanup_free char *text =
		problem ? memory_printf("absent, instances see the host's /proc: %s", problem)
			: memory_strdup("present");
	json_object_set_new(environment, "lxcfs", json_string(text));
}

static json_t *environment_to_json(struct server *server)
{
	struct utsname kernel;
	uname(&kernel);
	json_t *environment = json_pack(
		"{s:s, s:s, s:i, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "server",
		"sysct", "server_version", PACKAGE_VERSION, "server_pid", (int)getpid(),
		"server_clustered", 0, "server_event_mode", "full-mesh", "server_name",
		kernel.nodename, "kernel", kernel.sysname, "kernel_version", kernel.release,
		"kernel_architecture", kernel.machine, "driver", "sysct", "driver_version",
		PACKAGE_VERSION, "firewall", "nftables", "project", "default", "certificate", "");
	json_object_set_new(environment, "certificate_fingerprint", json_string(""));
	json_object_set_new(environment, "addresses", json_array());
	json_object_set_new(environment, "architectures", architectures_of_host());
	json_object_set_new(environment, "kernel_features", json_object());
	json_object_set_new(environment, "lxc_features", json_object());
	add_os(environment);
	add_storage(environment);
	add_lxcfs(environment, server);
	return environment;
}

static struct response *get_versions(struct request *request, struct error **error)
{
	(void)request;
	(void)error;
	return response_sync(json_pack("[s]", "/1.0"));
}

static struct response *get_server(struct request *request, struct error **error)
{
	json_t *config = db_server_config_get_all(request_server(request)->db, error);
	if (!config)
		return NULL;
	json_t *metadata =
		json_pack("{s:s, s:s, s:s, s:b, s:[s], s:s, s:s, s:o, s:o, s:O}", "api_status",
			  "stable", "api_version", "1.0", "auth", "trusted", "public", 0,
			  "auth_methods", "tls", "auth_user_name", "", "auth_user_method", "unix",
			  "api_extensions", text_list(extensions), "environment",
			  environment_to_json(request_server(request)), "config", config);
	struct response *response = response_sync_etag(metadata, config);
	json_decref(config);
	return response;
}

static int check_config(const json_t *config, struct error **error)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)config, key, value) {
		if (strncmp(key, "user.", 5) != 0 || !key[5])
			return error_set(error, ERROR_UNSUPPORTED,
					 "server configuration key \"%s\" is not supported: sysct "
					 "has the keys \"user.*\" only",
					 key);
	}
	return 0;
}

/* An empty value unsets a key, as in LXD. */
static void merge_config(json_t *config, const json_t *changes)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)changes, key, value) {
		if (*json_string_value(value))
			json_object_set(config, key, value);
		else
			json_object_del(config, key);
	}
}

/* PUT replaces the configuration, PATCH changes keys of it. */
static int change_config(struct request *request, bool patch, struct error **error)
{
	static const char *const fields[] = {"config", NULL};
	struct server *server = request_server(request);
	const json_t *body = request_body_object(request, error);
	if (!body || render_check_fields(body, fields, error) < 0)
		return -1;
	json_t *old = db_server_config_get_all(server->db, error);
	json_t *changes = old ? render_map_field(body, "config", error) : NULL;
	int result = -1;
	if (changes && check_config(changes, error) == 0) {
		cleanup_free char *etag = response_etag(old);
		json_t *config = patch ? json_copy(old) : json_object();
		merge_config(config, changes);
		result = request_if_match_check(request, etag, error);
		if (result == 0)
			result = db_server_config_replace(server->db, config, error);
		json_decref(config);
	}
	json_decref(changes);
	json_decref(old);
	return result;
}

static struct response *put_server(struct request *request, struct error **error)
{
	bool patch = strcmp(request_method(request), "PATCH") == 0;
	return change_config(request, patch, error) == 0 ? response_empty() : NULL;
}

static struct response *get_cluster(struct request *request, struct error **error)
{
	(void)request;
	(void)error;
	return response_sync(
		json_pack("{s:s, s:b, s:[]}", "server_name", "", "enabled", 0, "member_config"));
}

static int add_used_by(struct server *server, json_t *used_by, struct error **error)
{
	cleanup_instance_list struct instance_list instances = {0};
	cleanup_image_list struct image_list images = {0};
	cleanup_profile_list struct profile_list profiles = {0};
	if (db_instance_list(server->db, &instances, error) < 0 ||
	    db_image_list(server->db, &images, error) < 0 ||
	    db_profile_list(server->db, &profiles, error) < 0)
		return -1;
	for (size_t i = 0; i < instances.count; i++)
		json_array_append_new(used_by,
				      render_url("/1.0/instances", instances.rows[i].name));
	for (size_t i = 0; i < images.count; i++)
		json_array_append_new(used_by,
				      render_url("/1.0/images", images.rows[i].fingerprint));
	for (size_t i = 0; i < profiles.count; i++)
		json_array_append_new(used_by, render_url("/1.0/profiles", profiles.rows[i].name));
	return 0;
}

static json_t *default_project(struct server *server, struct error **error)
{
	json_t *used_by = json_array();
	if (add_used_by(server, used_by, error) < 0) {
		json_decref(used_by);
		return NULL;
	}
	return json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:s}, s:o}", "name", "default",
			 "description", "The only project", "config", "features.images", "true",
			 "features.networks", "true", "features.profiles", "true",
			 "features.storage.volumes", "true", "used_by", used_by);
}

static struct response *get_projects(struct request *request, struct error **error)
{
	json_t *project = default_project(request_server(request), error);
	if (!project)
		return NULL;
	return render_list(request, json_pack("[o]", project), "/1.0/projects", "name", error);
}

static struct response *get_default_project(struct request *request, struct error **error)
{
	json_t *project = default_project(request_server(request), error);
	return project ? response_sync_etag(project, json_object_get(project, "config")) : NULL;
}

static struct response *get_nothing(struct request *request, struct error **error)
{
	(void)request;
	(void)error;
	return response_sync(json_array());
}

const struct route server_info_routes[] = {
	{.method = "GET", .path = "/", .handler = get_versions},
	{.method = "GET", .path = "/1.0", .handler = get_server},
	{.method = "PUT", .path = "/1.0", .handler = put_server},
	{.method = "PATCH", .path = "/1.0", .handler = put_server},
	{.method = "GET", .path = "/1.0/cluster", .handler = get_cluster},
	{.method = "GET", .path = "/1.0/projects", .handler = get_projects},
	{.method = "GET", .path = "/1.0/projects/default", .handler = get_default_project},
	{.method = "GET", .path = "/1.0/certificates", .handler = get_nothing},
	{.method = "GET", .path = "/1.0/warnings", .handler = get_nothing},
	{0},
};
