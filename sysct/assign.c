/* See assign.h. */
#include "assign.h"

#include <string.h>

#include "lib/cleanup.h"
#include "lib/memory.h"

int assign_add(json_t *object, const char *word, const char *what, struct error **error)
{
	const char *equals = strchr(word, '=');
	if (!equals || equals == word)
		return error_set(error, ERROR_INVALID, "%s '%s' is not of the form key=value", what,
				 word);
	cleanup_free char *key = memory_strndup(word, (size_t)(equals - word));
	if (json_object_set_new(object, key, json_string(equals + 1)) < 0)
		return error_set(error, ERROR_INVALID, "%s '%s' is not UTF-8", what, key);
	return 0;
}

int assign_device(json_t *devices, const char *word, struct error **error)
{
	size_t length = strcspn(word, ",");
	if (length == 0 || !word[length] || memchr(word, '=', length))
		return error_set(error, ERROR_INVALID,
				 "device '%s' is not of the form name,key=value", word);
	cleanup_free char *name = memory_strndup(word, length);
	json_t *device = json_object_get(devices, name);
	if (!device) {
		device = json_object();
		json_object_set_new(devices, name, device);
	}
	for (const char *at = word + length; *at == ',';) {
		size_t part = strcspn(++at, ",");
		cleanup_free char *pair = memory_strndup(at, part);
		if (assign_add(device, pair, "device setting", error) < 0)
			return -1;
		at += part;
	}
	return 0;
}
