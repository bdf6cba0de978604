/* See message.h. */
#include "message.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"

void message_clear(struct message *message)
{
	json_decref(message->body);
	for (size_t i = 0; i < message->fd_count; i++)
		if (message->fds[i] >= 0)
			close(message->fds[i]);
	*message = (struct message){0};
}

int message_take_fd(struct message *message, size_t index)
{
	return index < message->fd_count ? steal_fd(&message->fds[index]) : -1;
}

static int wait_for(int socket, short events, int timeout)
{
	struct pollfd poll_fd = {.fd = socket, .events = events};
	int ready;
	do
		ready = poll(&poll_fd, 1, timeout);
	while (ready < 0 && errno == EINTR);
	return ready;
}

static ssize_t send_some(int socket, const char *bytes, size_t length, const int *fds, size_t count)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * MESSAGE_MAX_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec vector = {.iov_base = (void *)bytes, .iov_len = length};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
	if (count > 0) {
		memset(&control, 0, sizeof(control));
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		struct cmsghdr *rights = &control.align;
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(rights), fds, sizeof(int) * count);
	}
	return sendmsg(socket, &header, MSG_NOSIGNAL);
}

int message_send(int socket, const json_t *body, const int *fds, size_t fd_count,
		 struct error **error)
{
	cleanup_free char *text = json_dumps(body, JSON_COMPACT);
	if (!text || fd_count > MESSAGE_MAX_FDS)
		return error_set(error, ERROR_INTERNAL, "message cannot be encoded");
	uint32_t size = (uint32_t)strlen(text);
	cleanup_strbuf struct strbuf frame = {0};
	strbuf_append_bytes(&frame, &size, sizeof(size));
	strbuf_append_bytes(&frame, text, size);
	size_t sent = 0;
	while (sent < frame.length) {
		ssize_t count = send_some(socket, frame.text + sent, frame.length - sent, fds,
					  sent == 0 ? fd_count : 0);
		if (count >= 0)
			sent += (size_t)count;
		else if (errno == EAGAIN)
			wait_for(socket, POLLOUT, -1);
		else if (errno != EINTR)
			return error_errno(error, errno, "sending a message");
	}
	return 0;
}

static void keep_fds(struct message_reader *reader, struct msghdr *header)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
			if (reader->fd_count < MESSAGE_MAX_FDS)
				reader->fds[reader->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

/* Reads no further than the message that is under way, so that descriptors of
 * the next message are never taken for those of this one. */
static ssize_t receive_some(struct message_reader *reader, int socket, size_t wanted)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * MESSAGE_MAX_FDS)];
		struct cmsghdr align;
	} control;
	char chunk[4096];
	struct iovec vector = {chunk, wanted < sizeof(chunk) ? wanted : sizeof(chunk)};
	struct msghdr header = {.msg_iov = &vector,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	ssize_t count = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	if (count > 0) {
		keep_fds(reader, &header);
		strbuf_append_bytes(&reader->bytes, chunk, (size_t)count);
	}
	return count;
}

static size_t bytes_wanted(const struct message_reader *reader, uint32_t *size)
{
	if (reader->bytes.length < sizeof(*size))
		return sizeof(*size) - reader->bytes.length;
	memcpy(size, reader->bytes.text, sizeof(*size));
	return sizeof(*size) + *size - reader->bytes.length;
}

static int decode(struct message_reader *reader, uint32_t size, struct message *message,
		  struct error **error)
{
	json_error_t problem;
	*message = (struct message){.fd_count = reader->fd_count};
	memcpy(message->fds, reader->fds, sizeof(message->fds));
	reader->fd_count = 0;
	message->body = json_loadb(reader->bytes.text + sizeof(size), size, 0, &problem);
	strbuf_free(&reader->bytes);
	if (json_is_object(message->body))
		return 1;
	message_clear(message);
	return error_set(error, ERROR_INVALID, "broken message: %s", problem.text);
}

int message_reader_next(struct message_reader *reader, int socket, struct message *message,
			struct error **error)
{
	for (;;) {
		uint32_t size = 0;
		size_t wanted = bytes_wanted(reader, &size);
		if (size > MESSAGE_MAX_BYTES)
			return error_set(error, ERROR_INVALID, "message of %u bytes is too large",
					 size);
		if (wanted == 0)
			return decode(reader, size, message, error);
		ssize_t count = receive_some(reader, socket, wanted);
		if (count == 0)
			return -1;
		if (count < 0 && errno == EAGAIN)
			return 0;
		if (count < 0 && errno != EINTR)
			return error_errno(error, errno, "receiving a message");
	}
}

void message_reader_free(struct message_reader *reader)
{
	for (size_t i = 0; i < reader->fd_count; i++)
		close(reader->fds[i]);
	strbuf_free(&reader->bytes);
	reader->fd_count = 0;
}

int message_receive(int socket, struct message *message, int timeout, struct error **error)
{
	struct message_reader reader = {0};
	struct error *problem = NULL;
	int result;
	*message = (struct message){0};
	for (;;) {
		int ready = timeout < 0 ? 1 : wait_for(socket, POLLIN, timeout);
		if (ready <= 0) {
			result = error_set(error, ERROR_TIMEOUT, "no answer within %d ms", timeout);
			break;
		}
		result = message_reader_next(&reader, socket, message, &problem);
		if (result != 0)
			break;
		if (timeout < 0)
			wait_for(socket, POLLIN, -1);
	}
	message_reader_free(&reader);
	if (problem) {
		error_move(error, problem);
		return -1;
	}
	if (result < 0 && error && *error)
		return -1;
	return 0;
}

json_t *message_from_error(const struct error *error)
{
	return json_pack("{s:{s:s, s:i, s:s}}", "error", "kind",
			 error_kind_to_string(error ? error->kind : ERROR_INTERNAL), "errno",
			 error ? error->errnum : 0, "message", error_message(error));
}

int message_check_error(const json_t *body, struct error **error)
{
	const json_t *problem = json_object_get(body, "error");
	if (!problem)
		return 0;
	const char *message = json_string_value(json_object_get(problem, "message"));
	const char *kind = json_string_value(json_object_get(problem, "kind"));
	error_set(error, error_kind_from_string(kind), "%s", message ? message : "unknown error");
	if (error && *error)
		(*error)->errnum = (int)json_integer_value(json_object_get(problem, "errno"));
	return -1;
}
