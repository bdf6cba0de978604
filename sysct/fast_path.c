/* See fast_path.h. */
#include "fast_path.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "lib/message.h"

static int upgrade(struct http_client *http, const char *path, const json_t *body,
		   struct error **error)
{
	cleanup_free char *text = json_dumps(body, JSON_COMPACT);
	if (!text)
		return error_set(error, ERROR_INVALID, "the command line is not UTF-8");
	struct http_request request = {
		.method = "POST",
		.path = path,
		.headers = "Connection: Upgrade\r\nUpgrade: sysct-fd\r\n"
			   "Content-Type: application/json\r\n",
		.body = text,
		.length = strlen(text),
	};
	cleanup_response struct http_response response = {0};
	if (http_client_request(http, &request, &response, error) < 0)
		return -1;
	if (response.status == 101)
		return 0;
	if (response.status >= 400)
		return client_response_error(&response, error);
	return error_set(error, ERROR_UNSUPPORTED,
			 "the daemon does not take descriptors (status %d)", response.status);
}

static int send_fds(int socket, const struct fast_path_fd *fds, size_t count, int control,
		    struct error **error)
{
	int numbers[FAST_PATH_MAX + 1];
	cleanup_json json_t *names = json_array();
	for (size_t i = 0; i < count; i++) {
		numbers[i] = fds[i].fd;
		json_array_append_new(names, json_string(fds[i].name));
	}
	numbers[count] = control;
	json_array_append_new(names, json_string("control"));
	cleanup_json json_t *body = json_pack("{s:O}", "fds", names);
	return message_send(socket, body, numbers, count + 1, error);
}

int fast_path_open(struct cli *cli, const char *path, const json_t *body,
		   const struct fast_path_fd *fds, size_t count, struct error **error)
{
	int pair[2];
	struct http_client *http = client_http(cli_client(cli));
	if (count > FAST_PATH_MAX)
		return error_set(error, ERROR_INTERNAL, "too many descriptors");
	if (upgrade(http, path, body, error) < 0) {
		cli->unreachable = http_client_fd(http) < 0;
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(error, errno, "creating the control socket");
	cleanup_close int ours = pair[0];
	cleanup_close int theirs = pair[1];
	if (send_fds(http_client_fd(http), fds, count, theirs, error) < 0)
		return -1;
	client_free(cli->client);
	cli->client = NULL;
	return steal_fd(&ours);
}
