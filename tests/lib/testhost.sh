#!/bin/bash
# tests/lib/testhost.sh CMD...
#
# Runs CMD in a test host: network and mount namespaces of its own on this machine, with
#   - eth0, 198.51.100.2/24 and 2001:db8:1::2/64, whose default routes end in a second network namespace, `uplink` (.1 and
#     ::1; `ip netns exec uplink ...`), which also answers on 203.0.113.1 and 2001:db8:2::1. Nothing leads out of it, and it
#     knows no way back to instance networks, so only NAT reaches it;
#   - a sysfs of this network namespace with the machine's cgroup and other mounts put back below it, an empty /run;
#   - SYSCT_DIR and TMPDIR, empty, on a file system that an overlay can have its upper on (SYSCT_TEST_TMP, default /var/tmp).
# Processes, users and cgroups are the machine's: a daemon under test sees what it would see in production.
#
# When CMD ends, or this script does in whatever way, everything goes: the processes in the cgroup that CMD was started in,
# the cgroups that daemons named in $SYSCT_DIR/cgroup, whatever else still has a mount from here; then namespaces, veth and
# mounts vanish by themselves, and the directory is removed (kept with KEEP=1). A janitor in a session of its own does
# it, because it must also happen after kill -9 of this script; a pid namespace would be simpler but would hide the pids.
#
# The exit status is CMD's; 70 when something could not be removed, or, with LEAKCHECK=1, when CMD left a process, mount,
# network namespace, loop device or instance's cgroup behind that it should have removed itself. With its empty /run a test
# host has no D-Bus, so no systemctl.
set -euo pipefail

leak_status=70

cgroup_roots() { # mount points of all cgroup hierarchies
	awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) ~ /^cgroup2?$/) print $5 }' /proc/self/mountinfo
}

cgroup2_root() {
	awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo
}

# The cgroups, relative to each hierarchy's root, that daemons under the directory say are theirs.
instance_cgroups() {
	find "$1" -xdev -maxdepth 3 -type f -name cgroup -exec cat {} + 2>/dev/null |
		sed -nE 's,^/?(sysct-[[:alnum:]]+)$,/\1,p' | sort -u
}

# Processes that live in a mount namespace with something of the test host in it: it has its directory bound there.
processes() {
	grep -lsF "$1" /proc/[0-9]*/mountinfo | sed 's,/proc/,,; s,/mountinfo,,'
}

describe() { # PID...: "pid command line"
	local pid
	for pid in "$@"; do
		echo "process $pid: $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")"
	done
}

loop_devices() {
	local file
	for file in /sys/block/loop*/loop/backing_file; do
		if grep -sqF "$1/" "$file"; then echo "/dev/$(basename "${file%/loop/backing_file}")"; fi
	done
}

mounts() { awk '{ print $5, $4 }' "/proc/$1/mountinfo" | sort; }

# --- inside -----------------------------------------------------------------------------------------------------------

# A new sysfs hides the mounts below the old one, the cgroups first of all: move them over.
fresh_sys() {
	local old=$1/sys point
	mkdir "$old"
	mount --rbind /sys "$old"
	umount -lR /sys
	mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
	# Only the topmost of each tree; what is mounted below comes along.
	awk -v old="$old/" 'index($5, old) == 1 { print $5 }' /proc/self/mountinfo | sort -u |
		awk '{ for (top in tops) if (index($0, top "/") == 1) next; tops[$0]; print }' | while read -r point; do
		mount --move "$point" "/sys${point#"$old"}"
	done
	umount -l "$old"
	rmdir "$old"
}

fake_uplink() {
	ip netns add uplink
	ip link add eth0 type veth peer name eth0 netns uplink
	ip -batch - <<-END
		link set lo up
		address add 198.51.100.2/24 dev eth0
		address add 2001:db8:1::2/64 dev eth0 nodad
		link set eth0 up
		route add default via 198.51.100.1
		route add default via 2001:db8:1::1
	END
	ip -n uplink -batch - <<-END
		link set lo up
		address add 203.0.113.1/32 dev lo
		address add 2001:db8:2::1/128 dev lo nodad
		address add 198.51.100.1/24 dev eth0
		address add 2001:db8:1::1/64 dev eth0 nodad
		link set eth0 up
	END
}

inside() {
	local base=$1 status=0
	shift
	mount --bind "$base" "$base" # its name in mountinfo marks every process of this test host
	mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
	mkdir /run/lock
	fresh_sys "$base"
	fake_uplink
	mounts self >"$base/mounts"
	# Holds the namespaces for the janitor: the names of what is mounted and looped here mean something only as long.
	setsid sleep infinity <>/dev/null >&0 2>&0 &
	echo $! >"$base/holder"
	SYSCT_DIR=$base/state TMPDIR=$base/tmp "$@" || status=$?
	: >"$base/ended"
	exit $status
}

# --- the janitor ------------------------------------------------------------------------------------------------------

