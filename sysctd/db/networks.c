/* Networks as objects.h has them; a NIC may name one as its parent, too. */
#include "db/objects.h"

#define SELECT_NETWORKS "SELECT id, name, type, description FROM networks"
#define SELECT_CONFIG	"SELECT network_id, key, value FROM networks_config"
#define SELECT_INSTANCES                                                                           \
	"SELECT DISTINCT n.id, i.name FROM networks n"                                             \
	" JOIN instances_devices d ON d.key IN ('network', 'parent') AND d.value = n.name"         \
	" JOIN instances i ON i.id = d.instance_id"
#define SELECT_PROFILES                                                                            \
	"SELECT DISTINCT n.id, p.name FROM networks n"                                             \
	" JOIN profiles_devices d ON d.key IN ('network', 'parent') AND d.value = n.name"          \
	" JOIN profiles p ON p.id = d.profile_id"

const struct object_table db_networks = {
	.noun = "network",
	.title = "Network",
	.select_all = SELECT_NETWORKS " ORDER BY name",
	.select_one = SELECT_NETWORKS " WHERE name = ?1",
	.maps_all = {SELECT_CONFIG " ORDER BY network_id",
		     SELECT_INSTANCES " ORDER BY n.id, i.name",
		     SELECT_PROFILES " ORDER BY n.id, p.name"},
	.maps_one = {SELECT_CONFIG " WHERE network_id = ?1",
		     SELECT_INSTANCES " WHERE n.id = ?1 ORDER BY i.name",
		     SELECT_PROFILES " WHERE n.id = ?1 ORDER BY p.name"},
	.find = "SELECT id FROM networks WHERE name = ?1",
	.insert = "INSERT INTO networks (name, type, description) VALUES (?1, ?2, ?3)",
	.update = "UPDATE networks SET description = ?2 WHERE id = ?1",
	.rename = "UPDATE networks SET name = ?2 WHERE id = ?1",
	.delete = "DELETE FROM networks WHERE id = ?1",
	.delete_config = "DELETE FROM networks_config WHERE network_id = ?1",
	.insert_config = "INSERT INTO networks_config (network_id, key, value) VALUES (?1, ?2, ?3)",
};
