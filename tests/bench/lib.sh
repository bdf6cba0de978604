# shellcheck shell=bash
# Sourced by tests/bench/figures, in a test host: samples, tables, and the sides that sysctd is compared with.
#
#   sample KEY CMD...              one more time of CMD for KEY, by ./stopwatch
#   add KEY NUMBER                 the same, measured otherwise (microseconds)
#   compare NAME OURS THEIRS BUDGET      a row: medians of two keys in ms, their ratio, the most it may be
#   within NAME KEY LIMIT UNIT           a row: the median of a key against a fixed limit (ms, MiB, ...)
#
# A median of samples taken in turns is what this machine's noise leaves standing; a row is never an assertion.

declare -A samples=()
bench=$TMPDIR/bench
lxc_directory=$TMPDIR/lxc
own_cgroup=$(basename "$(dirname "$SYSCT_DIR")") # the test host's janitor removes what is below, in every hierarchy

add() { samples[$1]="${samples[$1]:-} $2"; }

stopwatch() { # its two numbers, or nothing and a complaint
	local times
	if times=$("$bench/stopwatch" "$@"); then
		echo "$times"
	else
		echo "bench: failed: $*" >&2
	fi
}

sample() { # KEY CMD...
	local key=$1 began took
	shift
	read -r began took < <(stopwatch "$@") || return 0 # it said why
	add "$key" "$took"
}

# median KEY [DIVISOR]
median() {
	[ "${samples[$1]:-}" ] || return 0
	# shellcheck disable=SC2086
	printf '%s\n' ${samples[$1]} | sort -n | awk -v divisor="${2:-1}" '{ a[NR] = $1 }
		END { if (NR) printf "%.2f\n", (NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2) / divisor }'
}

row() { # NAME OURS THEIRS RATIO BUDGET LIMIT: the verdict is RATIO against LIMIT
	awk -v name="$1" -v ours="$2" -v theirs="$3" -v ratio="$4" -v budget="$5" -v limit="$6" 'BEGIN {
		printf "%-30s %12s %12s %8s %10s %s\n", name, ours, theirs, ratio == "" ? "-" : sprintf("%.2f", ratio), budget,
			ratio == "" ? "MISSING" : ratio + 0 <= limit + 0 ? "ok" : "OVER" }'
}

quotient() { awk -v a="$1" -v b="$2" 'BEGIN { if (a != "" && b > 0) printf "%.3f", a / b }'; }

compare() { # NAME OURS THEIRS BUDGET
	local ours theirs
	ours=$(median "$2" 1000) theirs=$(median "$3" 1000)
	row "$1" "${ours}ms" "${theirs}ms" "$(quotient "$ours" "$theirs")" "$4" "$4"
}

within() { # NAME KEY LIMIT UNIT
	local divisor=1 ours
	[ "$4" != ms ] || divisor=1000
	[ "$4" != MiB ] || divisor=1024 # of KiB
	ours=$(median "$2" $divisor)
	row "$1" "$ours$4" - "$(quotient "$ours" "$3")" "$3$4" 1
}

header() { row name ours theirs 0 budget 0 | sed 's/    0.00/   ratio/; s/ok$//'; }

# --- LXC: an unprivileged container of the same tree, overlay, no network ------------------------------------------

# lxc_prepare: LXC 5 knows no idmapped overlay, so the lower tree is written with the container's ids beforehand.
lxc_prepare() {
	[ ! -e "$lxc_directory" ] || return 0
	echo root:1000000:1000000000 >"$TMPDIR/subid"
	mount --bind "$TMPDIR/subid" /etc/subuid
	mount --bind "$TMPDIR/subid" /etc/subgid
	mkdir -p "$lxc_directory/box/tree"
	chown 1000000:1000000 "$lxc_directory/box/tree"
	chmod 711 "$lxc_directory" "$lxc_directory/box"
	unshare --user --map-users=1000000,0,65536 --map-groups=1000000,0,65536 --setuid 0 --setgid 0 \
		tar -C "$lxc_directory/box/tree" -xp --exclude './dev/*' <"$SYSCT_TEST_IMAGES/debian-12/rootfs.tar"
	cat >"$lxc_directory/box/config" <<-END
		lxc.include = /usr/share/lxc/config/common.conf
		lxc.include = /usr/share/lxc/config/userns.conf
		lxc.rootfs.path = overlay:$lxc_directory/box/tree:$lxc_directory/box/delta/upper
		lxc.idmap = u 0 1000000 65536
		lxc.idmap = g 0 1000000 65536
		lxc.arch = linux64
		lxc.uts.name = box
		lxc.net.0.type = empty
		lxc.cgroup.dir.monitor = $own_cgroup/lxc-monitor
		lxc.cgroup.dir.monitor.pivot = $own_cgroup/lxc-pivot
		lxc.cgroup.dir.container = $own_cgroup/lxc-payload
	END
}

