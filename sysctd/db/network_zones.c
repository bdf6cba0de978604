/* Zones as objects.h has them, which networks use, and their records as parts.h has them. */
#include "db/objects.h"
#include "db/parts.h"

#define SELECT_ZONES  "SELECT id, name, '', description FROM network_zones"
#define SELECT_CONFIG "SELECT zone_id, key, value FROM network_zones_config"
#define SELECT_NETWORKS                                                                            \
	"SELECT DISTINCT z.id, n.name FROM network_zones z JOIN networks_config c"                 \
	" ON c.key IN ('dns.zone.forward', 'dns.zone.reverse.ipv4', 'dns.zone.reverse.ipv6')"      \
	" AND instr(',' || c.value || ',', ',' || z.name || ',') > 0"                              \
	" JOIN networks n ON n.id = c.network_id"
#define SELECT_NOTHING "SELECT id, '' FROM network_zones WHERE 0"

const struct object_table db_zones = {
	.noun = "network zone",
	.title = "Network zone",
	.user = "network",
	.select_all = SELECT_ZONES " ORDER BY name",
	.select_one = SELECT_ZONES " WHERE name = ?1",
	.maps_all = {SELECT_CONFIG " ORDER BY zone_id", SELECT_NETWORKS " ORDER BY z.id, n.name",
		     SELECT_NOTHING},
	.maps_one = {SELECT_CONFIG " WHERE zone_id = ?1",
		     SELECT_NETWORKS " WHERE z.id = ?1 ORDER BY n.name",
		     SELECT_NOTHING " AND id = ?1"},
	.find = "SELECT id FROM network_zones WHERE name = ?1",
	.insert = "INSERT INTO network_zones (name, description) SELECT ?1, ?3 WHERE ?2 IS NULL",
	.update = "UPDATE network_zones SET description = ?2 WHERE id = ?1",
	.rename = "UPDATE network_zones SET name = ?2 WHERE id = ?1",
	.delete = "DELETE FROM network_zones WHERE id = ?1",
	.delete_config = "DELETE FROM network_zones_config WHERE zone_id = ?1",
	.insert_config = "INSERT INTO network_zones_config (zone_id, key, value)"
			 " VALUES (?1, ?2, ?3)",
};

const struct part_table db_records = {
	.title = "Network zone record",
	.owner_title = "Network zone",
	.select = "SELECT r.id, z.name, r.name, r.description, r.entries"
		  " FROM network_zones_records r JOIN network_zones z ON z.id = r.zone_id"
		  " WHERE (?1 IS NULL OR z.name = ?1) AND (?2 IS NULL OR r.name = ?2)"
		  " ORDER BY z.name, r.name",
	.select_config = "SELECT record_id, key, value FROM network_zones_records_config"
			 " ORDER BY record_id",
	.find = "SELECT r.id FROM network_zones_records r JOIN network_zones z"
		" ON z.id = r.zone_id WHERE z.name = ?1 AND r.name = ?2",
	.insert = "INSERT INTO network_zones_records (zone_id, name, description, entries)"
		  " SELECT id, ?2, ?3, ?4 FROM network_zones WHERE name = ?1",
	.update = "UPDATE network_zones_records SET description = ?2, entries = ?3 WHERE id = ?1",
	.delete = "DELETE FROM network_zones_records WHERE id = ?1",
	.delete_config = "DELETE FROM network_zones_records_config WHERE record_id = ?1",
	.insert_config = "INSERT INTO network_zones_records_config (record_id, key, value)"
			 " VALUES (?1, ?2, ?3)",
};
