#!/bin/bash
# Counters in time of an instance of sysct-lxcfs: what top, vmstat and mpstat make of them is what its control group used. The
# instance is a pid namespace in groups of its own, with the file server's files in place of the kernel's.
set -euo pipefail
. "$(dirname "$0")/../lib/tap.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
[ "${SYSCT_BUILD:-}" = installed ] || export PATH=${SYSCT_BUILD:-$top/build}/sbin:$PATH
mnt=$TMPDIR/mnt group=sysct-test-$$ init=

mapfile -t online < <(taskset -cp $$ | sed 's/.*: //; s/,/\n/g' | while IFS=- read -r a b; do seq "$a" "${b:-$a}"; done)
[ ${#online[@]} -gt 1 ] || skip_all "needs two processors"
[ -e /dev/fuse ] || skip_all "needs FUSE"

unified=$(findmnt -rno TARGET -t cgroup2 | head -n 1)
[ -n "$unified" ] || skip_all "needs a cgroup2 hierarchy"
hierarchy() { # of a controller: a mount point of v1, or that of v2
	findmnt -rno TARGET -t cgroup -O "$1" | head -n 1 | grep . || echo "$unified"
}
cpusets=$(hierarchy cpuset) blkio=$(hierarchy blkio)
mapfile -t groups < <(for c in cpu cpuacct cpuset blkio pids; do hierarchy $c; done | sort -u)
[ "$cpusets" = "$unified" ] || groups+=("$unified")

groups_make() {
	local directory
	[ "$cpusets" != "$unified" ] || echo "+cpuset +cpu +io +pids" >"$unified/cgroup.subtree_control"
	for directory in "${groups[@]}"; do mkdir -p "$directory/$group"; done
	[ "$cpusets" = "$unified" ] || cat "$cpusets/cpuset.mems" >"$cpusets/$group/cpuset.mems"
	allow "${online[0]},${online[1]}"
}

groups_remove() {
	local directory
	[ -z "$init" ] || kill -KILL "$init" 2>/dev/null || true
	for directory in "${groups[@]}"; do wait_until 5 rmdir "$directory/$group" || true; done
}

allow() { echo "$1" >"$cpusets/$group/cpuset.cpus"; }

enter() { for directory in "${groups[@]}"; do echo "$BASHPID" >"$directory/$group/cgroup.procs"; done; }

instance_start() {
	# shellcheck disable=SC2016 # for the shell in there
	(
		enter
		exec unshare --pid --fork --kill-child --mount --mount-proc sh -c '
			for file in diskstats loadavg stat uptime; do mount --bind "$0/proc/$file" "/proc/$file"; done
			[ ! -d /proc/pressure ] || mount --bind "$0/proc/pressure" /proc/pressure
			exec sleep 1000' "$mnt"
	) &
	wait_until 10 found_init
}

found_init() {
	local pid
	while read -r pid; do
		if grep -qx sleep "/proc/$pid/comm"; then init=$pid; fi
	done <"$unified/$group/cgroup.procs"
	[ -n "$init" ]
}

inside() { (enter && exec nsenter -t "$init" -p -m "$@"); }

used() { awk '/^usage_usec/ { print $2 }' "$unified/$group/cpu.stat"; }

# agrees NAME CPUS CMD...: what CMD tells as idle is within some percent what the group did not use of CPUS meanwhile.
agrees() {
	local name=$1 cpus=$2 before after start real told
	shift 2
	before=$(used) start=$(date +%s%N)
	told=$("$@")
	after=$(used)
	real=$(awk -v used=$((after - before)) -v ns=$(($(date +%s%N) - start)) -v cpus="$cpus" \
		'BEGIN { print 100 - used * 100000 / ns / cpus }')
	ok -n "$name: $told % idle, really $real %" awk -v a="$told" -v b="$real" 'BEGIN { exit a - b > 12 || b - a > 12 }'
}

idle_top() { inside top -b -n 2 -d 3 | sed -n 's/^%Cpu.* \([0-9.]*\) id.*/\1/p' | tail -n 1; }
idle_vmstat() { inside vmstat 3 2 | awk 'END { print $15 }'; }
idle_mpstat() { inside mpstat -P ALL 3 1 | awk '/^Average: *all/ { print $NF }'; }

groups_make
trap 'groups_remove; umount -l "$mnt" 2>/dev/null || true' EXIT
ok sysct-lxcfs "$mnt"
ok instance_start

# ---- at rest ----

like "$(inside cut -d. -f1 /proc/uptime)" '^[0-9]$' "it has just started"
is "$(inside grep -c '^cpu[0-9]' /proc/stat)" 2 "a line for each of its processors"
sums='/^cpu / { for (i = 2; i < 12; i++) all += $i } /^cpu[0-9]/ { for (i = 2; i < 12; i++) each += $i } END { exit all != each }'
ok -n "they add up" awk "$sums" <(inside cat /proc/stat)
started=$(inside awk '/^btime/ { print $2 }' /proc/stat)
ok -n "btime and uptime are the same moment" \
	awk -v then="$started" -v now="$(date +%s)" '{ off = now - $1 - then; exit off < -2 || off > 2 }' <(inside cat /proc/uptime)
is "$(inside sed -n 's/^intr //p' /proc/stat)" 0 "no interrupts of the host"
ok -n "few processes were made" awk '/^processes/ { exit $2 < 1 || $2 > 100 }' <(inside cat /proc/stat)
like "$(inside cat /proc/loadavg)" '^0\.[0-9]* 0\.[0-9]* 0\.[0-9]* [0-9]+/[0-9]+ [0-9]+$' "no load"
is "$(inside uptime | sed 's/.*up  *0 min.*/ok/')" ok "uptime"

# ---- a loop ----

# Before others, so that it gets what there is and tools measure the same in windows that are not quite the same.
inside nice -n -15 sh -c 'while :; do :; done' 2>/dev/null &
sleep 1
agrees top 2 idle_top
agrees vmstat 2 idle_vmstat
if type mpstat >/dev/null 2>&1; then agrees mpstat 2 idle_mpstat; else skip "no mpstat"; fi
allow "${online[0]}"
is "$(inside grep -c '^cpu[0-9]' /proc/stat)" 1 "one processor is left"
agrees "top of one" 1 idle_top
allow "${online[0]},${online[1]}"
agrees "vmstat of two again" 2 idle_vmstat
ok -n "the load rises" awk '{ exit $1 < 0.1 || $1 > 2 }' <(inside cat /proc/loadavg)
like "$(inside cut -d' ' -f4 /proc/loadavg)" '^[1-9]/[0-9]+$' "it runs"
ok -n "so vmstat tells" awk 'NR == 3 { exit $1 < 1 }' <(inside vmstat)

# ---- block devices and pressure ----

inside dd if=/dev/zero of="$TMPDIR/file" bs=64k count=16 oflag=direct status=none || true
io=$blkio/$group/io.stat
[ -e "$io" ] || io=$blkio/$group/blkio.throttle.io_serviced_recursive
if grep -qE 'wios=[1-9]|Write [1-9]' "$io"; then
	ok -n "what it wrote" awk '$8 > 0 { found = 1 } END { exit !found }' <(inside cat /proc/diskstats)
else
	is "$(inside cat /proc/diskstats)" "" "no disk is accounted, none is told"
fi
if inside cat /proc/pressure/cpu >"$TMPDIR/pressure" 2>/dev/null; then
	is "$(sed 's/avg.*//' "$TMPDIR/pressure")" "$(sed 's/avg.*//' "$unified/$group/cpu.pressure")" "pressure"
	ok -n "it waited less than the host" awk -F= 'NR == FNR { own = $5; nextfile } { exit own > $5 }' "$TMPDIR/pressure" /proc/pressure/cpu
else
	skip "no pressure" 2
fi

groups_remove
ok umount "$mnt"
done_testing
