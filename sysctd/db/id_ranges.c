/*
 * Host ids, as extents. Table id_ranges has a row for each range that an
 * instance owns and one for each free stretch between them (instance NULL),
 * within the pool recorded in id_pool. Invariants: no two rows overlap; free
 * rows never touch each other, they are merged when a range comes back; so the
 * lowest free range is the first row of a small index, whatever the number of
 * instances.
 *
 * The pool comes from /etc/subuid, which an administrator may edit between two
 * starts. When it differs from the recorded one the free rows are made anew from
 * the gaps. Ranges outside the new pool stay with their instances, whose files
 * belong to these ids, and are not given out again when they come back.
 */
#include "db/id_ranges.h"

#include "db/internal.h"

struct extent {
	int64_t base;
	int64_t count;
};

static int add_free(struct connection *connection, struct extent extent, struct error **error)
{
	if (extent.count <= 0)
		return 0;
	return query_run(connection, "INSERT INTO id_ranges (base, count) VALUES (?1, ?2)",
			 VALUES(NUMBER(extent.base), NUMBER(extent.count)), error);
}

static int find_extent(struct connection *connection, const char *sql, const struct value *values,
		       size_t count, struct extent *extent, struct error **error)
{
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, sql, values, count, error) < 0)
		return -1;
	int result = query_next(&query, error);
	if (result > 0)
		*extent = (struct extent){query_number(&query, 0), query_number(&query, 1)};
	return result;
}

/* One free row for each gap between owned ranges; only when the pool was edited. */
static int make_free_rows(struct connection *connection, const struct id_pool *pool,
			  struct error **error)
{
	int64_t end = (int64_t)pool->base + pool->count;
	int64_t at = pool->base;
	while (at < end) {
		struct extent next;
		int found = find_extent(connection,
					"SELECT base, count FROM id_ranges WHERE base + count > ?1"
					" AND instance_id IS NOT NULL ORDER BY base LIMIT 1",
					VALUES(NUMBER(at)), &next, error);
		if (found < 0)
			return -1;
		int64_t gap_end = found && next.base < end ? next.base : end;
		if (add_free(connection, (struct extent){at, gap_end - at}, error) < 0)
			return -1;
		at = found ? next.base + next.count : end;
	}
	return 0;
}

static int follow_pool(struct connection *connection, const struct id_pool *pool,
		       struct error **error)
{
	struct extent known = {0};
	if (find_extent(connection, "SELECT base, count FROM id_pool", NO_VALUES, &known, error) <
	    0)
		return -1;
	if (known.base == pool->base && known.count == pool->count)
		return 0;
	if (query_run(connection,
		      "INSERT OR REPLACE INTO id_pool (id, base, count)"
		      " VALUES (1, ?1, ?2)",
		      VALUES(NUMBER(pool->base), NUMBER(pool->count)), error) < 0 ||
	    query_run(connection, "DELETE FROM id_ranges WHERE instance_id IS NULL", NO_VALUES,
		      error) < 0)
		return -1;
	return make_free_rows(connection, pool, error);
}

static int fail_exhausted(const struct id_pool *pool, uint32_t count, struct error **error)
{
	if (pool->count < count)
		return error_set(
			error, ERROR_NO_SPACE,
			"an instance needs %u user and group ids, and root has %u: give root "
			"a larger range in /etc/subuid and /etc/subgid and restart sysctd",
			count, pool->count);
	return error_set(error, ERROR_NO_SPACE,
			 "no %u user and group ids in a row are free: delete an instance, or give "
			 "root a larger range in /etc/subuid and /etc/subgid and restart sysctd",
			 count);
}

int id_range_take(struct connection *connection, int64_t instance_id, const struct id_pool *pool,
		  uint32_t count, uint32_t *base, struct error **error)
{
	struct extent free;
	if (follow_pool(connection, pool, error) < 0)
		return -1;
	int found = find_extent(connection,
				"SELECT base, count FROM id_ranges INDEXED BY id_ranges_free"
				" WHERE instance_id IS NULL AND count >= ?1 ORDER BY base LIMIT 1",
				VALUES(NUMBER(count)), &free, error);
	if (found <= 0)
		return found < 0 ? -1 : fail_exhausted(pool, count, error);
	if (query_run(connection,
		      "UPDATE id_ranges SET count = ?2, instance_id = ?3 WHERE base = ?1",
		      VALUES(NUMBER(free.base), NUMBER(count), NUMBER(instance_id)), error) < 0)
		return -1;
	*base = (uint32_t)free.base;
	return add_free(connection, (struct extent){free.base + count, free.count - count}, error);
}

