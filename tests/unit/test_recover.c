/* What descriptions in pools say: whole ones, those that are cut off, and those that somebody has edited. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "memory.h"
#include "recover/internal.h"

#define IMAGE "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char instance[] = "container:\n"
			       "  name: web\n"
			       "  description: the first\n"
			       "  architecture: x86_64\n"
			       "  config:\n"
			       "    limits.cpu: \"2\"\n"
			       "    volatile.eth0.hwaddr: \"00:16:3e:00:00:01\"\n"
			       "    volatile.last_state.idmap: '[]'\n"
			       "  devices:\n"
			       "    root:\n"
			       "      path: /\n"
			       "      pool: default\n"
			       "      type: disk\n"
			       "  profiles:\n"
			       "  - default\n"
			       "  - web\n"
			       "  ephemeral: false\n"
			       "  created_at: \"2026-11-30T13:00:01.439145771Z\"\n"
			       "  last_used_at: \"0001-01-01T00:00:00Z\"\n"
			       "  sysct:\n"
			       "    volatile.eth0.ipv4.address: \"10.0.0.5\"\n"
			       "snapshots:\n"
			       "- name: clean\n"
			       "  description: then\n"
			       "  architecture: x86_64\n"
			       "  config:\n"
			       "    limits.cpu: \"1\"\n"
			       "  devices: {}\n"
			       "  profiles: []\n"
			       "  ephemeral: false\n"
			       "  created_at: \"2026-11-30T12:00:00Z\"\n"
			       "  expires_at: \"2027-11-30T12:00:00Z\"\n"
			       "profiles:\n"
			       "- name: web\n"
			       "  description: \"\"\n"
			       "  config: {}\n"
			       "  devices: {}\n"
			       "sysct:\n"
			       "  snapshots:\n"
			       "    clean: layers/aa\n"
			       "  layers:\n"
			       "  - directory: layers/aa\n"
			       "    parent: null\n"
			       "    image: " IMAGE "\n"
			       "    id_base: 100000\n"
			       "    flat: false\n"
			       "  - directory: instances/cc\n"
			       "    parent: layers/aa\n"
			       "    image: null\n"
			       "    id_base: 165536\n"
			       "    flat: false\n"
			       "  layer: instances/cc\n"
			       "  uuid: 11-22\n"
			       "  id_base: 165536\n"
			       "  id_count: 65536\n"
			       "  image: " IMAGE "\n"
			       "  version: 1\n";

static const char volume[] = "volume:\n"
			     "  name: data\n"
			     "  description: of old\n"
			     "  config:\n"
			     "    user.x: y\n"
			     "  created_at: \"2026-11-30T12:00:00Z\"\n"
			     "volume_snapshots:\n"
			     "- name: one\n"
			     "  description: \"\"\n"
			     "  config: {}\n"
			     "  created_at: \"2026-11-30T12:30:00Z\"\n"
			     "  expires_at: \"0001-01-01T00:00:00Z\"\n"
			     "sysct:\n"
			     "  snapshots:\n"
			     "    one: layers/22\n"
			     "  layers:\n"
			     "  - directory: layers/11\n"
			     "    id_base: 0\n"
			     "    flat: true\n"
			     "  - directory: layers/22\n"
			     "    id_base: 0\n"
			     "    flat: true\n"
			     "  layer: layers/11\n"
			     "  version: 1\n";

static const char image[] = "image:\n"
			    "  fingerprint: " IMAGE "\n"
			    "  architecture: x86_64\n"
			    "  type: container\n"
			    "  size: 1234\n"
			    "  public: true\n"
			    "  properties:\n"
			    "    release: 12\n"
			    "  aliases:\n"
			    "  - name: debian\n"
			    "    description: \"\"\n"
			    "  created_at: \"2026-11-30T12:00:00Z\"\n"
			    "sysct:\n"
			    "  template: debian\n"
			    "  template_options: null\n"
			    "  version: 1\n";

static void parse_good(struct recover_item *item, const char *text)
{
	struct error *error = NULL;
	if (recover_item_parse(item, "default", text, &error) < 0)
		fail_msg("%s", error_message(error));
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void test_instance(void **state)
{
	struct recover_item item;
	(void)state;
	parse_good(&item, instance);
	assert_int_equal(item.kind, RECOVER_INSTANCE);
	assert_string_equal(recover_item_name(&item), "web");
	assert_string_equal(item.instance.uuid, "11-22");
	assert_string_equal(item.instance.description, "the first");
	assert_int_equal(item.instance.created_at % 1000000000, 439145771);
	assert_int_equal(item.instance.last_used_at, 0);
	assert_int_equal(item.instance.id_base, 165536);
	assert_string_equal(text_of(item.instance.config, "limits.cpu"), "2");
	assert_string_equal(text_of(item.instance.config, "volatile.eth0.ipv4.address"),
			    "10.0.0.5");
	assert_null(json_object_get(item.instance.config, "volatile.last_state.idmap"));
	assert_int_equal(json_array_size(item.instance.profiles), 2);
	assert_int_equal(item.layer_count, 2);
	assert_int_equal(item.layer, 1);
	assert_int_equal(item.layers[1].parent, 0);
	assert_int_equal(item.layers[0].parent, 0);
	assert_string_equal(item.layers[0].row.image, IMAGE);
	assert_int_equal(item.snapshot_count, 1);
	assert_int_equal(item.snapshots[0].layer, 0);
	assert_true(item.snapshots[0].row.expires_at > item.snapshots[0].row.created_at);
	assert_string_equal(text_of(item.snapshots[0].content.config, "limits.cpu"), "1");
	recover_item_clear(&item);
}

static void test_volume_and_image(void **state)
{
	struct recover_item item;
	(void)state;
	parse_good(&item, volume);
	assert_int_equal(item.kind, RECOVER_VOLUME);
	assert_string_equal(item.volume.name, "data");
	assert_true(item.layers[0].row.flat);
	assert_int_equal(item.snapshots[0].layer, 1);
	recover_item_clear(&item);
	parse_good(&item, image);
	assert_int_equal(item.kind, RECOVER_IMAGE);
	assert_string_equal(recover_item_name(&item), IMAGE);
	assert_string_equal(text_of(item.image.properties, "release"), "12");
	assert_string_equal(item.image.template, "debian");
	assert_true(item.image.public);
	recover_item_clear(&item);
}

/* Wherever one ends, it is not taken for a whole one. */
static void test_cut_off(void **state)
{
	static const char *const all[] = {instance, volume, image};
	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (size_t length = 0; length < strlen(all[i]) - 1; length++) {
			struct recover_item item;
			struct error *error = NULL;
			cleanup_free char *text = memory_strndup(all[i], length);
			if (recover_item_parse(&item, "default", text, &error) == 0)
				fail_msg("%zu bytes of number %zu are taken", length, i);
			assert_non_null(error);
			error_free(error);
			recover_item_clear(&item);
		}
}

