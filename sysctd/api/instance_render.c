/* See instance_render.h. Figures come from the control groups and from /proc of init. */
#include "api/instance_render.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "api/render.h"
#include "cleanup.h"
#include "instance/device_types.h"
#include "instance/instance.h"
#include "memory.h"
#include "network/interfaces.h"
#include "server.h"
#include "storage/usage.h"

struct instance *instance_of_request(struct request *request, struct error **error)
{
	return instance_find(request_server(request), request_parameter(request, "name"), error);
}

json_t *instance_render_resources(const char *name)
{
	json_t *url = render_url("/1.0/instances", name);
	return json_pack("{s:[o]}", "instances", url);
}

json_t *instance_render_etag(const struct instance_row *row)
{
	return json_pack("[s, O, O, b, O]", row->architecture, row->config, row->devices,
			 row->ephemeral, row->profiles);
}

static json_t *or_zero(long long value)
{
	return json_integer(value < 0 ? 0 : value);
}

static json_t *render_memory(const struct cgroup_usage *usage)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "usage", or_zero(usage->memory_bytes),
			 "usage_peak", or_zero(usage->memory_peak_bytes), "total",
			 or_zero(usage->memory_limit_bytes), "swap_usage",
			 or_zero(usage->swap_bytes), "swap_usage_peak",
			 or_zero(usage->swap_peak_bytes));
}

/* What is read under the instance's lock, so that a stop meanwhile does no harm. */
struct snapshot {
	enum instance_state state;
	pid_t pid;
	long long started_at;
	struct cgroup_usage usage;
};

static void take(struct instance *instance, bool usage, struct snapshot *now)
{
	pthread_mutex_lock(&instance->lock);
	*now = (struct snapshot){.state = instance->state};
	if (instance->cgroup.unified >= 0) {
		now->pid = instance->link.pid;
		now->started_at = instance->link.started_at;
		if (usage)
			cgroup_read_usage(&instance->cgroup, &now->usage);
	}
	pthread_mutex_unlock(&instance->lock);
}

/* "shared" is ours: what is below, with others. */
static json_t *render_disk(const struct instance *instance, const json_t *devices)
{
	struct server *server = instance->server;
	struct storage_usage usage = {-1, -1};
	int64_t layer;
	if (db_instance_layer(server->db, instance->id, &layer, NULL) == 0 && layer)
		usage = storage_usage(server, layer, true);
	return json_pack("{s:{s:o, s:I, s:o}}", "root", "usage", or_zero(usage.own), "total",
			 (json_int_t)instance_root_size(devices), "shared", or_zero(usage.shared));
}

static void add_usage(json_t *state, const struct instance *instance, const json_t *devices,
		      const struct snapshot *now)
{
	json_object_set_new(state, "disk", render_disk(instance, devices));
	json_object_set_new(state, "memory", render_memory(&now->usage));
	json_object_set_new(state, "processes", or_zero(now->pid ? now->usage.processes : 0));
	json_object_set_new(state, "cpu",
			    json_pack("{s:o}", "usage", or_zero(now->usage.cpu_nanoseconds)));
}

json_t *instance_render_state(struct instance *instance, const json_t *devices,
			      enum instance_detail detail)
{
	struct snapshot now;
	take(instance, detail == INSTANCE_FULL, &now);
	json_t *state = json_pack(
		"{s:s, s:i, s:o?, s:i, s:o}", "status", instance_state_to_string(now.state),
		"status_code", instance_state_code(now.state), "network",
		now.pid ? interfaces_read(now.pid, detail == INSTANCE_FULL ? INTERFACES_COUNTERS
									   : INTERFACES_ADDRESSES)
			: NULL,
		"pid", (int)now.pid, "started_at", render_time(now.started_at));
	if (state && detail == INSTANCE_FULL)
		add_usage(state, instance, devices, &now);
	cleanup_free char *reason = now.pid ? NULL : instance_reason(instance);
	if (state && reason)
		json_object_set_new(state, "last_error", json_string(reason)); /* ours */
	cleanup_free char *warning = now.pid ? instance_warning(instance) : NULL;
	if (state && warning)
		json_object_set_new(state, "warning", json_string(warning)); /* ours */
	return state;
}

json_t *instance_render(const struct instance_row *row, const struct profile_list *profiles,
			struct instance *instance, enum instance_detail detail,
			struct error **error)
{
	json_t *config = NULL, *devices = NULL;
	if (profiles && config_expand(profiles, row->profiles, row->config, row->devices, &config,
				      &devices, error) < 0)
		return NULL;
	enum instance_state state = instance ? instance_get_state(instance) : INSTANCE_STOPPED;
	json_t *object = json_pack(
		"{s:s, s:s, s:s, s:O, s:O, s:o*, s:o*, s:O, s:b, s:b, s:o, s:o, s:s, s:i, "
		"s:s, s:s, s:s}",
		"name", row->name, "description", row->description, "architecture",
		row->architecture, "config", row->config, "devices", row->devices,
		"expanded_config", config, "expanded_devices", devices, "profiles", row->profiles,
		"ephemeral", row->ephemeral, "stateful", 0, "created_at",
		render_time(row->created_at), "last_used_at", render_time(row->last_used_at),
		"status", instance_state_to_string(state), "status_code",
		instance_state_code(state), "type", "container", "location", "none", "project",
		"default");
	if (object && detail != INSTANCE_PLAIN) {
		json_object_set_new(object, "state",
				    instance ? instance_render_state(instance, devices, detail)
					     : json_null());
		json_object_set_new(object, "snapshots", json_null());
		json_object_set_new(object, "backups", json_null());
	}
	return object;
}
