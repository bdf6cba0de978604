#!/bin/bash
# What init sees: Debian 12 and 13 boot to "running" in namespaces, ids, mounts and devices of their own.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

inside() { # CMD...: in the instance $name
	sysct exec "$name" -- "$@"
}

shell() { # SCRIPT [ARGUMENT...]
	sysct exec "$name" -- sh -c "$1" sh "${@:2}"
}

# capabilities HEX: names, one a line
capabilities() {
	python3 - "$1" <<'END'
import ctypes, sys
cap = ctypes.CDLL("libcap.so.2")
cap.cap_to_name.restype = ctypes.c_char_p
for i in range(64):
    if int(sys.argv[1], 16) >> i & 1:
        print(cap.cap_to_name(i).decode())
END
}

# refused NAME ERRNO PYTHON-EXPRESSION: the system call, made through ctypes in the instance's namespaces and with its filter,
# fails so. The program is a static one of the host's, so any image can run it.
probe=$TMPDIR/probe
make_probe() {
	cat >"$probe.c" <<'END'
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/sched.h>

static long call(const char *name)
{
	struct { unsigned bytes; int type; unsigned char data[128]; } handle = {8, 1, {2}};
	struct clone_args arguments = {.flags = CLONE_NEWUTS, .exit_signal = 17};
	if (!strcmp(name, "open_by_handle_at"))
		return syscall(SYS_open_by_handle_at, open("/", O_RDONLY), &handle, O_RDONLY);
	if (!strcmp(name, "kexec_load"))
		return syscall(SYS_kexec_load, 0, 0, 0, 0);
	if (!strcmp(name, "kexec_file_load"))
		return syscall(SYS_kexec_file_load, -1, -1, 0, "", 0);
	if (!strcmp(name, "init_module"))
		return syscall(SYS_init_module, "", 0, "");
	if (!strcmp(name, "finit_module"))
		return syscall(SYS_finit_module, -1, "", 0);
	if (!strcmp(name, "delete_module"))
		return syscall(SYS_delete_module, "x", 0);
	if (!strcmp(name, "unshare_uts"))
		return unshare(CLONE_NEWUTS);
	if (!strcmp(name, "unshare_uts_and_user"))
		return unshare(CLONE_NEWUTS | CLONE_NEWUSER);
	if (!strcmp(name, "unshare_mount"))
		return unshare(CLONE_NEWNS);
	if (!strcmp(name, "clone3"))
		return syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (!strcmp(name, "umount_force"))
		return umount2("/nowhere", MNT_FORCE);
	if (!strcmp(name, "syslog"))
		return syscall(SYS_syslog, 3, (char[64]){0}, 64);
	if (!strcmp(name, "settime")) {
		struct timespec { long a, b; } now = {0, 0};
		return syscall(SYS_clock_settime, 0, &now);
	}
	if (!strcmp(name, "pivot_into_debugfs"))
		return mount("debugfs", "/mnt", "debugfs", 0, NULL);
	exit(3);
}

int main(int count, char **names)
{
	for (int i = 1; i < count; i++) {
		errno = 0;
		long result = call(names[i]);
		printf("%s %s\n", names[i], result < 0 ? strerrorname_np(errno) : "done");
	}
	return 0;
}
END
	gcc -static -O -o "$probe" "$probe.c"
}

no_jobs() { [ -z "$(inside systemctl list-jobs --no-legend --plain)" ]; }

check_boot() {
	ok -n "$name: the boot ends \"running\"" boots "$name"
	is "$(inside systemctl is-system-running 2>&1)" running "$name: and stays so"
	is "$(inside systemctl --failed --no-legend --plain)" "" "$name: no unit failed"
	wait_until 20 no_jobs || true # units that a lease sets off come and go
	is "$(inside systemctl list-jobs --no-legend --plain)" "" "$name: no job waits"
	is "$(inside cat /proc/1/comm)" systemd "$name: PID 1 is systemd"
	is "$(inside systemd-detect-virt)" lxc "$name: systemd knows that it is in a container"
	is "$(inside hostname)" "$name" "$name: the host name"
}

