/* The groups of commands; each stands in the file named beside it. */
#ifndef SYSCT_GROUPS_H
#define SYSCT_GROUPS_H

#include "command.h"

extern const struct command_group group_create;		       /* cmd_launch.c */
extern const struct command_group group_state;		       /* cmd_instance.c */
extern const struct command_group group_list;		       /* cmd_list.c */
extern const struct command_group group_info;		       /* cmd_info.c */
extern const struct command_group group_exec;		       /* cmd_exec.c */
extern const struct command_group group_snapshot;	       /* cmd_snapshot.c */
extern const struct command_group group_backup;		       /* cmd_backup.c */
extern const struct command_group group_config;		       /* cmd_config.c */
extern const struct command_group group_device;		       /* cmd_device.c */
extern const struct command_group group_profile;	       /* cmd_profile.c */
extern const struct command_group group_profile_device;	       /* cmd_device.c */
extern const struct command_group group_image;		       /* cmd_image.c */
extern const struct command_group group_storage;	       /* cmd_storage.c */
extern const struct command_group group_storage_volume;	       /* cmd_storage_volume.c */
extern const struct command_group group_storage_volume_attach; /* cmd_storage_volume_attach.c */
extern const struct command_group group_storage_volume_backup; /* cmd_storage_volume_backup.c */
extern const struct command_group group_network;	       /* cmd_network.c */
extern const struct command_group group_forward;	       /* cmd_network_forward.c */
extern const struct command_group group_zone;		       /* cmd_network_zone.c */
extern const struct command_group group_network_acl;	       /* cmd_network_acl.c */
extern const struct command_group group_operation;	       /* cmd_operation.c */
extern const struct command_group group_admin;		       /* cmd_admin.c */
extern const struct command_group group_monitor;	       /* cmd_monitor.c */
extern const struct command_group group_query;		       /* cmd_query.c */
extern const struct command_group group_internal;	       /* cmd_internal.c */

#endif