# lxc_fresh: as it was before the first boot.
lxc_fresh() {
	rm -rf "$lxc_directory/box/delta"
	mkdir -p "$lxc_directory/box/delta/upper"
	chown -R 1000000:1000000 "$lxc_directory/box/delta"
}

lxc_start=(lxc-start -P "$lxc_directory" -n box)
lxc_kill() { lxc-stop -P "$lxc_directory" -k -n box; }
lxc_pid() { lxc-info -P "$lxc_directory" -n box -p -H; }

# --- the bare launcher ----------------------------------------------------------------------------------------------

image_tree() { # the daemon's own unpacked image
	find "$SYSCT_DIR" -maxdepth 6 -path '*images*' -type d -name rootfs -print -quit
}

# enter CGROUP CMD...: runs it in this group of every v1 controller (cpuset apart, which needs filling). Under load a process in
# a group of its own gets another share of the processors than one outside: both sides of a ratio must be in one.
enter() {
	local hierarchy
	for hierarchy in cpu cpuacct memory pids blkio; do
		[ -d "/sys/fs/cgroup/$hierarchy" ] || continue
		mkdir -p "/sys/fs/cgroup/$hierarchy/$1"
		echo 0 >"/sys/fs/cgroup/$hierarchy/$1/tasks"
	done
	shift
	exec "$@"
}
export -f enter

# floor_start NUMBER: sets floor_began and floor_pid.
floor_start() {
	local directory=$TMPDIR/floor-$1 executed
	mkdir -m 711 "$directory"
	exec {floor_fd}< <(enter "$own_cgroup/floor" "$bench/launcher" "$(image_tree)" "$directory" 2000000000 \
		"/sys/fs/cgroup/${hybrid:+unified/}$own_cgroup/floor-$1")
	floor_launcher=$!
	read -r floor_began executed floor_pid <&$floor_fd
	add floor_exec $((executed - floor_began))
}

floor_end() { # NUMBER
	kill -KILL "$floor_pid"
	wait "$floor_launcher" 2>/dev/null || true
	exec {floor_fd}<&-
	find "/sys/fs/cgroup/${hybrid:+unified/}$own_cgroup/floor-$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
	rm -rf "$TMPDIR/floor-$1"
}

hybrid=
[ -e /sys/fs/cgroup/cgroup.controllers ] || hybrid=yes

# --- boots ----------------------------------------------------------------------------------------------------------

# finished PID: systemd's own word on when its boot ended, microseconds of CLOCK_MONOTONIC, when it has; looking seldom disturbs
# little, and the time is exact all the same.
finished() {
	local when
	sleep 0.4
	for _ in {1..300}; do
		when=$(nsenter -a -t "$1" systemctl show -p FinishTimestampMonotonic --value 2>/dev/null) || when=
		if [ "${when:-0}" != 0 ]; then
			echo "$when"
			return 0
		fi
		sleep 0.1
	done
	echo "bench: no boot ended in $1" >&2
	return 1
}

# --- memory and wakefulness ------------------------------------------------------------------------------------------

memory() { # PID FIELD...: KiB
	awk -v fields=":${*:2}:" 'BEGIN { gsub(/ /, ":", fields) } index(fields, ":" $1) { sum += $2 } END { print sum + 0 }' \
		"/proc/$1/smaps_rollup"
}
private_memory() { memory "$1" Private_Clean Private_Dirty; }

switches() { # PID: how often its threads left a processor; one that made no system call did not
	awk '/ctxt_switches/ { sum += $2 } END { print sum }' "/proc/$1"/task/*/status
}

monitors() { # pids of all monitors of this test's daemon
	cat "/sys/fs/cgroup/${hybrid:+unified/}$(cat "$SYSCT_DIR/cgroup")/.monitors/cgroup.procs"
}

# bench_end: nothing of it stays.
bench_end() {
	local hierarchy
	lxc-stop -P "$lxc_directory" -k -n box 2>/dev/null || true
	[ -z "$lxd_pid" ] || lxd_end || true
	umount /etc/subuid /etc/subgid 2>/dev/null || true
	daemon_end || true
	for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
		[ ! -d "$hierarchy/$own_cgroup" ] ||
			find "$hierarchy/$own_cgroup" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null || true
	done
}