check_ids() {
	local base
	base=$(awk '{ print $2 }' "/proc/$pid/uid_map")
	is "$(tr -s ' ' <"/proc/$pid/uid_map")" " 0 $base 65536" "$name: 65536 user ids"
	is "$(tr -s ' ' <"/proc/$pid/gid_map")" " 0 $base 65536" "$name: and the same group ids"
	ok -n "$name: root is not the host's" test "$base" -ge 65536
	is "$(stat -c %u "/proc/$pid")" "$base" "$name: init runs with these"
	is "$(inside stat -c %u:%g /etc/passwd)" 0:0 "$name: the image's files belong to its root"
	is "$(shell 'find / -xdev \( -path /proc -o -path /sys \) -prune -o \( -uid 65534 -o -gid 65534 \) -print -quit')" "" "$name: no file belongs to an id without a name here"
	inside touch /root/mine
	is "$(stat -c %u:%g "/proc/$pid/root/root/mine")" "$base:$base" "$name: what it makes is its own on the host"
	bases+=("$base")
}

check_namespaces() {
	local kind
	for kind in user pid mnt net uts ipc cgroup; do
		ok -n "$name: its own $kind namespace" test "$(readlink "/proc/$pid/ns/$kind")" != "$(readlink "/proc/self/ns/$kind")"
		is "$(inside readlink "/proc/self/ns/$kind")" "$(readlink "/proc/$pid/ns/$kind")" "$name: exec joins it ($kind)"
	done
	is "$(inside ls /sys/class/net | paste -sd ' ')" "eth0 lo" "$name: its NIC and loopback, nothing of the host's"
	like "$(inside cat /sys/class/net/lo/operstate)" 'unknown|up' "$name: which is up"
	ok -n "$name: and has its address" shell 'exec 3<>/dev/null; grep -q 127.0.0.1 /proc/net/fib_trie'
}

check_mounts() {
	is "$(shell 'stat -f -c %T /sys/fs/cgroup')" cgroup2fs "$name: /sys/fs/cgroup is cgroup2"
	is "$(shell 'grep -c " - cgroup " /proc/self/mountinfo || true')" 0 "$name: no cgroup v1 is mounted"
	is "$(inside cat /proc/1/cgroup | grep ^0:)" "0::/init.scope" "$name: init sees itself at the root of its own tree"
	ok -n "$name: it may make control groups" shell 'mkdir /sys/fs/cgroup/mine && rmdir /sys/fs/cgroup/mine'
	fails -n "$name: writing to /sys" shell 'echo 1 >/sys/kernel/mm/ksm/run || echo 1 >/sys/module/printk/parameters/time'
	like "$(shell 'grep " /sys " /proc/self/mountinfo')" ' /sys ro,' "$name: /sys is read-only"
	like "$(shell 'grep " /sys/devices/virtual/net " /proc/self/mountinfo')" ' rw,' "$name: interfaces below /sys are not"
	for path in /sys/kernel/debug /sys/kernel/tracing /sys/kernel/config /sys/fs/fuse/connections; do
		is "$(shell "ls -A $path 2>/dev/null")" "" "$name: $path is empty"
		if [ -d "$path" ]; then
			like "$(shell "grep ' $path ' /proc/self/mountinfo")" ' ro,.* - tmpfs ' "$name: because it is masked ($path)"
		else
			skip "the host has no $path"
		fi
	done
	fails -n "$name: writing to /proc/sysrq-trigger" shell 'echo h >/proc/sysrq-trigger'
	fails -n "$name: writing a sysctl of the kernel" shell 'echo 1 >/proc/sys/kernel/panic'
	fails -n "$name: reading /proc/kcore" shell 'head -c 1 /proc/kcore'
	fails -n "$name: reading the kernel's log" inside dmesg
	fails -n "$name: remounting /sys" shell 'mount -o remount,rw /sys'
	fails -n "$name: mounting sysfs writable" shell 'mkdir -p /mnt/s && mount -t sysfs sysfs /mnt/s && echo 1 >/mnt/s/module/printk/parameters/time'
	shell 'umount /mnt/s 2>/dev/null' || true
	is "$(shell "grep '${SYSCT_DIR#"$(df --output=target "$SYSCT_DIR" | tail -n 1)"}' /proc/self/mountinfo" | awk '{ print $5 }' | sort | tr '\n' ' ')" "/run/host/container-manager " \
		"$name: one mount tells of the host's paths, and no other"
	like "$(shell 'grep " / / " /proc/self/mountinfo')" ' - overlay ' "$name: which is an overlay"
	is "$(shell 'touch /etc/probe && cat /etc/probe && rm /etc/probe && echo yes')" yes "$name: it is writable"
}

