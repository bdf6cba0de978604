/*
 * Network ACLs as objects.h has them. Who uses one names it in a list with
 * commas: security.acls of NICs and networks, source and destination of rules.
 */
#include "db/objects.h"

#define SELECT_ACLS   "SELECT id, name, rules, description FROM network_acls"
#define SELECT_CONFIG "SELECT acl_id, key, value FROM network_acls_config"
#define IS_IN(list)   "instr(',' || replace(" list ", ' ', '') || ',', ',' || a.name || ',') > 0"
#define SELECT_INSTANCES                                                                           \
	"SELECT DISTINCT a.id, i.name FROM network_acls a"                                         \
	" JOIN instances_devices d ON d.key = 'security.acls' AND " IS_IN(                         \
		"d.value") " JOIN instances i ON i.id = d.instance_id"
#define SELECT_PROFILES                                                                            \
	"SELECT DISTINCT a.id, p.name FROM network_acls a"                                         \
	" JOIN profiles_devices d ON d.key = 'security.acls' AND " IS_IN(                          \
		"d.value") " JOIN profiles p ON p.id = d.profile_id"
#define SELECT_NETWORKS                                                                            \
	"SELECT DISTINCT a.id, n.name FROM network_acls a"                                         \
	" JOIN networks_config c ON c.key = 'security.acls' AND " IS_IN(                           \
		"c.value") " JOIN networks n ON n.id = c.network_id"
/* One that names itself is not its own user. */
#define SELECT_USERS                                                                               \
	"SELECT DISTINCT a.id, o.name FROM network_acls a"                                         \
	" JOIN network_acls o ON o.id <> a.id JOIN json_tree(o.rules) t"                           \
	" ON t.key IN ('source', 'destination') AND t.type = 'text' AND " IS_IN("t.value")

const struct object_table db_network_acls = {
	.noun = "network ACL",
	.title = "Network ACL",
	.select_all = SELECT_ACLS " ORDER BY name",
	.select_one = SELECT_ACLS " WHERE name = ?1",
	.maps_all = {SELECT_CONFIG " ORDER BY acl_id", SELECT_INSTANCES " ORDER BY a.id, i.name",
		     SELECT_PROFILES " ORDER BY a.id, p.name",
		     SELECT_NETWORKS " ORDER BY a.id, n.name",
		     SELECT_USERS " ORDER BY a.id, o.name"},
	.maps_one = {SELECT_CONFIG " WHERE acl_id = ?1",
		     SELECT_INSTANCES " WHERE a.id = ?1 ORDER BY i.name",
		     SELECT_PROFILES " WHERE a.id = ?1 ORDER BY p.name",
		     SELECT_NETWORKS " WHERE a.id = ?1 ORDER BY n.name",
		     SELECT_USERS " WHERE a.id = ?1 ORDER BY o.name"},
	.find = "SELECT id FROM network_acls WHERE name = ?1",
	.insert = "INSERT INTO network_acls (name, rules, description) VALUES (?1, ?2, ?3)",
	.update = "UPDATE network_acls SET description = ?2, rules = ?3 WHERE id = ?1",
	.rename = "UPDATE network_acls SET name = ?2 WHERE id = ?1",
	.delete = "DELETE FROM network_acls WHERE id = ?1",
	.delete_config = "DELETE FROM network_acls_config WHERE acl_id = ?1",
	.insert_config = "INSERT INTO network_acls_config (acl_id, key, value) VALUES (?1, ?2, ?3)",
	.kind_changes = true,
};
