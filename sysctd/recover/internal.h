/* What the files of recover/ share. */
#ifndef SYSCT_RECOVER_INTERNAL_H
#define SYSCT_RECOVER_INTERNAL_H

#include <pthread.h>
#include <stdint.h>

#include "db/images.h"
#include "db/layers.h"
#include "db/objects.h"
#include "db/snapshots.h"
#include "db/volumes.h"
#include "recover/recover.h"
#include "storage/storage.h"

#define POOLS_FILE "pools.yaml"

struct recovery {
	struct server *server;
	char *identity;		    /* of the database */
	pthread_mutex_t recovering; /* held while pools are searched */
	pthread_t thread;
	bool runs;
	json_t *written; /* of the thread: {"KIND-ID": {pool, path}} */

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake, settled;
	uint64_t asked, done; /* changes that were told, and that are written */
	unsigned hurry;	      /* how many wait for it */
	bool all, stopping;
	json_t *lost; /* names of instances: {name: pool} */
};

/* All that there is is looked at again. */
void recovery_refresh(struct recovery *recovery);

/* What was changed before is written when it returns; false: the daemon stops. */
bool recovery_settle(void *data);

/* ---- descriptions (describe.c): YAML, which the caller frees ---- */

char *describe_instance(struct server *server, const struct instance_row *row,
			struct error **error);
char *describe_volume(struct server *server, const struct volume_row *row, struct error **error);
char *describe_image(const struct image_row *row, struct error **error);
char *describe_pools(const struct object_list *pools, struct error **error);

/* Names of their files. */
char *describe_instance_file(const char *uuid);
char *describe_volume_file(const char *name);
char *describe_image_file(const char *fingerprint);

/* ---- what a description says (item.c) ---- */

enum recover_kind { RECOVER_IMAGE, RECOVER_VOLUME, RECOVER_INSTANCE };

struct recover_layer {
	struct layer_row row;
	size_t parent; /* its index; one that is above nothing has its own */
};

struct recover_snapshot {
	struct snapshot_row row;     /* name, description, times */
	struct instance_row content; /* what the instance was; of a volume its config */
	size_t layer;
};

struct recover_item {
	enum recover_kind kind;
	char *pool;
	char *file;	    /* path of the description */
	int64_t changed_at; /* of that file */
	bool foreign;	    /* it is of another database */
	struct instance_row instance;
	struct volume_row volume;
	struct image_row image;
	struct recover_layer *layers; /* each after the one below it */
	size_t layer_count;
	size_t layer; /* that is written into */
	struct recover_snapshot *snapshots;
	size_t snapshot_count;
	json_t *profiles; /* [{name, description, config, devices}] as they were */
	char *problem;	  /* why it cannot be recovered */
};

const char *recover_kind_to_string(enum recover_kind kind); /* LXD's: "container" */
const char *recover_item_name(const struct recover_item *item);

/**
 * recover_item_parse - take a description apart.
 * ERROR_INVALID says what is wrong. recover_item_clear() in every case.
 */
int recover_item_parse(struct recover_item *item, const char *pool, const char *text,
		       struct error **error);
void recover_item_clear(struct recover_item *item);

/* ---- what lies in pools (search.c) ---- */

struct recover_pool {
	struct object_row row;
	bool known;			   /* by the database */
	struct pool_attachment attachment; /* to be undone, unless it is taken */
	char *problem;			   /* why it cannot be recovered */
	json_t *was; /* what another database said of one that is known; NULL: nothing */
};

struct recover_set {
	struct recover_pool *pools;
	size_t pool_count;
	struct recover_item *items; /* images, volumes, instances */
	size_t count;
	json_t *known; /* {"FILE": true} of instances, {"POOL/FILE": true} of all that has a row */
	json_t *tried; /* {pool: true}, that cannot be reached */
	json_t *problems; /* [sentence] */
	json_t *missing;  /* [sentence]: what the database must have first */
	json_t *differ;	  /* {profile: true}, that are not what they were */
};

/* recover_set_clear() in every case; pools that were not taken are unmounted. */
int recover_set_fill(struct recover_set *set, struct server *server, const json_t *pools,
		     bool search, struct error **error);
void recover_set_clear(struct recover_set *set, struct server *server);

/* Marks what is in the way: item->problem, set->missing (check.c). */
int recover_set_check(struct recover_set *set, struct server *server, struct error **error);

/* Where the directory of a layer is, which may have been on its way: ".new-", ".del-". NULL: it is gone.
 * The caller frees it. */
char *recover_layer_place(struct server *server, const char *pool, const char *directory);

/* Makes a row of one (import.c). */
int recover_item_import(struct recover_item *item, struct server *server, struct error **error);

#endif