static int own(struct connection *connection, struct extent extent, int64_t instance_id,
	       struct error **error)
{
	return query_run(
		connection, "INSERT INTO id_ranges (base, count, instance_id) VALUES (?1, ?2, ?3)",
		VALUES(NUMBER(extent.base), NUMBER(extent.count), NUMBER(instance_id)), error);
}

int id_range_claim(struct connection *connection, int64_t instance_id, const struct id_pool *pool,
		   uint32_t base, uint32_t count, struct error **error)
{
	static const char around[] = "SELECT base, count FROM id_ranges WHERE instance_id IS NULL"
				     " AND base <= ?1 AND base + count >= ?1 + ?2";
	const struct extent wanted = {base, count};
	struct extent free;
	if (follow_pool(connection, pool, error) < 0)
		return -1;
	int found =
		find_extent(connection, around, VALUES(NUMBER(base), NUMBER(count)), &free, error);
	if (found <= 0)
		return found;
	const struct extent before = {free.base, base - free.base};
	const struct extent after = {wanted.base + count,
				     free.base + free.count - wanted.base - count};
	if (query_run(connection, "DELETE FROM id_ranges WHERE base = ?1",
		      VALUES(NUMBER(free.base)), error) < 0 ||
	    add_free(connection, before, error) < 0 ||
	    own(connection, wanted, instance_id, error) < 0 ||
	    add_free(connection, after, error) < 0)
		return -1;
	return 1;
}

/* Removes the free row, if any, that ends where @extent begins or begins where it ends. */
static int absorb(struct connection *connection, const char *sql, int64_t at,
		  struct extent *neighbour, struct error **error)
{
	int found = find_extent(connection, sql, VALUES(NUMBER(at)), neighbour, error);
	if (found <= 0)
		return found;
	if (query_run(connection, "DELETE FROM id_ranges WHERE base = ?1",
		      VALUES(NUMBER(neighbour->base)), error) < 0)
		return -1;
	return 1;
}

static int merge(struct connection *connection, struct extent *extent, struct error **error)
{
	static const char before[] =
		"SELECT base, count FROM (SELECT base, count, instance_id FROM id_ranges"
		" WHERE base < ?1 ORDER BY base DESC LIMIT 1)"
		" WHERE instance_id IS NULL AND base + count = ?1";
	static const char after[] =
		"SELECT base, count FROM id_ranges WHERE base = ?1 AND instance_id IS NULL";
	struct extent neighbour = {0};
	int found = absorb(connection, before, extent->base, &neighbour, error);
	if (found < 0)
		return -1;
	if (found) {
		extent->base = neighbour.base;
		extent->count += neighbour.count;
	}
	found = absorb(connection, after, extent->base + extent->count, &neighbour, error);
	if (found > 0)
		extent->count += neighbour.count;
	return found < 0 ? -1 : 0;
}

static struct extent intersect(struct extent a, struct extent b)
{
	int64_t base = a.base > b.base ? a.base : b.base;
	int64_t end = a.base + a.count < b.base + b.count ? a.base + a.count : b.base + b.count;
	return (struct extent){base, end - base};
}

int id_range_give(struct connection *connection, int64_t instance_id, struct error **error)
{
	struct extent range;
	struct extent pool = {0};
	int found =
		find_extent(connection, "SELECT base, count FROM id_ranges WHERE instance_id = ?1",
			    VALUES(NUMBER(instance_id)), &range, error);
	if (found <= 0)
		return found;
	if (query_run(connection, "DELETE FROM id_ranges WHERE base = ?1",
		      VALUES(NUMBER(range.base)), error) < 0 ||
	    find_extent(connection, "SELECT base, count FROM id_pool", NO_VALUES, &pool, error) < 0)
		return -1;
	range = intersect(range, pool);
	if (range.count <= 0)
		return 0;
	if (merge(connection, &range, error) < 0)
		return -1;
	return add_free(connection, range, error);
}
