/*
 * Snapshots of instances: each keeps a layer (branch.h), and what the instance was. To restore one is
 * to give the instance an empty layer above the one that the snapshot keeps.
 */
#ifndef SYSCT_INSTANCE_SNAPSHOTS_H
#define SYSCT_INSTANCE_SNAPSHOTS_H

#include "db/layers.h"
#include "db/snapshots.h"
#include "instance/instance.h"
#include "storage/storage.h"

struct snapshot_request {
	const char *name; /* "" or NULL: by snapshots.pattern */
	const char *description;
	bool replace;	    /* one of that name, in the same transaction */
	bool scheduled;	    /* by the clock: snapshots.expiry.manual is not for it */
	int64_t expires_at; /* nanoseconds since the epoch; 0: never; -1: as the configuration says */
};

/**
 * instance_snapshot - take one.
 * @taken: its row, to be cleared. On failure nothing is left, and the instance goes on as before.
 */
int instance_snapshot(struct instance *instance, const struct snapshot_request *request,
		      struct snapshot_row *taken, struct error **error);

/* Configuration, devices, profiles and files are again what they were; one that runs is ended at
 * once before, and started again. What its lock finds is either the old or the new state. */
int instance_restore(struct instance *instance, const char *name, struct error **error);

/* Stores description and expires_at of the row. */
int instance_snapshot_update(struct instance *instance, const struct snapshot_row *row,
			     struct error **error);
int instance_snapshot_rename(struct instance *instance, const char *name, const char *new_name,
			     struct error **error);
int instance_snapshot_delete(struct instance *instance, const char *name, struct error **error);

/* ---- between its files ---- */

/* Makes a layer beside @top with what the instance has in that one, of a single instant also while it
 * runs; then storage_layer_commit(), or storage_layer_abort(). */
int snapshot_copy(struct instance *instance, const struct layer_place *place,
		  const struct layer_row *top, bool running, struct error **error);

/* "/1.0/instances/NAME/snapshots/SNAPSHOT" lifecycle event; "instance-snapshot-created". */
void snapshot_publish(struct instance *instance, const char *action, const char *name);

#endif