check_devices() {
	local want=$'console\ncore\nfd\nfull\nfuse\nlog\nmqueue\nnet\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero'
	is "$(comm -23 <(inside ls /dev | grep -vxE 'initctl|hugepages' | sort) <(sort <<<"$want"))" "" "$name: nothing in /dev but these"
	is "$(comm -13 <(inside ls /dev | sort) <(grep -vxE 'core|fuse|net|log' <<<"$want" | sort))" "" "$name: and these are all there"
	for path in null zero full random urandom tty; do
		is "$(inside stat -c %F "/dev/$path")" "character special file" "$name: /dev/$path is a device"
	done
	is "$(shell 'head -c 4 /dev/zero | od -An -tx1 | tr -d " "')" 00000000 "$name: /dev/zero can be read"
	is "$(shell 'head -c 8 /dev/urandom | wc -c')" 8 "$name: /dev/urandom can be read"
	ok -n "$name: /dev/null can be written" shell 'echo x >/dev/null'
	fails -n "$name: /dev/full is full" shell 'echo x >/dev/full'
	is "$(shell 'stat -f -c %T /dev/pts')" devpts "$name: its own devpts"
	ok -n "$name: /dev/console is a terminal" shell 'test -t 0 </dev/console'
	# A user namespace cannot make device nodes; what the host puts there must be refused by the rules all the same.
	fails -n "$name: mknod of a disk" shell 'mknod /root/sda b 8 0'
	mknod -m 666 "/proc/$pid/root/root/kmsg" c 1 11
	mknod -m 666 "/proc/$pid/root/root/zero" c 1 5
	fails -n "$name: a node that is not allowed (kmsg)" shell "head -c 1 /root/kmsg"
	like "$(cat "$TAP_OUTPUT")" 'not permitted|denied' "$name: it says permission"
	rm -f "/proc/$pid/root/root/kmsg" "/proc/$pid/root/root/zero"
}

# A device of the host, mounted where device nodes are honoured, in the instance's control group: only the rules stand between.
check_device_rules() {
	local group=$1 result
	group=$(instance_cgroup "$name")/.sysct
	result=$(bash -c 'echo $$ >"$1/cgroup.procs" && exec head -c 1 /dev/kmsg' bash "$group" 2>&1 | tr -d '\0') || true
	like "$result" 'Operation not permitted' "$name: the kernel refuses a forbidden device to host's root in its control group"
	result=$(bash -c 'echo $$ >"$1/cgroup.procs" && exec head -c 1 /dev/zero' bash "$group" 2>&1 | od -An -tx1 | tr -d ' ') || true
	is "$result" 00 "$name: and allows an allowed one"
}

