/*
 * sysctd: options, the directories, one of each subject, and the wait for a
 * signal. Everything that a start does is in serve(), in order.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/close_range.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/http.h"
#include "api/routes.h"
#include "backup/backup.h"
#include "cleanup.h"
#include "config.h"
#include "db/db.h"
#include "events.h"
#include "file.h"
#include "host.h"
#include "image/image.h"
#include "instance/instance.h"
#include "instance/disks.h"
#include "instance/merger.h"
#include "instance/proxies.h"
#include "instance/scheduler.h"
#include "listener.h"
#include "log.h"
#include "lxcfs.h"
#include "memory.h"
#include "network/network.h"
#include "network/nic.h"
#include "operation.h"
#include "recover/recover.h"
#include "runtime/cgroup.h"
#include "runtime/seccomp_filter.h"
#include "server.h"
#include "storage/storage.h"
#include "storage/usage.h"
#include "volume/volume.h"

enum { STOP_TIMEOUT = 10000 };

struct options {
	const char *group;
	bool debug;
};

static const struct route *const routes[] = {
	server_info_routes,
	resources_routes,
	instance_routes,
	instance_create_routes,
	instance_change_routes,
	instance_snapshot_routes,
	backup_routes,
	instance_state_routes,
	exec_routes,
	console_routes,
	image_routes,
	image_alias_routes,
	profile_routes,
	storage_pool_routes,
	storage_volume_routes,
	storage_volume_change_routes,
	storage_volume_snapshot_routes,
	instance_log_routes,
	metadata_routes,
	recover_routes,
	network_routes,
	network_forward_routes,
	network_zone_routes,
	network_zone_record_routes,
	network_acl_routes,
	NULL,
};

static void print_usage(FILE *out)
{
	fputs("Usage: sysctd [OPTIONS]\n"
	      "The daemon of sysct; it runs in the foreground. See sysctd(8).\n\n"
	      "  -g, --group=NAME  group that may use the socket (default: sysct, where it "
	      "exists)\n"
	      "  -d, --debug       log more\n"
	      "      --version     print the version\n"
	      "  -h, --help        this text\n\n"
	      "Environment:\n"
	      "  SYSCT_DIR         one directory for everything of this daemon\n",
	      out);
}

/* -1 to go on, else the exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option long_options[] = {
		{"group", required_argument, NULL, 'g'},
		{"debug", no_argument, NULL, 'd'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	for (int c; (c = getopt_long(argc, argv, "g:dh", long_options, NULL)) != -1;) {
		switch (c) {
		case 'g':
			options->group = optarg;
			break;
		case 'd':
			options->debug = true;
			break;
		case 'V':
			puts("sysctd " PACKAGE_VERSION);
			return 0;
		case 'h':
			print_usage(stdout);
			return 0;
		default:
			fputs("Try 'sysctd --help'.\n", stderr);
			return 2;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "sysctd: unexpected argument \"%s\"\nTry 'sysctd --help'.\n", argv[optind]);
	return 2;
}

static int make_directories(struct server *server, struct error **error)
{
	const char *const directories[] = {server->paths.state, server->paths.run,
					   server->paths.log};
	for (size_t i = 0; i < 3; i++)
		if (file_make_directories(directories[i], 0711, error) < 0)
			return -1;
	cleanup_free char *instances = memory_printf("%s/instances", server->paths.run);
	cleanup_free char *kind = memory_printf("%s/container-manager", server->paths.run);
	if (file_make_directories(instances, 0700, error) < 0)
		return -1;
	/* What systemd and others look for in /run/host (CONTAINER_INTERFACE of systemd). */
	return file_replace_at(AT_FDCWD, kind, "lxc\n", 4, 0644, false, error);
}

