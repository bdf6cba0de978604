#!/bin/bash
# Processors of an instance of sysct-lxcfs: every tool tells the same, which is what its control group has. The instance is a
# pid namespace with all online processors but the first, and the file server's files in place of the kernel's.
set -euo pipefail
. "$(dirname "$0")/../lib/tap.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
[ "${SYSCT_BUILD:-}" = installed ] || export PATH=${SYSCT_BUILD:-$top/build}/sbin:$PATH
mnt=$TMPDIR/mnt group=sysct-test-$$
cpu=/sys/devices/system/cpu node=/sys/devices/system/node

mapfile -t online < <(taskset -cp $$ | sed 's/.*: //; s/,/\n/g' | while IFS=- read -r a b; do seq "$a" "${b:-$a}"; done)
[ ${#online[@]} -gt 1 ] || skip_all "needs two processors"
[ -e /dev/fuse ] || skip_all "needs FUSE"
own=("${online[@]:1}") count=$((${#online[@]} - 1))
list=$(IFS=,; echo "${own[*]}")

# The hierarchies of a controller: a mount point of v1, or that of v2.
hierarchy() {
	findmnt -rno TARGET -t cgroup -O "$1" | grep . || findmnt -rno TARGET -t cgroup2 | head -n 1
}
cpusets=$(hierarchy cpuset) quotas=$(hierarchy cpu)

groups_make() {
	mkdir -p "$cpusets/$group" "$quotas/$group"
	if [ -e "$cpusets/cgroup.controllers" ]; then
		echo "+cpuset +cpu" >"$cpusets/cgroup.subtree_control"
	else
		cat "$cpusets/cpuset.mems" >"$cpusets/$group/cpuset.mems"
	fi
	echo "$list" >"$cpusets/$group/cpuset.cpus"
}

# quota MICROSECONDS: of each 100,000, or "max".
quota() {
	if [ -e "$quotas/cgroup.controllers" ]; then
		echo "$1 100000" >"$quotas/$group/cpu.max"
	else
		echo 100000 >"$quotas/$group/cpu.cfs_period_us"
		echo "${1/max/-1}" >"$quotas/$group/cpu.cfs_quota_us"
	fi
}

groups_remove() {
	local pid directory
	for directory in "$cpusets/$group" "$quotas/$group"; do
		[ -d "$directory" ] || continue
		while read -r pid; do kill -KILL "$pid"; done <"$directory/cgroup.procs" || true
		wait_until 5 rmdir "$directory" || true
	done
}

# shellcheck disable=SC2016 # for the shell in there
mount_files='
	for file in cmdline cpuinfo meminfo partitions; do mount --bind "$0/proc/$file" "/proc/$file"; done
	for tree in cpu node; do
		[ ! -d "$0/sys/devices/system/$tree" ] || mount --bind "$0/sys/devices/system/$tree" "/sys/devices/system/$tree"
	done
	"$@"'

inside() {
	(
		echo "$BASHPID" >"$cpusets/$group/cgroup.procs"
		echo "$BASHPID" >"$quotas/$group/cgroup.procs"
		exec unshare --pid --fork --kill-child --mount --mount-proc sh -c "$mount_files" "$mnt" "$@"
	)
}

numbers() { # of a list in the kernel's format
	tr , '\n' <<<"$1" | while IFS=- read -r first last; do seq "$first" "${last:-$first}"; done | paste -sd,
}

groups_make
trap 'groups_remove; umount -l "$mnt" 2>/dev/null || true' EXIT
ok sysct-lxcfs "$mnt"

# ---- which processors ----

is "$(inside nproc)" "$count" "nproc"
for name in ONLN CONF; do
	is "$(inside getconf _NPROCESSORS_$name)" "$count" "getconf _NPROCESSORS_$name"
done
for file in online possible present; do
	is "$(numbers "$(inside cat $cpu/$file)")" "$list" "cpu/$file"
done
is "$(inside cat $cpu/offline)" "" "none is offline"
is "$(inside sed -n 's/^processor.*: //p' /proc/cpuinfo | paste -sd,)" "$list" "cpuinfo has the kernel's numbers"
is "$(inside sh -c "ls -d $cpu/cpu[0-9]*" | sed 's/.*cpu//' | sort -n | paste -sd,)" "$list" "directories of processors"
fails -n "the other one has no directory" inside cat "$cpu/cpu${online[0]}/topology/core_id"
is "$(inside taskset -cp 1 | sed 's/.*: //')" "$(inside cat $cpu/online)" "sched_getaffinity tells the same list"
is "$(inside lscpu -p=CPU | grep -v '^#' | paste -sd,)" "$list" "lscpu"
is "$(inside python3 -c 'import os; print(os.cpu_count(), *sorted(os.sched_getaffinity(0)), sep=",")')" "$count,$list" "Python"

# tool NAME WANT CMD...: when it is installed.
tool() {
	if type "$1" >/dev/null 2>&1; then is "$(inside "${@:3}")" "$2" "$1"; else skip "no $1"; fi
}
tool hwloc-calc "$list" hwloc-calc --physical --intersect PU all
tool numactl "$list" sh -c "numactl -H | sed -n 's/^node [0-9]* cpus: //p' | tr ' ' '\n' | grep . | sort -n | paste -sd,"
tool java "$count" sh -c 'java -XshowSettings:system -version 2>&1 | sed -n "s/.*Effective CPU Count: //p"'

# ---- what they are like ----

block() { awk -v RS= -v number="${own[0]}" '$3 == number { sub(/cpu MHz[^\n]*/, ""); print }' "$@"; }
inside cat /proc/cpuinfo >"$TMPDIR/cpuinfo"
is "$(block "$TMPDIR/cpuinfo")" "$(block /proc/cpuinfo)" "a block of cpuinfo is the host's"
like "$(inside cat "$cpu/cpu${own[0]}/topology/core_id")" '^[0-9]+$' "topology"
for file in core_siblings_list thread_siblings_list; do
	is "$(inside sh -c "cat $cpu/cpu*/topology/$file" | while read -r line; do numbers "$line"; done | tr , '\n' |
		grep -vxF "$(printf '%s\n' "${own[@]}")")" "" "$file has none of others"
done
lists() { find "$1" -type f | sed "s,^$1,," | sort; }
is "$(comm -13 <(lists $cpu) <(inside find $cpu -type f | sed "s,^$cpu,," | sort))" "" "no file that the host lacks"
if [ -d $node ]; then
	is "$(inside sh -c "cat $node/node*/cpulist" | grep . | while read -r line; do numbers "$line"; done | tr , '\n' |
		sort -n | paste -sd,)" "$list" "each processor is in one node"
	is "$(inside sh -c "cat $node/node*/meminfo" | awk '$3 == "MemTotal:" { sum += $4 } END { print sum }')" \
		"$(inside awk '/^MemTotal/ { print $2 }' /proc/meminfo)" "nodes have all of its memory"
else
	skip "no NUMA" 2
fi
fails -n "nothing is written" inside sh -c "echo 0 >$cpu/cpu${own[0]}/online"

# ---- others ----

is "$(inside sh -c 'exec sed "s/ .*//" /proc/cmdline')" "sh" "cmdline is that of its init"
is "$(inside cat /proc/partitions)" "major minor  #blocks  name" "it has no disks"
is "$(cat "$mnt/sys/devices/system/cpu/online")" "$(cat $cpu/online)" "the host sees its own"

# ---- quota ----

quota 50000
is "$(inside getconf _NPROCESSORS_ONLN)" 1 "half a processor is one"
is "$(inside cat $cpu/online)" "${own[0]}" "the first"
is "$(inside grep -c ^processor /proc/cpuinfo)" 1 "also in cpuinfo"
quota max
is "$(inside getconf _NPROCESSORS_ONLN)" "$count" "and all without a quota"

groups_remove
ok umount "$mnt"
done_testing