check_privileges() {
	local set
	set=$(capabilities "$(awk '/^CapBnd/ { print $2 }' "/proc/$pid/status")")
	for cap in cap_sys_module cap_sys_rawio cap_sys_time cap_syslog cap_mac_admin cap_mac_override cap_bpf cap_perfmon cap_checkpoint_restore cap_wake_alarm cap_block_suspend; do
		is "$(grep -cx "$cap" <<<"$set")" 0 "$name: no $cap in init's bounding set"
	done
	for cap in cap_sys_admin cap_net_admin cap_setuid cap_chown cap_sys_boot cap_mknod; do
		is "$(grep -cx "$cap" <<<"$set")" 1 "$name: $cap is in it"
	done
	is "$(inside awk '/^CapBnd/ { print $2 }' /proc/self/status)" "$(awk '/^CapBnd/ { print $2 }' "/proc/$pid/status")" "$name: exec has the same set"
	is "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")" 2 "$name: init has a seccomp filter"
	is "$(inside awk '/^Seccomp:/ { print $2 }' /proc/self/status)" 2 "$name: exec too"
	is "$(inside awk '/^NoNewPrivs:/ { print $2 }' /proc/self/status)" 0 "$name: set-uid programs work"
	cp "$probe" "/proc/$pid/root/root/probe"
	is "$(inside /root/probe open_by_handle_at)" "open_by_handle_at EPERM" "$name: open_by_handle_at is refused"
	is "$(inside /root/probe kexec_load kexec_file_load)" $'kexec_load EPERM\nkexec_file_load EPERM' "$name: kexec is refused"
	is "$(inside /root/probe init_module finit_module delete_module)" $'init_module EPERM\nfinit_module EPERM\ndelete_module EPERM' "$name: modules are refused"
	is "$(inside /root/probe unshare_uts unshare_uts_and_user)" $'unshare_uts EPERM\nunshare_uts_and_user EPERM' "$name: nested UTS namespaces are refused"
	is "$(inside /root/probe clone3)" "clone3 ENOSYS" "$name: clone3 is not there"
	is "$(inside /root/probe umount_force)" "umount_force EACCES" "$name: a forced unmount is refused"
	is "$(inside /root/probe unshare_mount)" "unshare_mount done" "$name: nested mount namespaces work"
	is "$(inside /root/probe syslog settime)" $'syslog EPERM\nsettime EPERM' "$name: the kernel's log and clock are refused"
	fails -n "$name: unshare -u" inside unshare -u true
	like "$(cat "$TAP_OUTPUT")" 'not permitted' "$name: with EPERM"
}

check_environment() {
	local uuid environment
	uuid=$(sysct config get "$name" volatile.uuid)
	environment=$(tr '\0' '\n' <"/proc/$pid/environ")
	like "$environment" $'(^|\n)container=lxc(\n|$)' "$name: init is told of the container"
	like "$environment" $'(^|\n)'"container_uuid=$uuid"$'(\n|$)' "$name: and of its uuid"
	is "$(inside cat /etc/machine-id)" "${uuid//-/}" "$name: the machine-id is made from it"
	is "$(inside cat /run/host/container-manager)" lxc "$name: /run/host/container-manager"
	fails -n "$name: changing what the host put there" shell 'echo x >/run/host/container-manager'
}

check_console() {
	local log
	log=$(sysct console "$name" --show-log)
	like "$log" 'Welcome to .*Debian' "$name: the console's log has the boot from its start"
	like "$log" "$name login:" "$name: and to its end, the login prompt"
	ok -n "$name: a getty runs on the console" inside systemctl is-active console-getty
}

bases=()
make_probe
daemon_start

for image in debian/12 debian/13; do
	name=${image/\//-}
	ok -n "$name: launch" sysct launch "$image" "$name"
	pid=$(instance_init_pid "$name")
	check_boot
	check_ids
	check_namespaces
	check_mounts
	check_devices
	check_device_rules ""
	check_privileges
	check_environment
	wait_until 30 sh -c "sysct console $name --show-log | grep -q 'login:'" || true
	check_console
done
ok -n "each has an id range of its own" test "${bases[0]}" != "${bases[1]}"
ok -n "which do not overlap" test $((bases[0] > bases[1] ? bases[0] - bases[1] : bases[1] - bases[0])) -ge 65536

daemon_end
done_testing
