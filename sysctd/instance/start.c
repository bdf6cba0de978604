/* From stopped to a running init. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "fault.h"
#include "file.h"
#include "instance/internal.h"
#include "instance/proxies.h"
#include "instance/scheduler.h"
#include "log.h"
#include "lxcfs.h"
#include "memory.h"
#include "network/nic.h"
#include "server.h"

static int check_startable(struct instance *instance, struct error **error)
{
	enum instance_state state = instance_get_state(instance);
	if (state == INSTANCE_STOPPED || state == INSTANCE_ERROR)
		return 0;
	if (state == INSTANCE_FROZEN)
		return error_set(error, ERROR_INVALID, "The instance is frozen: resume it");
	return error_set(error, ERROR_INVALID, "The instance is already running");
}

/* Filters, DHCP and names, and what leads to it by nat. */
static int announce(struct instance *instance, const json_t *spec, const json_t *devices,
		    struct error **error)
{
	struct server *server = instance->server;
	json_t *nics = json_object_get(json_object_get(spec, "sysct"), "nics");
	if (nics_announce(server, instance->uuid, instance->name, nics, error) < 0)
		return -1;
	if (proxies_translate(server, instance->name, devices, nics, error) == 0)
		return 0;
	nics_withdraw(server, instance->uuid);
	return -1;
}

static void warn_without_lxcfs(struct instance *instance)
{
	cleanup_free char *problem = lxcfs_problem(instance->server->lxcfs);
	cleanup_free char *warning =
		problem ? memory_printf("/proc and /sys show the host's values: %s", problem)
			: NULL;
	instance_warn(instance, warning);
}

static int spawn(struct instance *instance, const struct instance_row *row, const json_t *devices,
		 struct error **error)
{
	struct server *server = instance->server;
	cleanup_free char *directory = instance_run_directory(instance);
	cleanup_free char *cgroup = instance_cgroup_path(instance);
	cleanup_free char *program = memory_printf("%s/sysct-monitor", server->libexec);
	json_t *spec = instance_make_spec(instance, row, error);
	if (!spec)
		return -1;
	struct monitor_link link = MONITOR_LINK_INIT;
	fault_point("start.spec");
	if (announce(instance, spec, devices, error) < 0) {
		json_decref(spec);
		return -1;
	}
	instance_registry_starting(server, true);
	int result = monitor_spawn(program, directory, spec, &link, error);
	instance_registry_starting(server, false);
	json_decref(spec);
	if (result < 0) {
		monitor_link_close(&link);
		monitor_forget(directory, cgroup, NULL);
		nics_withdraw(server, instance->uuid);
		proxies_untranslate(server, instance->name);
		return -1;
	}
	fault_point("start.spawned");
	warn_without_lxcfs(instance);
	pthread_mutex_lock(&instance->lock);
	instance->link = link;
	instance->stop_wanted = instance->kill_wanted = false;
	cgroup_open(&instance->cgroup, cgroup, NULL);
	pthread_mutex_unlock(&instance->lock);
	instance_forget_reason(instance);
	return 0;
}

/* One that is at the limit of its root disk may be too full to be mounted (xfs), and nothing could be removed
 * from it: there is no limit for that moment. */
static int spawn_limited(struct instance *instance, const struct instance_row *row,
			 const json_t *devices, struct error **error)
{
	struct server *server = instance->server;
	cleanup_error struct error *problem = NULL, *other = NULL;
	if (spawn(instance, row, devices, &problem) == 0)
		return 0;
	if (!problem || problem->kind != ERROR_NO_SPACE ||
	    instance_limit_root(server, row, NULL, NULL) < 0) {
		error_move(error, steal_pointer(&problem));
		return -1;
	}
	int result = spawn(instance, row, devices, error);
	if (instance_limit_root(server, row, devices, &other) < 0)
		log_event(LOG_LEVEL_ERROR, instance->name, "%s", error_message(other));
	return result;
}

/* An init that ends at once has not been started, as far as its user is concerned. */
static int check_alive(struct instance *instance, int pidfd, struct error **error)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};
	if (pidfd < 0 || poll(&ended, 1, 0) == 0 || instance_wait_stopped(instance, 5000, NULL) < 0)
		return 0;
	cleanup_free char *why = instance_explain_end(instance);
	if (!why)
		return 0; /* it halted by itself: its right */
	return error_set(error, ERROR_INTERNAL, "%s stopped at once: %s", instance->name, why);
}

static int start_locked(struct instance *instance, struct error **error)
{
	struct server *server = instance->server;
	cleanup_instance_row struct instance_row row = {0};
	json_t *devices = NULL;
	if (db_instance_get_by_id(server->db, instance->id, &row, error) < 0 ||
	    instance_expand(server, &row, NULL, &devices, error) < 0)
		return -1;
	int started = instance_assign_nics(server, &row, devices, error);
	if (started == 0)
		started = instance_limit_root(server, &row, devices, error);
	if (started == 0) {
		instance_set_state(instance, INSTANCE_STARTING);
		started = spawn_limited(instance, &row, devices, error);
		if (started < 0)
			instance_set_state(instance, INSTANCE_STOPPED);
	}
	json_decref(devices);
	if (started < 0)
		return -1;
	instance_set_state(instance, INSTANCE_RUNNING);
	cleanup_close int pidfd = fcntl(instance->link.pidfd, F_DUPFD_CLOEXEC, 0);
	if (instance_watch(instance, error) < 0) {
		instance_ended(instance, NULL);
		return -1;
	}
	fault_point("start.running");
	if (db_begin(server->db, DB_VOLATILE, NULL) == 0) {
		db_instance_touch(server->db, instance->id, db_now(), NULL);
		db_instance_set_power(server->db, instance->id, INSTANCE_POWER_RUNNING, NULL);
		db_commit(server->db, NULL);
	}
	return check_alive(instance, pidfd, error);
}

int instance_start(struct instance *instance, struct error **error)
{
	if (instance_lock(instance, "start", 30000, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *held = instance;
	if (check_startable(held, error) < 0)
		return -1;
	if (start_locked(held, error) == 0) {
		scheduler_started(held);
		return 0;
	}
	log_event(LOG_LEVEL_ERROR, instance->name, "%s",
		  error ? error_message(*error) : "not started");
	return -1;
}
