/* A backup that is sent while it is made. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "backup/internal.h"
#include "cleanup.h"
#include "log.h"
#include "memory.h"
#include "server.h"

enum { PIPE_BYTES = 1 << 20 };

struct backup_stream {
	struct backup_owner owner;
	struct backup_source source;
	struct pack_process process;
	int output;
	bool open; /* the source */
};

static void ignore(void *data, uint64_t bytes)
{
	(void)data;
	(void)bytes;
}

static int start(struct backup_stream *stream, const struct backup_request *request,
		 struct error **error)
{
	int fds[2];
	stream->open = true;
	if (backup_source_open(&stream->source, &stream->owner, request, error) < 0)
		return -1;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(error, errno, "making a pipe");
	stream->output = fds[0];
	cleanup_close int input = fds[1];
	fcntl(input, F_SETPIPE_SZ, PIPE_BYTES);
	return pack_process_start(&stream->process, stream->owner.server, stream->source.request,
				  input, false, error);
}

struct backup_stream *backup_stream_open(const struct backup_owner *owner,
					 const struct backup_request *request, struct error **error)
{
	if (backup_check(owner, request, error) < 0)
		return NULL;
	struct backup_stream *stream = memory_alloc(sizeof(*stream));
	*stream = (struct backup_stream){
		.owner = backup_owner_copy(owner),
		.process = PACK_PROCESS_INIT,
		.output = -1,
	};
	if (start(stream, request, error) == 0)
		return stream;
	backup_stream_free(stream);
	return NULL;
}

ssize_t backup_stream_read(struct backup_stream *stream, void *bytes, size_t size)
{
	cleanup_error struct error *problem = NULL;
	ssize_t count;
	do
		count = read(stream->output, bytes, size);
	while (count < 0 && errno == EINTR);
	if (count > 0)
		return count;
	/* Its output has ended; whether all is well its status tells. */
	if (stream->process.pid == 0 ||
	    pack_process_wait(&stream->process, -1, ignore, NULL, &problem) == 0)
		return 0;
	log_event(LOG_LEVEL_ERROR, backup_owner_instance(&stream->owner), "%s",
		  error_message(problem));
	return -1;
}

void backup_stream_free(struct backup_stream *stream)
{
	pack_process_clear(&stream->process);
	if (stream->open)
		backup_source_close(&stream->source);
	if (stream->output >= 0)
		close(stream->output);
	backup_owner_clear(&stream->owner);
	free(stream);
}