/* Of @text with @from replaced by @to the first time. */
static void refuse(const char *text, const char *from, const char *to, const char *why)
{
	struct recover_item item;
	struct error *error = NULL;
	const char *at = strstr(text, from);
	assert_non_null(at);
	cleanup_free char *edited =
		memory_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	if (recover_item_parse(&item, "default", edited, &error) == 0)
		fail_msg("\"%s\" is taken", to);
	if (!strstr(error_message(error), why))
		fail_msg("\"%s\": %s", to, error_message(error));
	error_free(error);
	recover_item_clear(&item);
}

static void test_edited(void **state)
{
	(void)state;
	refuse(instance, "- directory: layers/aa", "- directory: ../aa", "no directory");
	refuse(instance, "- directory: layers/aa", "- directory: layers/..", "no directory");
	refuse(instance, "- directory: layers/aa", "- directory: layers/a/b", "no directory");
	refuse(instance, "- directory: layers/aa", "- directory: /etc/aa", "no directory");
	refuse(instance, "- directory: layers/aa", "- directory: layers/", "no directory");
	refuse(instance, "- directory: layers/aa", "- directory: instances/cc", "twice");
	refuse(instance, "parent: null", "parent: instances/cc", "does not have");
	refuse(instance, "parent: null", "parent: layers/aa", "does not have");
	refuse(instance, "- directory: instances/cc", "- directory: layers/aa", "twice");
	refuse(instance, "    image: " IMAGE, "    image: ../../etc", "no directory");
	refuse(instance, "clean: layers/aa", "clean: layers/bb", "does not have");
	refuse(instance, "clean: layers/aa", "other: layers/aa", "does not have");
	refuse(instance, "layer: instances/cc", "layer: instances/dd", "does not have");
	refuse(instance, "uuid: 11-22", "uuid: ../22", "no uuid");
	refuse(instance, "id_base: 100000", "id_base: -1", "out of range");
	refuse(instance, "id_count: 65536", "id_count: 99999999999", "out of range");
	refuse(instance, "id_count: 65536", "id_count: many", "out of range");
	refuse(instance, "name: web", "name: ../web", "");
	refuse(instance, "name: clean", "name: a/b", "");
	refuse(instance, "version: 1", "version: 2", "newer sysctd");
	refuse(instance, "version: 1", "version: one", "not of sysct");
	refuse(instance, "  - default", "  - {}", "no name");
	refuse(instance, "    root:", "    root: x\n    more:", "must be an object");
	refuse(instance, "created_at: \"2026", "created_at: \"soon", "created_at");
	refuse(volume, "name: data", "name: ../data", "not a name");
	refuse(volume, "volume:", "other:", "tells of nothing");
	refuse(image, "fingerprint: 01", "fingerprint: ..", "no fingerprint");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_instance),
		cmocka_unit_test(test_volume_and_image),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_edited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
