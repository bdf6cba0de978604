/* networks_seed(): a newcomer's first instance is on a network. */
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "db/profiles.h"
#include "links.h"
#include "log.h"
#include "memory.h"
#include "network/network.h"
#include "server.h"

#define SEEDED "seeded-network"

/* sysctbr0, or the next number when something else on this host has that name. */
static void free_name(char name[static IFNAMSIZ])
{
	snprintf(name, IFNAMSIZ, "%s", NETWORK_DEFAULT);
	for (unsigned int i = 1; link_exists(name) && i < 1000; i++)
		snprintf(name, IFNAMSIZ, "sysctbr%u", i % 1000);
}

static int add_to_profile(struct server *server, const char *network, struct error **error)
{
	cleanup_profile_row struct profile_row profile = {0};
	if (db_profile_get(server->db, "default", &profile, error) < 0)
		return -1;
	if (json_object_get(profile.devices, "eth0"))
		return 0;
	json_object_set_new(
		profile.devices, "eth0",
		json_pack("{s:s, s:s, s:s}", "type", "nic", "network", network, "name", "eth0"));
	return db_profile_update(server->db, &profile, error);
}

void networks_seed(struct server *server)
{
	char name[IFNAMSIZ];
	cleanup_error struct error *error = NULL;
	if (db_mark_is_set(server->db, SEEDED))
		return;
	free_name(name);
	cleanup_object_row struct object_row row = {
		.name = memory_strdup(name),
		.kind = memory_strdup("bridge"),
		.config = json_object(),
	};
	if (network_create(server, &row, &error) < 0) {
		log_event(LOG_LEVEL_WARNING, NULL,
			  "no network %s, so new instances have none: %s (sysct network create, "
			  "sysct network attach-profile)",
			  name, error_message(error));
		return;
	}
	if (add_to_profile(server, name, &error) < 0 || db_mark_set(server->db, SEEDED, &error) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "the profile default has no NIC: %s",
			  error_message(error));
}