# What CMD should have removed. Processes get a second to end: they may have been told to.
leaks() {
	local base=$1 left='' holder try root path
	shift
	holder=$(cat "$base/holder")
	for try in {1..50}; do
		left=$(processes "$base" | grep -vx "$holder")
		[ "$left" ] || break
		[ "$try" = 50 ] || sleep 0.02
	done
	# shellcheck disable=SC2086 # a list
	describe $left
	mounts "$holder" | comm -13 "$base/mounts" - | sed 's/^/mount /' # a named network namespace is one
	loop_devices "$base" | sed 's/^/loop device /'
	for path in "$@"; do
		for root in $(cgroup_roots); do
			find "$root$path" -mindepth 1 -type d 2>/dev/null | sed 's/^/cgroup /'
		done
	done
}

kill_all() {
	local base=$1 path directory
	shift
	for path in "$@"; do
		directory=$(cgroup2_root)$path
		if [ -d "$directory" ]; then echo 1 >"$directory/cgroup.kill"; fi
	done
	# shellcheck disable=SC2046 # a list
	kill -KILL $(processes "$base") 2>/dev/null
}

remove_cgroups() {
	local root path
	for path in "$@"; do
		for root in $(cgroup_roots); do
			find "$root$path" -depth -type d -exec rmdir {} + 2>/dev/null
		done
	done
}

remaining() {
	local base=$1 root path
	shift
	# shellcheck disable=SC2046 # a list
	describe $(processes "$base")
	for path in "$@"; do
		for root in $(cgroup_roots); do
			if [ -d "$root$path" ]; then echo "cgroup $root$path"; fi
		done
	done
	loop_devices "$base" | sed 's/^/loop device /'
}

janitor() {
	local base=$1 cgroups left device try status=0
	set +e # whatever fails, the rest is cleaned
	trap '' TERM INT HUP
	cat >/dev/null # until the script that holds the other end is gone
	mapfile -t cgroups < <(echo "/$(basename "$base")" && instance_cgroups "$base")
	if [ "${LEAKCHECK:-}" = 1 ] && [ -e "$base/ended" ]; then # not when CMD was interrupted
		leaks "$base" "${cgroups[@]}" >"$base/leaks"
	fi
	for try in {1..250}; do
		for device in $(loop_devices "$base"); do
			losetup -d "$device"
		done
		kill_all "$base" "${cgroups[@]}"
		remove_cgroups "${cgroups[@]}"
		left=$(remaining "$base" "${cgroups[@]}")
		[ "$left" ] || break
		[ "$try" = 250 ] || sleep 0.02
	done
	if [ "$left" ]; then
		printf 'testhost: could not remove:\n%s\n' "$left" >&2
		status=$leak_status
	fi
	if [ "${LEAKCHECK:-}" = 1 ] && [ -s "$base/leaks" ]; then
		{ echo "testhost: left behind by the test:" && cat "$base/leaks"; } >&2
		status=$leak_status
	fi
	if [ "${KEEP:-}" = 1 ]; then
		echo "testhost: kept $base" >&2
	elif ! rm -rf --one-file-system "$base"; then
		status=$leak_status
	fi
	exit $status
}

# --- outside ----------------------------------------------------------------------------------------------------------

# shellcheck disable=SC2317 # called by trap
finish() {
	local status=$? swept=0
	trap '' TERM INT HUP
	exec {alive}>&-
	wait "$janitor" || swept=$?
	if [ $swept -ne 0 ]; then status=$swept; fi
	exit $status
}

outside() {
	local self base hierarchy
	hierarchy=$(cgroup2_root)
	[ "$hierarchy" ] || { echo "testhost: no cgroup2 hierarchy" >&2; exit 69; }
	self=$(readlink -f "$0")
	base=$(mktemp -d "${SYSCT_TEST_TMP:-/var/tmp}/sysct-test-XXXXXX")
	base=$(readlink -f "$base")
	exec {alive}> >(exec setsid "$self" --janitor "$base")
	janitor=$!
	trap finish EXIT
	trap 'exit 143' TERM
	trap 'exit 130' INT
	trap 'exit 129' HUP
	chmod 711 "$base" # ids of instances can reach what is below
	mkdir -m 711 "$base/tmp"
	mkdir -m 711 "$base/state" # dnsmasq has a user of its own
	cgroup=$hierarchy/$(basename "$base")
	mkdir "$cgroup"
	# In the background, so that a signal to this script is seen at once; but with its input, and able to get SIGINT.
	(
		exec {alive}>&-
		echo $BASHPID >"$cgroup/cgroup.procs"
		exec env --default-signal=INT,QUIT unshare --net --mount --propagation private "$self" --inside "$base" "$@"
	) <&0 &
	wait $!
}

case ${1:-} in
--inside | --janitor) "${1#--}" "${@:2}" ;;
'' | -*) echo "usage: testhost.sh CMD..." >&2; exit 2 ;;
*) outside "$@" ;;
esac
