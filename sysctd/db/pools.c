/* Storage pools as objects.h has them; a profile uses the one that its root disk is in. */
#include "db/objects.h"

#define SELECT_POOLS	 "SELECT id, name, driver, description FROM storage_pools"
#define SELECT_CONFIG	 "SELECT pool_id, key, value FROM storage_pools_config"
#define SELECT_INSTANCES "SELECT pool_id, name FROM instances"
#define SELECT_PROFILES                                                                            \
	"SELECT sp.id, p.name FROM storage_pools sp"                                               \
	" JOIN profiles_devices d ON d.key = 'pool' AND d.value = sp.name"                         \
	" JOIN profiles_devices at ON at.profile_id = d.profile_id AND at.device = d.device"       \
	" AND at.key = 'path' AND at.value = '/'"                                                  \
	" JOIN profiles p ON p.id = d.profile_id"

const struct object_table db_pools = {
	.noun = "storage pool",
	.title = "Storage pool",
	.select_all = SELECT_POOLS " ORDER BY name",
	.select_one = SELECT_POOLS " WHERE name = ?1",
	.maps_all = {SELECT_CONFIG " ORDER BY pool_id", SELECT_INSTANCES " ORDER BY pool_id, name",
		     SELECT_PROFILES " ORDER BY sp.id, p.name"},
	.maps_one = {SELECT_CONFIG " WHERE pool_id = ?1",
		     SELECT_INSTANCES " WHERE pool_id = ?1 ORDER BY name",
		     SELECT_PROFILES " WHERE sp.id = ?1 ORDER BY p.name"},
	.find = "SELECT id FROM storage_pools WHERE name = ?1",
	.insert = "INSERT INTO storage_pools (name, driver, description) VALUES (?1, ?2, ?3)",
	.update = "UPDATE storage_pools SET description = ?2 WHERE id = ?1",
	.rename = "UPDATE storage_pools SET name = ?2 WHERE id = ?1",
	.delete = "DELETE FROM storage_pools WHERE id = ?1",
	.delete_config = "DELETE FROM storage_pools_config WHERE pool_id = ?1",
	.insert_config =
		"INSERT INTO storage_pools_config (pool_id, key, value) VALUES (?1, ?2, ?3)",
};
