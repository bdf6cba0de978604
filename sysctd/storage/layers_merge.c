/* Two stacked layers as a third one (layer_merge.h), by the crash rule of storage.h. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cleanup.h"
#include "fault.h"
#include "memory.h"
#include "storage/internal.h"
#include "storage/layer_merge.h"
#include "storage/project.h"

static int open_upper(const char *path, struct error **error)
{
	cleanup_free char *upper = memory_printf("%s/upper", path);
	int fd = open(upper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_errno(error, errno, "opening %s", upper) : fd;
}

static int fill(struct storage *storage, const char *target, const struct layer_row *lower,
		const struct layer_row *upper, const atomic_bool *stop, struct error **error)
{
	cleanup_free char *lower_path = storage_layer_path(storage, lower);
	cleanup_free char *upper_path = storage_layer_path(storage, upper);
	cleanup_close int from_lower = open_upper(lower_path, error);
	cleanup_close int from_upper = from_lower < 0 ? -1 : open_upper(upper_path, error);
	cleanup_close int to = from_upper < 0 ? -1 : open_upper(target, error);
	if (to < 0 || layer_merge(from_lower, from_upper, to, stop, error) < 0)
		return -1;
	fault_point("merge.filled");
	/* Else a loss of power would leave a hole, with both gone. */
	return syncfs(to) < 0 ? error_errno(error, errno, "writing to the disk") : 0;
}

int storage_layers_merge(struct storage *storage, const struct layer_place *place,
			 const struct layer_row *lower, const struct layer_row *upper,
			 const atomic_bool *stop, struct error **error)
{
	cleanup_free char *target = storage_new_path(storage, place->pool, place->directory);
	cleanup_free char *from = storage_layer_path(storage, upper);
	if (storage_layer_above(storage, place, upper, upper->id_base, error) < 0)
		return -1;
	/* Files of two projects are linked into it. */
	if (project_note(target, from, error) == 0 &&
	    fill(storage, target, lower, upper, stop, error) == 0)
		return 0;
	storage_layer_abort(storage, place->pool, place->directory);
	return -1;
}