/* flock(2) on a file in the state directory: gone with the process, however it ends. */
static int lock_state(struct server *server, struct error **error)
{
	cleanup_free char *path = memory_printf("%s/lock", server->paths.state);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(error, errno, "opening %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	close(fd);
	return error_set(
		error, ERROR_BUSY,
		"another sysctd uses %s: stop it, or choose another directory with SYSCT_DIR",
		server->paths.state);
}

/* Where a cleaner finds this daemon's control groups, relative to each hierarchy. */
static int prepare_cgroups(struct server *server, struct error **error)
{
	cleanup_free char *path = memory_printf("%s/cgroup", server->paths.state);
	cleanup_free char *text = memory_printf("%s\n", server->paths.cgroup);
	if (file_replace_at(AT_FDCWD, path, text, strlen(text), 0644, false, error) < 0)
		return -1;
	return cgroup_prepare(server->paths.cgroup, error);
}

static int prepare_host(struct server *server, struct error **error)
{
	server->seccomp = memory_printf("%s/seccomp.bpf", server->paths.run);
	server->seccomp_ask = memory_printf("%s/seccomp-sysinfo.bpf", server->paths.run);
	host_raise_limits();
	if (prepare_cgroups(server, error) < 0 ||
	    seccomp_filter_write(server->seccomp, false, error) < 0 ||
	    seccomp_filter_write(server->seccomp_ask, true, error) < 0)
		return -1;
	return host_read_id_pool(&server->ids, error);
}

static int open_data(struct server *server, struct error **error)
{
	cleanup_free char *path = memory_printf("%s/sysct.db", server->paths.state);
	server->db = db_open(path, error);
	if (!server->db || db_seed(server->db, error) < 0)
		return -1;
	server->storage = storage_create(server->paths.state, error);
	server->recovery = server->storage ? recovery_create(server, error) : NULL;
	if (!server->recovery || storage_repair(server, error) < 0 ||
	    backups_repair(server, error) < 0)
		return -1;
	server->usage = usage_counter_create(server, error);
	return server->usage ? 0 : -1;
}

static int make_subjects(struct server *server, struct error **error)
{
	server->events = event_hub_create();
	server->operations = operation_manager_create(server->events, error);
	server->backup_names = backup_names_create();
	if (!server->operations)
		return -1;
	server->images = image_builder_create(server, error);
	if (!server->images || image_repair(server, error) < 0)
		return -1;
	server->networks = networks_create(server, error);
	if (!server->networks)
		return -1;
	server->lxcfs = lxcfs_create(server);
	server->instances = instance_registry_create(server, error);
	if (!server->instances || instance_registry_load(server, error) < 0)
		return -1;
	proxies_note(server);
	nics_sweep(server);
	proxies_refresh(server);
	disks_refresh(server);
	volumes_limit(server);
	instances_limit_roots(server);
	networks_seed(server);
	if (recovery_start(server->recovery, error) < 0)
		return -1;
	server->scheduler = scheduler_create(server, error);
	server->merger = server->scheduler ? merger_create(server, error) : NULL;
	/* Who has changed layers meanwhile, as an instance that had ended, could not do that. */
	merger_wake(server->merger);
	return server->merger ? 0 : -1;
}

static int start_api(struct server *server, int listener, struct error **error)
{
	struct api_config config = {
		.listen_fd = listener,
		.routes = routes,
		.server = server,
		.operations = server->operations,
		.events = server->events,
	};
	server->api = api_server_start(&config, error);
	return server->api ? 0 : -1;
}

static void wait_for_signal(int signals)
{
	struct signalfd_siginfo info;
	while (read(signals, &info, sizeof(info)) < 0 && errno == EINTR)
		;
}

/* Instances go on; only what belongs to this process ends. */
static int shut_down(struct server *server)
{
	log_event(LOG_LEVEL_INFO, NULL, "stopping; %u instances go on",
		  instance_count_running(server));
	scheduler_stop(server->scheduler);
	merger_stop(server->merger);
	if (operation_manager_stop(server->operations, STOP_TIMEOUT) < 0 ||
	    api_server_stop(server->api, STOP_TIMEOUT) < 0) {
		log_event(LOG_LEVEL_WARNING, NULL, "operations still run; the next start repairs");
		_exit(0);
	}
	bool idle = instance_count_running(server) == 0;
	instance_registry_free(server->instances);
	merger_free(server->merger);
	networks_free(server->networks, idle);
	lxcfs_free(server->lxcfs, idle);
	image_builder_free(server->images);
	operation_manager_free(server->operations);
	scheduler_free(server->scheduler);
	backup_names_free(server->backup_names);
	event_hub_free(server->events);
	usage_counter_free(server->usage);
	recovery_stop(server->recovery);
	storage_stop(server->storage);
	if (idle)
		storage_pools_unmount(server);
	storage_free(server->storage);
	recovery_free(server->recovery);
	db_close(server->db);
	if (idle)
		cgroup_unprepare(server->paths.cgroup);
	return 0;
}

static int serve(struct server *server, const struct options *options, int signals,
		 struct error **error)
{
	if (make_directories(server, error) < 0)
		return -1;
	cleanup_close int lock = lock_state(server, error);
	if (lock < 0 || prepare_host(server, error) < 0 || open_data(server, error) < 0 ||
	    make_subjects(server, error) < 0)
		return -1;
	cleanup_close int listener = listener_open(server->paths.socket, options->group, error);
	if (listener < 0 || start_api(server, listener, error) < 0)
		return -1;
	server->started_at = db_now();
	log_event(LOG_LEVEL_INFO, NULL, "sysctd " PACKAGE_VERSION " serves %s",
		  server->paths.socket);
	listener_notify_ready();
	instances_autostart(server);
	wait_for_signal(signals);
	listener_remove(server->paths.socket);
	return shut_down(server);
}

static int block_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

int main(int argc, char **argv)
{
	struct options options = {.group = NULL};
	struct server server = {0};
	cleanup_error struct error *error = NULL;
	int status = parse_options(argc, argv, &options);
	if (status >= 0)
		return status;
	/* What was inherited by mistake must not reach monitors and templates. */
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	/* Threads come and go with requests: a heap for each would only grow. */
	mallopt(M_ARENA_MAX, 2);
	umask(022);
	log_open(options.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (geteuid() != 0) {
		log_event(LOG_LEVEL_ERROR, NULL, "sysctd must be run by root");
		return 1;
	}
	paths_init(&server.paths);
	server.libexec = host_program_directory("SYSCT_LIBEXEC", SYSCT_LIBEXECDIR);
	server.templates = host_program_directory("SYSCT_TEMPLATES", SYSCT_TEMPLATEDIR);
	if (serve(&server, &options, block_signals(), &error) < 0) {
		log_event(LOG_LEVEL_ERROR, NULL, "%s", error_message(error));
		return 1;
	}
	paths_free(&server.paths);
	free(server.libexec);
	free(server.templates);
	free(server.seccomp);
	free(server.seccomp_ask);
	return 0;
}
