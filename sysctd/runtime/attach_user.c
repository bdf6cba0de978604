/* See attach_user.h. passwd(5) and group(5), read without the host's name services. */
#include "attach_user.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "memory.h"

static bool is_number(const json_t *value, long long *number)
{
	if (json_is_integer(value)) {
		*number = json_integer_value(value);
		return true;
	}
	const char *text = json_string_value(value);
	char *end = NULL;
	if (text && *text)
		*number = strtoll(text, &end, 10);
	return end && !*end;
}

static void take_entry(struct attach_user *user, const struct passwd *entry)
{
	user->uid = entry->pw_uid;
	user->gid = entry->pw_gid;
	snprintf(user->name, sizeof(user->name), "%s", entry->pw_name);
	snprintf(user->home, sizeof(user->home), "%s", entry->pw_dir);
}

static bool find_user(struct attach_user *user, const char *name, long long uid)
{
	cleanup_file FILE *file = fopen("/etc/passwd", "re");
	struct passwd *entry;
	while (file && (entry = fgetpwent(file)))
		if (name ? strcmp(entry->pw_name, name) == 0 : entry->pw_uid == (uid_t)uid) {
			take_entry(user, entry);
			return true;
		}
	return false;
}

static int find_group(struct attach_user *user, const char *name, struct error **error)
{
	cleanup_file FILE *file = fopen("/etc/group", "re");
	struct group *entry;
	while (file && (entry = fgetgrent(file)))
		if (strcmp(entry->gr_name, name) == 0) {
			user->gid = entry->gr_gid;
			return 0;
		}
	return error_set(error, ERROR_NOT_FOUND, "no group \"%s\" in the instance", name);
}

static bool is_member(const struct group *entry, const char *name)
{
	for (char **member = entry->gr_mem; *member; member++)
		if (strcmp(*member, name) == 0)
			return true;
	return false;
}

static int find_supplementary(struct attach_user *user, struct error **error)
{
	cleanup_file FILE *file = fopen("/etc/group", "re");
	struct group *entry;
	user->groups[user->group_count++] = user->gid;
	while (file && (entry = fgetgrent(file))) {
		if (entry->gr_gid == user->gid || !is_member(entry, user->name))
			continue;
		if (user->group_count == ATTACH_GROUPS_MAX)
			return error_set(error, ERROR_UNSUPPORTED,
					 "user \"%s\" is in more than %d groups: give --group",
					 user->name, ATTACH_GROUPS_MAX);
		user->groups[user->group_count++] = entry->gr_gid;
	}
	return 0;
}

int attach_user_find(const json_t *request, struct attach_user *user, struct error **error)
{
	const json_t *asked = json_object_get(request, "user");
	const json_t *group = json_object_get(request, "group");
	long long number = 0;
	bool numeric = !asked || is_number(asked, &number);
	*user = (struct attach_user){.uid = (uid_t)number, .name = "root", .home = "/root"};
	if (numeric && number != 0)
		*user = (struct attach_user){.uid = (uid_t)number, .home = "/"};
	if (!find_user(user, numeric ? NULL : json_string_value(asked), number) && !numeric)
		return error_set(error, ERROR_NOT_FOUND, "no user \"%s\" in the instance",
				 json_string_value(asked));
	if (!group)
		return asked && *user->name ? find_supplementary(user, error) : 0;
	if (!is_number(group, &number))
		return find_group(user, json_string_value(group), error);
	user->gid = (gid_t)number;
	return 0;
}

static char *default_for(const json_t *given, const char *key, const char *value)
{
	return json_object_get(given, key) || !*value ? NULL : memory_printf("%s=%s", key, value);
}

char **attach_user_environment(const json_t *request, const struct attach_user *user)
{
	const json_t *given = json_object_get(request, "env");
	char **environment = memory_alloc((json_object_size(given) + 5) * sizeof(char *));
	char *defaults[] = {
		default_for(given, "PATH",
			    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
		default_for(given, "HOME", user->home),
		default_for(given, "USER", user->name),
		default_for(given, "LANG", "C.UTF-8"),
	};
	size_t used = 0;
	for (size_t i = 0; i < 4; i++)
		if (defaults[i])
			environment[used++] = defaults[i];
	const char *key;
	const json_t *value;
	json_object_foreach ((json_t *)given, key, value)
		if (json_is_string(value))
			environment[used++] = memory_printf("%s=%s", key, json_string_value(value));
	return environment;
}
