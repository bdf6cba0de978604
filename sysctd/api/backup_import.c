/* POST with a backup as its body, for a new instance or custom volume. */
#include "api/backup_import.h"

#include <stdlib.h>
#include <string.h>

#include "api/instance_render.h"
#include "api/render.h"
#include "api/storage_volume_render.h"
#include "backup/import.h"
#include "cleanup.h"
#include "memory.h"
#include "operation.h"
#include "server.h"
#include "strbuf.h"

bool backup_import_is(const struct request *request)
{
	static const char type[] = "application/octet-stream";
	const char *given = request_header(request, "Content-Type");
	return given && strncasecmp(given, type, strlen(type)) == 0;
}

/* ---- headers: "a=b&c=d", percent-encoded ---- */

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c ? strchr(digits, c | 0x20) : NULL;
	return found && *found ? (int)(found - digits) : -1;
}

static char *decode(const char *text, size_t length)
{
	cleanup_strbuf struct strbuf out = {0};
	for (size_t i = 0; i < length; i++) {
		int high = text[i] == '%' && i + 2 < length ? hex_digit(text[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
		if (low >= 0) {
			strbuf_append_char(&out, (char)(high * 16 + low));
			i += 2;
		} else {
			strbuf_append_char(&out, text[i] == '+' ? ' ' : text[i]);
		}
	}
	return strbuf_steal(&out);
}

static json_t *decode_pairs(const char *text)
{
	json_t *object = json_object();
	while (text && *text) {
		size_t length = strcspn(text, "&"), equals = strcspn(text, "=&");
		size_t value = equals < length ? equals + 1 : length;
		cleanup_free char *name = decode(text, equals);
		cleanup_free char *content = decode(text + value, length - value);
		if (*name)
			json_object_set_new(object, name, json_string(content));
		text += length + (text[length] == '&');
	}
	return object;
}

static json_t *decode_devices(const char *text)
{
	json_t *devices = decode_pairs(text), *value;
	const char *name;
	void *next;
	json_object_foreach_safe (devices, next, name, value)
		json_object_set_new(devices, name, decode_pairs(json_string_value(value)));
	return devices;
}

static const char *word(const struct request *request, const char *header)
{
	const char *value = request_header(request, header);
	return value && *value ? value : NULL;
}

/* ---- the body ---- */

static int take(void *data, const void *bytes, size_t length, struct error **error)
{
	return import_write(data, bytes, length, error);
}

static void destroy(void *data)
{
	import_free(data);
}

int backup_import_begin(struct request *request, enum backup_kind kind, struct error **error)
{
	const char *pool = request_parameter(request, "pool");
	if (render_check_project(request, error) < 0)
		return -1;
	json_t *devices = decode_devices(request_header(request, "X-LXD-devices"));
	json_t *config = decode_pairs(request_header(request, "X-LXD-config"));
	const struct import_request wanted = {
		.kind = kind,
		.name = word(request, "X-LXD-name"),
		.pool = pool ? pool : word(request, "X-LXD-pool"),
		.devices = devices,
		.config = config,
	};
	struct import *import = import_begin(request_server(request), &wanted, error);
	json_decref(devices);
	json_decref(config);
	if (!import)
		return -1;
	request_set_data(request, import, destroy);
	request_body_to_callback(request, take, import);
	return 0;
}

/* ---- what it becomes ---- */

static int run(struct operation *operation, void *data, struct error **error)
{
	if (import_store(data, operation, error) < 0)
		return -1;
	operation_set_metadata(operation, "name", json_string(import_name(data)));
	return 0;
}

struct response *backup_import(struct request *request, struct error **error)
{
	struct import *import = request_data(request);
	struct operation *operation = NULL;
	if (import_end(import, error) < 0)
		return NULL;
	/* It is the operation's from here on. */
	request_set_data(request, NULL, NULL);
	bool volume = request_parameter(request, "pool");
	struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = volume ? "Restoring custom volume backup" : "Restoring backup",
		.resources =
			volume ? volume_render_resources(import_pool(import), import_name(import))
			       : instance_render_resources(import_name(import)),
		.may_cancel = true,
		.run = run,
		.data = import,
		.destroy = destroy,
	};
	if (operation_run(request_operations(request), &spec, &operation, error) < 0)
		return NULL;
	return response_operation(operation);
}
