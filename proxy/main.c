/* See proxy.h: the arguments, and the order of what is done. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "proxy/proxy.h"

static unsigned number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

static int take_listen(struct proxy *proxy, const char *value, struct error **error)
{
	return proxy_address_parse(value, &proxy->listen, error);
}

static int take_connect(struct proxy *proxy, const char *value, struct error **error)
{
	return proxy_address_parse(value, &proxy->connect, error);
}

static int take_bind(struct proxy *proxy, const char *value, struct error **error)
{
	(void)error;
	proxy->in_instance = strcmp(value, "instance") == 0;
	return 0;
}

static int take_header(struct proxy *proxy, const char *value, struct error **error)
{
	(void)error;
	proxy->header = strcmp(value, "true") == 0;
	return 0;
}

static int take_remove(struct proxy *proxy, const char *value, struct error **error)
{
	(void)error;
	proxy->remove = strcmp(value, "true") == 0;
	return 0;
}

static int take_mode(struct proxy *proxy, const char *value, struct error **error)
{
	(void)error;
	proxy->mode = (mode_t)strtoul(value, NULL, 8);
	return 0;
}

#define TAKE_ID(field)                                                                             \
	static int take_##field(struct proxy *proxy, const char *value, struct error **error)      \
	{                                                                                          \
		(void)error;                                                                       \
		proxy->field = number(value);                                                      \
		return 0;                                                                          \
	}
TAKE_ID(uid)
TAKE_ID(gid)
TAKE_ID(run_uid)
TAKE_ID(run_gid)

static const struct {
	const char *key;
	int (*take)(struct proxy *proxy, const char *value, struct error **error);
} keys[] = {
	{"listen=", take_listen},   {"connect=", take_connect},
	{"bind=", take_bind},	    {"mode=", take_mode},
	{"uid=", take_uid},	    {"gid=", take_gid},
	{"run_uid=", take_run_uid}, {"proxy_protocol=", take_header},
	{"remove=", take_remove},   {"run_gid=", take_run_gid},
};

static int take(struct proxy *proxy, const char *argument, struct error **error)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t length = strlen(keys[i].key);
		if (strncmp(argument, keys[i].key, length) == 0)
			return keys[i].take(proxy, argument + length, error);
	}
	return error_set(error, ERROR_INVALID, "sysct-proxy does not know \"%s\"", argument);
}

void proxy_report(struct error *error)
{
	char text[1024] = "ready";
	if (error)
		snprintf(text, sizeof(text), "%s %s", error_kind_to_string(error->kind),
			 error->message);
	/* A monitor that is gone is noticed by its end of the socket. */
	if (send(PROXY_CONTROL, text, strlen(text), MSG_NOSIGNAL) < 0)
		_exit(1);
	error_free(error);
}

static void control_ready(struct event_source *source, uint32_t events)
{
	(void)source;
	(void)events;
	_exit(0);
}

static int prepare(struct proxy *proxy, char **arguments, struct error **error)
{
	for (; *arguments; arguments++)
		if (take(proxy, *arguments, error) < 0)
			return -1;
	if (proxy->listen.count == 0 || (proxy->connect.count == 0 && !proxy->remove))
		return error_set(error, ERROR_INVALID, "listen and connect are needed");
	if (proxy->remove)
		return listeners_remove(proxy, error);
	if (confine_prepare(proxy, error) < 0 || listeners_open(proxy, error) < 0 ||
	    confine(proxy, error) < 0)
		return -1;
	close(PROXY_PIDFD);
	close(proxy->empty);
	if (event_loop_init(&proxy->loop) < 0)
		return error_errno(error, errno, "making an event loop");
	return proxy->listen.kind == PROXY_UDP ? datagrams_start(proxy, error)
					       : streams_start(proxy, error);
}

static int run(char **arguments)
{
	struct proxy proxy = {.name = arguments[0], .mode = 0644};
	struct event_source control = {PROXY_CONTROL, control_ready, NULL};
	struct error *error = NULL;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	if (prepare(&proxy, arguments + 1, &error) == 0 && !proxy.remove &&
	    event_loop_add(&proxy.loop, &control, EPOLLIN) < 0)
		error_errno(&error, errno, "watching the monitor");
	bool failed = error;
	proxy_report(error);
	if (failed || proxy.remove)
		return failed ? 1 : 0;
	event_loop_run(&proxy.loop);
	return 1;
}

int main(int argc, char **argv)
{
	struct stat status;
	if (argc < 4 || fstat(PROXY_CONTROL, &status) < 0 || fstat(PROXY_PIDFD, &status) < 0) {
		static const char usage[] =
			"sysct-proxy: started by sysct-monitor for a proxy device\n";
		return file_write_all(STDERR_FILENO, usage, sizeof(usage) - 1) < 0 ? 3 : 2;
	}
	return run(argv + 1);
}
