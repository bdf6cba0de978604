/*
 * launcher LOWER DIRECTORY BASE CGROUP: the floor that a launch and a boot are measured against.
 *
 * The least that starts a system container in the shape of DESIGN sections 5 and 6: clone3 with the
 * namespaces into a control group, id maps, an idmapped lower layer, an overlay whose upper is in
 * DIRECTORY, pivot_root, the mounts that systemd needs, a console that somebody reads, exec of
 * /sbin/init. No daemon, no database, no limits, no device rules, no seccomp. Ids are BASE to BASE + 65535.
 *
 * Prints "START EXEC PID": microseconds of CLOCK_MONOTONIC when it began and when init was
 * executed, and init's pid. Stays to read the console until init has ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *target, *type, *data;
	unsigned long flags;
} mounts[] = {
	{"/proc", "proc", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV},
	{"/sys", "sysfs", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV},
	{"/sys/fs/cgroup", "cgroup2", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV},
	{"/dev", "tmpfs", "mode=755,size=512k", MS_NOSUID},
	{"/dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", MS_NOSUID | MS_NOEXEC},
	{"/dev/shm", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV},
	{"/dev/mqueue", "mqueue", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV},
	{"/run", "tmpfs", "mode=755", MS_NOSUID | MS_NODEV},
};

static const char *const nodes[] = {"/dev/null",   "/dev/zero",	   "/dev/full",
				    "/dev/random", "/dev/urandom", "/dev/tty"};
enum { NODES = sizeof(nodes) / sizeof(nodes[0]) };

static const char *const hidden[] = {"/sys/kernel/debug", "/sys/kernel/tracing",
				     "/sys/kernel/config", "/sys/fs/fuse/connections"};

static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
				       {"/proc/self/fd/0", "/dev/stdin"},
				       {"/proc/self/fd/1", "/dev/stdout"},
				       {"/proc/self/fd/2", "/dev/stderr"},
				       {"pts/ptmx", "/dev/ptmx"}};

static void check(long result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "launcher: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000LL + time.tv_nsec / 1000;
}

static void poke(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	check(fd, path);
	check(write(fd, text, strlen(text)), path);
	close(fd);
}

static void bind_node(int tree, const char *target)
{
	int fd = open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	check(fd, target);
	close(fd);
	check(move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH), target);
}

static void read_only_sys(void)
{
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
	int net = open_tree(AT_FDCWD, "/sys/devices/virtual/net",
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	check(net, "/sys/devices/virtual/net");
	check(mount_setattr(AT_FDCWD, "/sys", 0, &attributes, sizeof(attributes)), "/sys");
	check(move_mount(net, "", AT_FDCWD, "/sys/devices/virtual/net", MOVE_MOUNT_F_EMPTY_PATH),
	      "/sys/devices/virtual/net");
}

static void make_world(const int *trees)
{
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].target, 0755);
		check(mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags,
			    mounts[i].data),
		      mounts[i].target);
	}
	for (size_t i = 0; i < NODES; i++)
		bind_node(trees[i], nodes[i]);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		check(symlink(links[i][0], links[i][1]), links[i][1]);
	bind_node(trees[NODES], "/dev/console");
	read_only_sys();
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		mount("none", hidden[i], "tmpfs", MS_RDONLY, "size=0k,nr_inodes=2,mode=555");
}

static void pivot(void)
{
	int root = open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	check(root, "binding the root");
	check(move_mount(root, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH), "binding the root");
	check(fchdir(root), "the root");
	check(syscall(SYS_pivot_root, ".", "."), "pivot_root");
}

static void loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	check(ioctl(fd, SIOCSIFFLAGS, &request), "the loopback interface");
	close(fd);
}

static void child(int go, const char *directory, const char *console)
{
	char *environment[] = {"container=lxc", "TERM=linux",
			       "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			       NULL};
	char *arguments[] = {"/sbin/init", NULL};
	int trees[NODES + 1];
	char byte;
	if (read(go, &byte, 1) != 1)
		exit(1);
	check(chdir(directory), directory);
	check(chdir("rootfs"), "rootfs");
	check(unshare(CLONE_NEWNS | CLONE_NEWCGROUP), "unshare");
	for (size_t i = 0; i <= NODES; i++)
		trees[i] = open_tree(AT_FDCWD, i < NODES ? nodes[i] : console,
				     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	check(setresgid(0, 0, 0), "setresgid");
	check(setresuid(0, 0, 0), "setresuid");
	check(setgroups(0, NULL), "setgroups");
	pivot();
	make_world(trees);
	check(umount2(".", MNT_DETACH), "the old root");
	check(chdir("/"), "/");
	loopback();
	sethostname("floor", 5);
	setsid();
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
	execve(arguments[0], arguments, environment);
	_exit(1);
}

static void write_maps(pid_t pid, unsigned int base)
{
	char path[64], map[64];
	snprintf(map, sizeof(map), "0 %u 65536\n", base);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
	poke(path, map);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
	poke(path, map);
}

static void set(int context, const char *key, const char *value)
{
	check(fsconfig(context, FSCONFIG_SET_STRING, key, value, 0), key);
}

static void mount_root(const char *lower, pid_t pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY,
					.userns_fd = (__u64)open(path, O_RDONLY | O_CLOEXEC)};
	int tree = open_tree(AT_FDCWD, lower, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	check(tree, lower);
	check(mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)), "idmapping");
	check(move_mount(tree, "", AT_FDCWD, "lower", MOVE_MOUNT_F_EMPTY_PATH), "lower");
	int context = fsopen("overlay", FSOPEN_CLOEXEC);
	check(context, "overlay");
	set(context, "lowerdir", "lower");
	set(context, "upperdir", "upper");
	set(context, "workdir", "work");
	set(context, "redirect_dir", "on");
	check(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0), "the overlay");
	int overlay = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV);
	check(overlay, "the overlay");
	check(move_mount(overlay, "", AT_FDCWD, "rootfs", MOVE_MOUNT_F_EMPTY_PATH), "rootfs");
	close(tree);
	close(overlay);
	close(context);
	close((int)attributes.userns_fd);
}

static void make_directories(const char *directory, unsigned int base, const char *cgroup)
{
	static const char *const names[] = {"lower", "upper", "work", "rootfs"};
	static const char *const files[] = {".", "cgroup.procs", "cgroup.threads",
					    "cgroup.subtree_control"};
	char path[4096];
	check(chdir(directory), directory);
	for (size_t i = 0; i < 4; i++)
		check(mkdir(names[i], 0755), names[i]);
	check(chown("upper", base, base), "upper");
	check(mkdir(cgroup, 0755), cgroup);
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", cgroup, files[i]);
		check(chown(path, base, base), path);
	}
}

static pid_t clone_child(const char *cgroup)
{
	struct clone_args arguments = {
		.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC |
			 CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (__u64)open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	check(pid, "clone3");
	return pid;
}

/* Its master; the slave, which stays open so that the master never sees a hang-up, and its name. */
static int open_console(unsigned int base, char *name, size_t size)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	check(master, "a terminal");
	check(unlockpt(master), "a terminal");
	check(ptsname_r(master, name, size) ? -1 : 0, "a terminal");
	check(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC), name);
	check(chown(name, base, base), name);
	return master;
}

int main(int argc, char **argv)
{
	long long began = now();
	char console[64], byte;
	int sync[2];
	if (argc != 5)
		return 2;
	unsigned int base = (unsigned int)strtoul(argv[3], NULL, 10);
	make_directories(argv[2], base, argv[4]);
	check(unshare(CLONE_NEWNS), "unshare");
	check(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "/");
	int master = open_console(base, console, sizeof(console));
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sync), "socketpair");
	pid_t pid = clone_child(argv[4]);
	if (pid == 0) {
		close(sync[0]);
		child(sync[1], argv[2], console);
	}
	close(sync[1]);
	write_maps(pid, base);
	mount_root(argv[1], pid);
	check(write(sync[0], "g", 1), "go");
	if (read(sync[0], &byte, 1) != 0) /* closed by exec */
		return 1;
	printf("%lld %lld %d\n", began, now(), (int)pid);
	fclose(stdout);
	struct pollfd wait[2] = {{.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN},
				 {.fd = master, .events = POLLIN}};
	char buffer[4096];
	while (poll(wait, 2, -1) > 0 && !wait[0].revents)
		check(read(master, buffer, sizeof(buffer)), "the console");
	return waitpid(pid, NULL, 0) == pid ? 0 : 1;
}
