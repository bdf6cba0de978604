/* What the files of sysctd/db share: the object, readers, maps. Internal to sysctd/db. */
#ifndef SYSCT_DB_INTERNAL_H
#define SYSCT_DB_INTERNAL_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/changes.h"
#include "db/db.h"
#include "db/query.h"
#include "error.h"

enum { DB_READERS = 4 };

struct db {
	char *path;

	/* Held by the thread whose transaction is open. */
	pthread_mutex_t writer_lock;
	struct connection writer;
	_Atomic uintptr_t owner; /* that thread, 0 for none */
	unsigned int depth;
	bool must_sync;
	int64_t changes_before;

	/* Which commits are on the disk: transaction.c. */
	pthread_mutex_t sync_lock;
	int log_fd;
	_Atomic uint64_t committed;
	uint64_t synced;
	int sync_errno;

	pthread_mutex_t readers_lock;
	pthread_cond_t reader_free;
	struct connection readers[DB_READERS]; /* opened when first needed */
	bool reader_busy[DB_READERS];

	struct {
		struct change_list noted; /* of the writer, until its commit */
		pthread_mutex_t lock;	  /* of what follows */
		struct change_list told;
		void (*wake)(void *data); /* set before others use the database */
		void *data;
	} changes;
};

/* Tells what the writer noted, whose transaction is at its end. */
void changes_publish(struct db *db);
void changes_clear(struct db *db);

/**
 * db_end - commit when @result is 0, else roll back.
 * Lets a function be `if (db_begin()) return -1; return db_end(db, change(), error);`
 */
int db_end(struct db *db, int result, struct error **error);

/* Whether the calling thread has a transaction open. */
bool db_in_transaction(const struct db *db);

/* A connection that sees one state of the database as long as the reader is open. */
struct reader {
	struct db *db;
	struct connection *connection;
	int slot; /* -1: the writer, in a transaction of this thread */
};

#define cleanup_reader __attribute__((cleanup(reader_close)))

/* A thread has one reader at a time, or all threads could wait for each other. */
int reader_open(struct db *db, struct reader *reader, struct error **error);
void reader_close(struct reader *reader);

/* What the query @sql finds of times after @after, its ?1, first; *time is 0 when there is none. */
int db_next_time(struct db *db, const char *sql, int64_t after, int64_t *time,
		 struct error **error);

/*
 * Maps of a row that are kept in a table of their own. A query whose first
 * column is the owner's id fills them: with two columns an array of texts, with
 * three an object, with four an object of objects.
 */
struct map_owner {
	int64_t id;
	json_t *map; /* borrowed */
};

/* Sorts @owners by id; rows of other owners are ignored. */
int maps_load(struct connection *connection, const char *sql, const struct value *values,
	      size_t value_count, struct map_owner *owners, size_t count, struct error **error);

/* Replaces the rows of an owner. @delete takes the id; @insert id, key, value; NULL is empty. */
int map_store(struct connection *connection, const char *delete, const char *insert, int64_t id,
	      const json_t *map, struct error **error);

/* The same for an object of objects: @insert takes id, name, key, value. */
int device_map_store(struct connection *connection, const char *delete, const char *insert,
		     int64_t id, const json_t *devices, struct error **error);

/* "a, b and c", or "a, b, c and 5 more" for a sentence; the caller frees it. */
char *names_join(const json_t *names);

/* INSERT's row id. */
int64_t connection_last_id(const struct connection *connection);

/* Rows that the last statement changed. */
bool connection_changed_a_row(const struct connection *connection);

#endif
