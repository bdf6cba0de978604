/* State and operation lock of an instance (instance.h). */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "events.h"
#include "instance/internal.h"
#include "log.h"
#include "memory.h"
#include "server.h"

/* The codes are LXD's (doc: status codes). @event: published when the state is entered. */
static const struct {
	const char *name;
	int code;
} states[INSTANCE_STATE_COUNT] = {
	[INSTANCE_STOPPED] = {"Stopped", 102},	 [INSTANCE_STARTING] = {"Starting", 106},
	[INSTANCE_RUNNING] = {"Running", 103},	 [INSTANCE_FROZEN] = {"Frozen", 110},
	[INSTANCE_STOPPING] = {"Stopping", 107}, [INSTANCE_ERROR] = {"Error", 112},
};

static const struct {
	enum instance_state from, to;
	const char *event; /* NULL: nothing that a user waits for */
} transitions[] = {
	{INSTANCE_STOPPED, INSTANCE_STARTING, NULL},
	{INSTANCE_STOPPED, INSTANCE_RUNNING, NULL}, /* found again by a restarted daemon */
	{INSTANCE_STOPPED, INSTANCE_ERROR, NULL},
	{INSTANCE_STARTING, INSTANCE_RUNNING, "instance-started"},
	{INSTANCE_STARTING, INSTANCE_STOPPED, NULL},
	{INSTANCE_RUNNING, INSTANCE_FROZEN, "instance-paused"},
	{INSTANCE_RUNNING, INSTANCE_STOPPING, NULL},
	{INSTANCE_RUNNING, INSTANCE_STOPPED, "instance-shutdown"},
	{INSTANCE_FROZEN, INSTANCE_RUNNING, "instance-resumed"},
	{INSTANCE_FROZEN, INSTANCE_STOPPING, NULL},
	{INSTANCE_FROZEN, INSTANCE_STOPPED, "instance-shutdown"},
	{INSTANCE_STOPPING, INSTANCE_RUNNING, NULL}, /* init did not stop in time */
	{INSTANCE_STOPPING, INSTANCE_FROZEN, NULL},
	{INSTANCE_STOPPING, INSTANCE_STOPPED, "instance-shutdown"},
	{INSTANCE_ERROR, INSTANCE_STARTING, NULL},
	{INSTANCE_ERROR, INSTANCE_STOPPED, NULL},
};

const char *instance_state_to_string(enum instance_state state)
{
	return states[state].name;
}

int instance_state_code(enum instance_state state)
{
	return states[state].code;
}

enum instance_state instance_get_state(struct instance *instance)
{
	pthread_mutex_lock(&instance->lock);
	enum instance_state state = instance->state;
	pthread_mutex_unlock(&instance->lock);
	return state;
}

void instance_publish(struct instance *instance, const char *action)
{
	cleanup_free char *source = memory_printf("/1.0/instances/%s", instance->name);
	event_hub_lifecycle(instance->server->events, action, source, NULL);
}

void instance_set_state(struct instance *instance, enum instance_state state)
{
	const char *event = NULL;
	bool allowed = false;
	pthread_mutex_lock(&instance->lock);
	enum instance_state old = instance->state;
	for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++)
		if (transitions[i].from == old && transitions[i].to == state) {
			allowed = true;
			event = transitions[i].event;
		}
	/* LXD's names: killed from outside, or ended by its init. */
	if (event && state == INSTANCE_STOPPED)
		event = instance->kill_wanted ? "instance-stopped" : "instance-shutdown";
	if (allowed) {
		instance->state = state;
		pthread_cond_broadcast(&instance->changed);
	}
	pthread_mutex_unlock(&instance->lock);
	if (!allowed && old != state)
		log_event(LOG_LEVEL_WARNING, instance->name, "state %s to %s is not a transition",
			  states[old].name, states[state].name);
	if (!event)
		return;
	log_event(LOG_LEVEL_INFO, instance->name, "%s", event);
	instance_publish(instance, event);
}

static struct timespec deadline(int timeout)
{
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += timeout / 1000;
	end.tv_nsec += (timeout % 1000) * 1000000L;
	if (end.tv_nsec >= 1000000000L) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000L;
	}
	return end;
}

/* Waits on instance->changed with the lock held; false when the time is over. */
static bool wait_changed(struct instance *instance, const struct timespec *end)
{
	int result = end ? pthread_cond_timedwait(&instance->changed, &instance->lock, end)
			 : pthread_cond_wait(&instance->changed, &instance->lock);
	return result != ETIMEDOUT;
}

int instance_lock(struct instance *instance, const char *what, int timeout, struct error **error)
{
	struct timespec end = deadline(timeout);
	int result = 0;
	pthread_mutex_lock(&instance->lock);
	while (instance->busy && !instance->deleted)
		if (!wait_changed(instance, &end))
			break;
	if (instance->deleted)
		result = error_set(error, ERROR_NOT_FOUND, "Instance not found: \"%s\" was deleted",
				   instance->name);
	else if (instance->busy)
		result = error_set(error, ERROR_BUSY, "Instance is busy running a \"%s\" operation",
				   instance->busy);
	else
		instance->busy = what;
	pthread_mutex_unlock(&instance->lock);
	return result;
}

void instance_unlock(struct instance *instance)
{
	pthread_mutex_lock(&instance->lock);
	instance->busy = NULL;
	pthread_cond_broadcast(&instance->changed);
	pthread_mutex_unlock(&instance->lock);
}

static bool is_down(enum instance_state state)
{
	return state == INSTANCE_STOPPED || state == INSTANCE_ERROR;
}

int instance_wait_stopped(struct instance *instance, int timeout, struct error **error)
{
	struct timespec end = deadline(timeout < 0 ? 0 : timeout);
	int result = 0;
	pthread_mutex_lock(&instance->lock);
	while (!is_down(instance->state))
		if (!wait_changed(instance, timeout < 0 ? NULL : &end) &&
		    !is_down(instance->state)) {
			result = error_set(error, ERROR_TIMEOUT,
					   "%s did not stop within %d s (its init may ignore the "
					   "signal): stop it with --force",
					   instance->name, timeout / 1000);
			break;
		}
	pthread_mutex_unlock(&instance->lock);
	return result;
}

void instance_wait_started(struct instance *instance, int timeout)
{
	struct timespec end = deadline(timeout);
	pthread_mutex_lock(&instance->lock);
	while (instance->state == INSTANCE_STARTING && wait_changed(instance, &end))
		;
	pthread_mutex_unlock(&instance->lock);
}

int instance_check_running(struct instance *instance, struct error **error)
{
	enum instance_state state = instance_get_state(instance);
	if (state == INSTANCE_FROZEN)
		return error_set(error, ERROR_INVALID, "The instance is frozen: resume it first");
	if (state == INSTANCE_RUNNING || state == INSTANCE_STOPPING)
		return 0;
	cleanup_free char *why = instance_explain_end(instance);
	return error_set(error, ERROR_INVALID, "The instance is not running%s%s", why ? ": " : "",
			 why ? why : "");
}

char *instance_run_directory(const struct instance *instance)
{
	return memory_printf("%s/instances/%s", instance->server->paths.run, instance->name);
}

char *instance_cgroup_path(const struct instance *instance)
{
	return memory_printf("%s/%s", instance->server->paths.cgroup, instance->name);
}

char *instance_log_directory(const struct instance *instance)
{
	return memory_printf("%s/%s", instance->server->paths.log, instance->name);
}
