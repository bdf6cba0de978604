/* The groups of the table of commands, in the order of --help and the man page. */
#include "groups.h"

const struct command_group *const command_groups[] = {
	&group_create,	    &group_state,	   &group_exec,
	&group_snapshot,    &group_backup,	   &group_list,
	&group_info,	    &group_config,	   &group_device,
	&group_profile,	    &group_profile_device, &group_image,
	&group_storage,	    &group_storage_volume, &group_storage_volume_attach,
	&group_storage_volume_backup,
	&group_network,	    &group_forward,	   &group_zone,
	&group_network_acl, &group_operation,	   &group_monitor,
	&group_query,	    &group_internal,	   NULL,
};
