/*
 * The schema as a list of steps. A step that was released is never edited: a
 * database in the field has run it. A change is a new row at the end, a raised
 * DB_SCHEMA_VERSION, and a stored database of the version before in
 * tests/unit/data, for the test that upgrades it.
 *
 * Conventions: times are nanoseconds since the epoch, 0 for never. AUTOINCREMENT
 * where an id outlives its row in an operation, so that an id is never used twice.
 *
 * Invariant of id_ranges: the rows with an instance and the free rows (NULL) do
 * not overlap, and the free rows are as long as they can be (id_ranges.c).
 */
#include "db/schema.h"

#include "memory.h"
#include "cleanup.h"

static const char version_1[] =
	"CREATE TABLE meta ("
	"  key TEXT PRIMARY KEY,"
	"  value TEXT NOT NULL"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE server_config ("
	"  key TEXT PRIMARY KEY,"
	"  value TEXT NOT NULL"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE storage_pools ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  name TEXT NOT NULL UNIQUE,"
	"  driver TEXT NOT NULL,"
	"  description TEXT NOT NULL DEFAULT ''"
	") STRICT;"
	"CREATE TABLE storage_pools_config ("
	"  pool_id INTEGER NOT NULL REFERENCES storage_pools (id) ON DELETE CASCADE,"
	"  key TEXT NOT NULL,"
	"  value TEXT NOT NULL,"
	"  PRIMARY KEY (pool_id, key)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE profiles ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  name TEXT NOT NULL UNIQUE,"
	"  description TEXT NOT NULL DEFAULT ''"
	") STRICT;"
	"CREATE TABLE profiles_config ("
	"  profile_id INTEGER NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,"
	"  key TEXT NOT NULL,"
	"  value TEXT NOT NULL,"
	"  PRIMARY KEY (profile_id, key)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE profiles_devices ("
	"  profile_id INTEGER NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,"
	"  device TEXT NOT NULL,"
	"  key TEXT NOT NULL,"
	"  value TEXT NOT NULL,"
	"  PRIMARY KEY (profile_id, device, key)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE images ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  fingerprint TEXT NOT NULL UNIQUE,"
	"  filename TEXT NOT NULL DEFAULT '',"
	"  architecture TEXT NOT NULL,"
	"  type TEXT NOT NULL,"
	"  size INTEGER NOT NULL,"
	"  public INTEGER NOT NULL DEFAULT 0,"
	"  auto_update INTEGER NOT NULL DEFAULT 0,"
	"  cached INTEGER NOT NULL DEFAULT 0,"
	"  created_at INTEGER NOT NULL DEFAULT 0,"
	"  uploaded_at INTEGER NOT NULL,"
	"  expires_at INTEGER NOT NULL DEFAULT 0,"
	"  last_used_at INTEGER NOT NULL DEFAULT 0"
	") STRICT;"
	"CREATE TABLE images_properties ("
	"  image_id INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,"
	"  key TEXT NOT NULL,"
	"  value TEXT NOT NULL,"
	"  PRIMARY KEY (image_id, key)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE images_aliases ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  name TEXT NOT NULL UNIQUE,"
	"  description TEXT NOT NULL DEFAULT '',"
	"  image_id INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE"
	") STRICT;"
	"CREATE INDEX images_aliases_image ON images_aliases (image_id, name);"

	"CREATE TABLE instances ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  uuid TEXT NOT NULL UNIQUE,"
	"  name TEXT NOT NULL UNIQUE,"
	"  description TEXT NOT NULL DEFAULT '',"
	"  architecture TEXT NOT NULL,"
	"  ephemeral INTEGER NOT NULL DEFAULT 0,"
	"  created_at INTEGER NOT NULL,"
	"  last_used_at INTEGER NOT NULL DEFAULT 0,"
	"  image TEXT," /* a fingerprint, no reference: the image may be deleted */
	"  pool_id INTEGER NOT NULL REFERENCES storage_pools (id)"
	") STRICT;"
	"CREATE INDEX instances_image ON instances (image, name);"
	"CREATE INDEX instances_pool ON instances (pool_id, name);"
	"CREATE TABLE instances_config ("
	"  instance_id INTEGER NOT NULL REFERENCES instances (id) ON DELETE CASCADE,"
	"  key TEXT NOT NULL,"
	"  value TEXT NOT NULL,"
	"  PRIMARY KEY (instance_id, key)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE instances_devices ("
	"  instance_id INTEGER NOT NULL REFERENCES instances (id) ON DELETE CASCADE,"
	"  device TEXT NOT NULL,"
	"  key TEXT NOT NULL,"
	"  value TEXT NOT NULL,"
	"  PRIMARY KEY (instance_id, device, key)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE instances_profiles ("
	"  instance_id INTEGER NOT NULL REFERENCES instances (id) ON DELETE CASCADE,"
	"  position INTEGER NOT NULL,"
	"  profile_id INTEGER NOT NULL REFERENCES profiles (id),"
	"  PRIMARY KEY (instance_id, position)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX instances_profiles_profile ON instances_profiles (profile_id);"

	"CREATE TABLE id_pool (" /* one row: what the free rows of id_ranges were made from */
	"  id INTEGER PRIMARY KEY CHECK (id = 1),"
	"  base INTEGER NOT NULL,"
	"  count INTEGER NOT NULL"
	") STRICT;"
	"CREATE TABLE id_ranges ("
	"  base INTEGER PRIMARY KEY,"
	"  count INTEGER NOT NULL CHECK (count > 0),"
	"  instance_id INTEGER UNIQUE REFERENCES instances (id)"
	") STRICT;"
	"CREATE INDEX id_ranges_free ON id_ranges (base, count) WHERE instance_id IS NULL;";

static const char version_2[] =
	"ALTER TABLE instances ADD COLUMN last_power TEXT NOT NULL DEFAULT 'STOPPED'"
	"  CHECK (last_power IN ('STOPPED', 'RUNNING'));"
	"ALTER TABLE images ADD COLUMN template TEXT;"
	"ALTER TABLE images ADD COLUMN template_options TEXT;"; /* JSON */

static const char version_3[] =
	"CREATE TABLE networks ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  name TEXT NOT NULL UNIQUE,"
	"  type TEXT NOT NULL,"
	"  description TEXT NOT NULL DEFAULT ''"
	") STRICT;"
	"CREATE TABLE networks_config ("
	"  network_id INTEGER NOT NULL REFERENCES networks (id) ON DELETE CASCADE,"
	"  key TEXT NOT NULL,"
	"  value TEXT NOT NULL,"
	"  PRIMARY KEY (network_id, key)"
	") STRICT, WITHOUT ROWID;";

static const char version_4[] =
	"CREATE TABLE networks_forwards ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  network_id INTEGER NOT NULL REFERENCES networks (id) ON DELETE CASCADE,"
	"  listen_address TEXT NOT NULL UNIQUE,"
	"  description TEXT NOT NULL DEFAULT '',"
	"  ports TEXT NOT NULL" /* JSON */
	") STRICT;"
	"CREATE INDEX networks_forwards_network ON networks_forwards (network_id);"
	"CREATE TABLE networks_forwards_config ("
	"  forward_id INTEGER NOT NULL REFERENCES networks_forwards (id) ON DELETE CASCADE,"
	"  key TEXT NOT NULL,"
	"  value TEXT NOT NULL,"
	"  PRIMARY KEY (forward_id, key)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE network_zones ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  name TEXT NOT NULL UNIQUE,"
	"  description TEXT NOT NULL DEFAULT ''"
	") STRICT;"
	"CREATE TABLE network_zones_config ("
	"  zone_id INTEGER NOT NULL REFERENCES network_zones (id) ON DELETE CASCADE,"
	"  key TEXT NOT NULL,"
	"  value TEXT NOT NULL,"
	"  PRIMARY KEY (zone_id, key)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE network_zones_records ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  zone_id INTEGER NOT NULL REFERENCES network_zones (id) ON DELETE CASCADE,"
	"  name TEXT NOT NULL,"
	"  description TEXT NOT NULL DEFAULT '',"
	"  entries TEXT NOT NULL," /* JSON */
	"  UNIQUE (zone_id, name)"
	") STRICT;"
	"CREATE TABLE network_zones_records_config ("
	"  record_id INTEGER NOT NULL REFERENCES network_zones_records (id) ON DELETE CASCADE,"
	"  key TEXT NOT NULL,"
	"  value TEXT NOT NULL,"
	"  PRIMARY KEY (record_id, key)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE network_acls ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  name TEXT NOT NULL UNIQUE,"
	"  rules TEXT NOT NULL," /* JSON */
	"  description TEXT NOT NULL DEFAULT ''"
	") STRICT;"
	"CREATE TABLE network_acls_config ("
	"  acl_id INTEGER NOT NULL REFERENCES network_acls (id) ON DELETE CASCADE,"
	"  key TEXT NOT NULL,"
	"  value TEXT NOT NULL,"
	"  PRIMARY KEY (acl_id, key)"
	") STRICT, WITHOUT ROWID;";

/* An instance writes into its own layer; below it are the layers that its snapshots keep. */
static const char version_5[] =
	"CREATE TABLE storage_layers ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  pool_id INTEGER NOT NULL REFERENCES storage_pools (id),"
	"  directory TEXT NOT NULL," /* below the pool's */
	"  parent_id INTEGER REFERENCES storage_layers (id),"
	"  id_base INTEGER NOT NULL," /* whose files they are: the root of the instance that wrote them */
	"  dead INTEGER NOT NULL DEFAULT 0," /* nobody needs it: its directory goes, then the row */
	"  UNIQUE (pool_id, directory)"
	") STRICT;"
	"CREATE INDEX storage_layers_parent ON storage_layers (parent_id);"
	"ALTER TABLE instances ADD COLUMN layer_id INTEGER REFERENCES storage_layers (id);"
	"INSERT INTO storage_layers (pool_id, directory, id_base)"
	"  SELECT i.pool_id, 'instances/' || i.uuid, r.base FROM instances i"
	"  JOIN id_ranges r ON r.instance_id = i.id ORDER BY i.id;"
	"UPDATE instances SET layer_id = (SELECT l.id FROM storage_layers l"
	"  WHERE l.pool_id = instances.pool_id AND l.directory = 'instances/' || instances.uuid);"
	"CREATE INDEX instances_layer ON instances (layer_id);"

	"CREATE TABLE instances_snapshots ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  instance_id INTEGER NOT NULL REFERENCES instances (id) ON DELETE CASCADE,"
	"  name TEXT NOT NULL,"
	"  description TEXT NOT NULL DEFAULT '',"
	"  created_at INTEGER NOT NULL,"
	"  expires_at INTEGER NOT NULL DEFAULT 0,"
	"  layer_id INTEGER NOT NULL REFERENCES storage_layers (id),"
	"  content TEXT NOT NULL," /* JSON: what the instance was */
	"  UNIQUE (instance_id, name)"
	") STRICT;"
	"CREATE INDEX instances_snapshots_layer ON instances_snapshots (layer_id);";

/*
 * What is below a chain of layers is told by its lowest one: an image, or nothing (NULL). A flat layer is
 * a whole tree that lies above nothing: of drivers that do not stack, and of custom volumes.
 */
static const char version_6[] =
	"ALTER TABLE storage_layers ADD COLUMN image TEXT;"
	"ALTER TABLE storage_layers ADD COLUMN flat INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE storage_layers ADD COLUMN bytes INTEGER NOT NULL DEFAULT -1;" /* on the disk */
	"ALTER TABLE storage_layers ADD COLUMN counted_at INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX storage_layers_image ON storage_layers (image);"
	"WITH RECURSIVE chain (id, image) AS ("
	"  SELECT layer_id, image FROM instances WHERE layer_id IS NOT NULL"
	"  UNION SELECT s.layer_id, i.image FROM instances_snapshots s"
	"   JOIN instances i ON i.id = s.instance_id"
	"  UNION SELECT l.parent_id, c.image FROM chain c JOIN storage_layers l ON l.id = c.id"
	"   WHERE l.parent_id IS NOT NULL)"
	" UPDATE storage_layers SET image = (SELECT image FROM chain WHERE id = storage_layers.id)"
	"  WHERE parent_id IS NULL;"

	"CREATE TABLE storage_volumes ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  pool_id INTEGER NOT NULL REFERENCES storage_pools (id),"
	"  name TEXT NOT NULL,"
	"  description TEXT NOT NULL DEFAULT '',"
	"  content_type TEXT NOT NULL DEFAULT 'filesystem',"
	"  created_at INTEGER NOT NULL,"
	"  layer_id INTEGER NOT NULL REFERENCES storage_layers (id),"
	"  UNIQUE (pool_id, name)"
	") STRICT;"
	"CREATE INDEX storage_volumes_layer ON storage_volumes (layer_id);"
	"CREATE TABLE storage_volumes_config ("
	"  volume_id INTEGER NOT NULL REFERENCES storage_volumes (id) ON DELETE CASCADE,"
	"  key TEXT NOT NULL,"
	"  value TEXT NOT NULL,"
	"  PRIMARY KEY (volume_id, key)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE storage_volumes_snapshots ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  volume_id INTEGER NOT NULL REFERENCES storage_volumes (id) ON DELETE CASCADE,"
	"  name TEXT NOT NULL,"
	"  description TEXT NOT NULL DEFAULT '',"
	"  created_at INTEGER NOT NULL,"
	"  expires_at INTEGER NOT NULL DEFAULT 0,"
	"  layer_id INTEGER NOT NULL REFERENCES storage_layers (id),"
	"  config TEXT NOT NULL," /* JSON */
	"  UNIQUE (volume_id, name)"
	") STRICT;"
	"CREATE INDEX storage_volumes_snapshots_layer ON storage_volumes_snapshots (layer_id);"

	"CREATE TABLE instances_backups ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  instance_id INTEGER NOT NULL REFERENCES instances (id) ON DELETE CASCADE,"
	"  name TEXT NOT NULL,"
	"  created_at INTEGER NOT NULL,"
	"  expires_at INTEGER NOT NULL DEFAULT 0,"
	"  file TEXT NOT NULL," /* below STATE/backups */
	"  instance_only INTEGER NOT NULL DEFAULT 0,"
	"  optimized INTEGER NOT NULL DEFAULT 0,"
	"  UNIQUE (instance_id, name)"
	") STRICT;"
	"CREATE TABLE storage_volumes_backups ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  volume_id INTEGER NOT NULL REFERENCES storage_volumes (id) ON DELETE CASCADE,"
	"  name TEXT NOT NULL,"
	"  created_at INTEGER NOT NULL,"
	"  expires_at INTEGER NOT NULL DEFAULT 0,"
	"  file TEXT NOT NULL,"
	"  volume_only INTEGER NOT NULL DEFAULT 0,"
	"  optimized INTEGER NOT NULL DEFAULT 0,"
	"  UNIQUE (volume_id, name)"
	") STRICT;";

static const struct {
	int version;
	const char *sql;
} steps[] = {
	{1, version_1}, {2, version_2}, {3, version_3},
	{4, version_4}, {5, version_5}, {6, version_6},
};

static int check_references(struct connection *connection, struct error **error)
{
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, "PRAGMA foreign_key_check", NO_VALUES, error) < 0)
		return -1;
	int result = query_next(&query, error);
	if (result > 0)
		return error_set(error, ERROR_INTERNAL, "table %s refers to a row that is missing",
				 query_peek(&query, 0));
	return result;
}

static int run_step(struct connection *connection, int version, const char *sql,
		    struct error **error)
{
	cleanup_free char *mark = memory_printf("PRAGMA user_version = %d", version);
	if (connection_run_script(connection, "BEGIN EXCLUSIVE", error) < 0)
		return -1;
	if (connection_run_script(connection, sql, error) == 0 &&
	    check_references(connection, error) == 0 &&
	    connection_run_script(connection, mark, error) == 0 &&
	    connection_run_script(connection, "COMMIT", error) == 0)
		return 0;
	if (connection_in_transaction(connection))
		connection_run_script(connection, "ROLLBACK", NULL);
	return error_prefix(error, "changing the database to schema version %d", version);
}

int schema_upgrade(struct connection *connection, int version, struct error **error)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (steps[i].version > version &&
		    run_step(connection, steps[i].version, steps[i].sql, error) < 0)
			return -1;
	return 0;
}
