/*
 * The tables of handlers, one for each file, ended by an empty row. main.c
 * gives them to api_server_start(); /1.0/events and /1.0/operations are always there.
 */
#ifndef SYSCT_API_ROUTES_H
#define SYSCT_API_ROUTES_H

#include "api/router.h"

extern const struct route server_info_routes[];
extern const struct route resources_routes[];
extern const struct route image_routes[];
extern const struct route image_alias_routes[];
extern const struct route profile_routes[];
extern const struct route storage_pool_routes[];
extern const struct route storage_volume_routes[];
extern const struct route storage_volume_change_routes[];
extern const struct route storage_volume_snapshot_routes[];
extern const struct route recover_routes[];
extern const struct route network_routes[];
extern const struct route network_forward_routes[];
extern const struct route network_zone_routes[];
extern const struct route network_zone_record_routes[];
extern const struct route network_acl_routes[];

extern const struct route instance_routes[];
extern const struct route instance_create_routes[];
extern const struct route instance_change_routes[];
extern const struct route instance_snapshot_routes[];
extern const struct route backup_routes[];
extern const struct route instance_state_routes[];
extern const struct route instance_log_routes[];
extern const struct route metadata_routes[];
extern const struct route exec_routes[];
extern const struct route console_routes[];

#endif
