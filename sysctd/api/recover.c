/* What `lxd recover` and `sysct admin recover` ask for: /internal/recover, where LXD has it. */
#include "api/render.h"
#include "api/routes.h"
#include "recover/recover.h"
#include "server.h"

/* "search" is ours: also in all other pools that can be found. */
static int read_body(struct request *request, const json_t **pools, bool *search,
		     struct error **error)
{
	static const char *const fields[] = {"pools", "search", NULL};
	static const char *const pool_fields[] = {"name", "driver", "description", "config", NULL};
	const json_t *body = request_body_object(request, error);
	size_t i;
	const json_t *pool;
	*search = false;
	if (!body || render_check_fields(body, fields, error) < 0 ||
	    render_bool_field(body, "search", search, error) < 0)
		return -1;
	*pools = json_object_get(body, "pools");
	if (json_is_null(*pools))
		*pools = NULL;
	if (*pools && !json_is_array(*pools))
		return error_set(error, ERROR_INVALID, "\"pools\" must be a list");
	json_array_foreach (*pools, i, pool)
		if (!json_is_object(pool) || render_check_fields(pool, pool_fields, error) < 0)
			return error_set(error, ERROR_INVALID, "a pool must be an object");
	return 0;
}

static struct response *validate(struct request *request, struct error **error)
{
	const json_t *pools;
	bool search;
	json_t *answer = read_body(request, &pools, &search, error) < 0
				 ? NULL
				 : recovery_validate(request_server(request), pools, search, error);
	return answer ? response_sync(answer) : NULL;
}

static struct response *import(struct request *request, struct error **error)
{
	const json_t *pools;
	bool search;
	json_t *answer = read_body(request, &pools, &search, error) < 0
				 ? NULL
				 : recovery_import(request_server(request), pools, search, error);
	return answer ? response_sync(answer) : NULL;
}

const struct route recover_routes[] = {
	{.method = "POST", .path = "/internal/recover/validate", .handler = validate},
	{.method = "POST", .path = "/internal/recover/import", .handler = import},
	{0},
};
