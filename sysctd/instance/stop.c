/* Stopping, restarting, freezing. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "fault.h"
#include "instance/config_keys.h"
#include "instance/internal.h"
#include "memory.h"
#include "process.h"
#include "server.h"

enum {
	FREEZE_TIMEOUT = 10000,
	DEFAULT_STOP_TIMEOUT = 600,
	FIRST_INTERVAL = 20,
	LAST_INTERVAL = 2000
};

static int check_stoppable(struct instance *instance, struct error **error)
{
	enum instance_state state = instance_get_state(instance);
	if (state == INSTANCE_STOPPED || state == INSTANCE_ERROR)
		return error_set(error, ERROR_INVALID, "The instance is already stopped");
	return 0;
}

static void want_stop(struct instance *instance, bool forced)
{
	pthread_mutex_lock(&instance->lock);
	instance->stop_wanted = true;
	instance->kill_wanted = forced;
	pthread_mutex_unlock(&instance->lock);
}

/* cgroup.kill needs neither the monitor nor the operation lock: a forced stop
 * also ends a graceful one that waits. */
static int kill_all(struct instance *instance, struct error **error)
{
	pthread_mutex_lock(&instance->lock);
	int result = instance->cgroup.unified >= 0 ? cgroup_kill(&instance->cgroup, error) : 0;
	pthread_mutex_unlock(&instance->lock);
	return result;
}

/* No control group: it reboots, and only the monitor knows how far it is. */
static void kill_between_boots(struct instance *instance)
{
	cleanup_message struct message answer = {0};
	cleanup_free char *directory = instance_run_directory(instance);
	json_t *request = json_pack("{s:s}", "op", "kill");
	/* Not there: it has just ended. */
	monitor_request(directory, request, NULL, 0, &answer, NULL);
	json_decref(request);
}

static int force(struct instance *instance, struct error **error)
{
	/* A start under way has no control group to kill yet; it takes milliseconds. */
	instance_wait_started(instance, 60000);
	if (check_stoppable(instance, error) < 0)
		return -1;
	want_stop(instance, true);
	if (kill_all(instance, NULL) < 0)
		kill_between_boots(instance);
	fault_point("stop.killed");
	return instance_wait_stopped(instance, 60000, error);
}

static int find_stop_signal(struct instance *instance, int *number, struct error **error)
{
	cleanup_instance_row struct instance_row row = {0};
	json_t *config = NULL;
	if (db_instance_get_by_id(instance->server->db, instance->id, &row, error) < 0 ||
	    instance_expand(instance->server, &row, &config, NULL, error) < 0)
		return -1;
	*number = instance_stop_signal(config);
	json_decref(config);
	return 0;
}

static int signal_init(struct instance *instance, int number, struct error **error)
{
	pthread_mutex_lock(&instance->lock);
	int result =
		instance->link.pidfd < 0 ? 0 : process_pidfd_signal(instance->link.pidfd, number);
	pthread_mutex_unlock(&instance->lock);
	fault_point("stop.signalled");
	if (result < 0 && errno != ESRCH)
		return error_errno(error, errno, "signalling init of %s", instance->name);
	return 0;
}

static bool init_listens(struct instance *instance, int number)
{
	pthread_mutex_lock(&instance->lock);
	bool listens =
		instance->link.pidfd >= 0 && process_takes_signal(instance->link.pid, number);
	pthread_mutex_unlock(&instance->lock);
	return listens;
}

/* The kernel drops a signal that init does not listen to, as just after its start, and does not
 * tell (busybox waits in sigtimedwait(2), where nobody sees it): then it is sent again, at growing
 * intervals. An init that shuts down already does not mind. @limit: milliseconds, less what it took. */
static int ask_init(struct instance *instance, int number, int *limit, struct error **error)
{
	for (int interval = FIRST_INTERVAL;; *limit -= interval, interval *= 2) {
		bool listens = init_listens(instance, number);
		if (signal_init(instance, number, error) < 0)
			return -1;
		if (listens || interval > LAST_INTERVAL || interval > *limit)
			return 0;
		if (instance_wait_stopped(instance, interval, NULL) == 0)
			return 0;
	}
}

/* @timeout: seconds; without one, patience that a slow service gets through. */
static int graceful(struct instance *instance, int timeout, struct error **error)
{
	if (instance_lock(instance, "stop", 30000, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *held = instance;
	if (check_stoppable(held, error) < 0)
		return -1;
	if (instance_get_state(held) == INSTANCE_FROZEN)
		return error_set(error, ERROR_INVALID,
				 "The instance is frozen: resume it, or stop it with --force");
	int number, seconds = timeout > 0 ? timeout : DEFAULT_STOP_TIMEOUT, limit = seconds * 1000;
	if (find_stop_signal(held, &number, error) < 0)
		return -1;
	want_stop(held, false);
	instance_set_state(held, INSTANCE_STOPPING);
	if (ask_init(held, number, &limit, error) == 0) {
		if (instance_wait_stopped(held, limit, NULL) == 0)
			return 0;
		error_set(error, ERROR_TIMEOUT,
			  "%s did not stop within %d s (its init may ignore the signal): stop it "
			  "with --force",
			  held->name, seconds);
	}
	if (instance_get_state(held) == INSTANCE_STOPPING)
		instance_set_state(held, INSTANCE_RUNNING);
	return -1;
}

int instance_stop(struct instance *instance, bool forced, int timeout, struct error **error)
{
	return forced ? force(instance, error) : graceful(instance, timeout, error);
}

int instance_restart(struct instance *instance, bool forced, int timeout, struct error **error)
{
	/* An ephemeral instance would be deleted between the two. */
	pthread_mutex_lock(&instance->lock);
	instance->restarting = true;
	pthread_mutex_unlock(&instance->lock);
	int result = instance_stop(instance, forced, timeout, error);
	if (result == 0)
		result = instance_start(instance, error);
	pthread_mutex_lock(&instance->lock);
	instance->restarting = false;
	pthread_mutex_unlock(&instance->lock);
	if (result == 0)
		instance_publish(instance, "instance-restarted");
	return result;
}

int instance_freeze(struct instance *instance, bool freeze, struct error **error)
{
	if (instance_lock(instance, freeze ? "freeze" : "unfreeze", 30000, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *held = instance;
	enum instance_state state = instance_get_state(held);
	if (freeze && state == INSTANCE_FROZEN)
		return error_set(error, ERROR_INVALID, "The instance is already frozen");
	if (!freeze && state != INSTANCE_FROZEN)
		return error_set(error, ERROR_INVALID, "The instance is not frozen");
	if (freeze && instance_check_running(held, error) < 0)
		return -1;
	struct cgroup cgroup = CGROUP_INIT;
	cleanup_free char *path = instance_cgroup_path(held);
	if (cgroup_open(&cgroup, path, error) < 0)
		return -1;
	int result = cgroup_freeze(&cgroup, freeze, FREEZE_TIMEOUT, error);
	cgroup_close(&cgroup);
	if (result == 0)
		instance_set_state(held, freeze ? INSTANCE_FROZEN : INSTANCE_RUNNING);
	return result;
}
