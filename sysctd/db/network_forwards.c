/* Forwards of networks as parts.h has them. An address is listened on once, whatever the network. */
#include "db/parts.h"

const struct part_table db_forwards = {
	.title = "Network forward",
	.owner_title = "Network",
	.select = "SELECT f.id, n.name, f.listen_address, f.description, f.ports"
		  " FROM networks_forwards f JOIN networks n ON n.id = f.network_id"
		  " WHERE (?1 IS NULL OR n.name = ?1) AND (?2 IS NULL OR f.listen_address = ?2)"
		  " ORDER BY n.name, f.listen_address",
	.select_config = "SELECT forward_id, key, value FROM networks_forwards_config"
			 " ORDER BY forward_id",
	.find = "SELECT id FROM networks_forwards WHERE ?1 IS NOT NULL AND listen_address = ?2",
	.insert = "INSERT INTO networks_forwards (network_id, listen_address, description, ports)"
		  " SELECT id, ?2, ?3, ?4 FROM networks WHERE name = ?1",
	.update = "UPDATE networks_forwards SET description = ?2, ports = ?3 WHERE id = ?1",
	.delete = "DELETE FROM networks_forwards WHERE id = ?1",
	.delete_config = "DELETE FROM networks_forwards_config WHERE forward_id = ?1",
	.insert_config = "INSERT INTO networks_forwards_config (forward_id, key, value)"
			 " VALUES (?1, ?2, ?3)",
};
