/* GET /1.0/metadata/configuration: the keys that are there, for completion in clients. */
#include <string.h>

#include "api/routes.h"
#include "cleanup.h"
#include "instance/config_keys.h"
#include "instance/device_types.h"
#include "memory.h"

/* LXD's shape: {"keys": [{"limits.cpu": {"type": ..., "shortdesc": ...}}, ...]}. */
static json_t *key_list(void)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_pack("{s:{s:s, s:s, s:s, s:s}}", keys[i].name,
						      "type", config_type_to_string(keys[i].type),
						      "shortdesc", keys[i].help, "liveupdate",
						      keys[i].live ? "yes" : "no", "defaultdesc",
						      keys[i].fallback ? keys[i].fallback : ""));
	return list;
}

static json_t *device_key_list(const struct device_type *type)
{
	json_t *list = json_array();
	for (const struct device_key *key = type->keys; key->name; key++)
		json_array_append_new(list,
				      json_pack("{s:{s:s, s:s}}", key->name, "shortdesc", key->help,
						"required", key->required ? "yes" : "no"));
	return list;
}

static struct response *get(struct request *request, struct error **error)
{
	size_t count;
	const struct device_type *types = device_types(&count);
	json_t *configs = json_pack("{s:{s:{s:o}}}", "instance", "common", "keys", key_list());
	(void)request;
	(void)error;
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *name = memory_printf("device-%s", types[i].name);
		json_object_set_new(
			configs, name,
			json_pack("{s:{s:o}}", "device-conf", "keys", device_key_list(&types[i])));
	}
	return response_sync(json_pack("{s:o}", "configs", configs));
}

const struct route metadata_routes[] = {
	{.method = "GET", .path = "/1.0/metadata/configuration", .handler = get},
	{0},
};
