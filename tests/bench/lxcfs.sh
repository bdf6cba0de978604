# shellcheck shell=bash disable=SC2154 # variables of and for tap.sh, daemon.sh and lib.sh
# Sourced by tests/bench/figures: readings of sysct-lxcfs against those of Debian 12's and Debian 13's lxcfs, from one pid
# namespace with limits. Rows end with how many threads read (1, 8) and whether reader and server share one processor.

lxcfs_files='proc/cpuinfo proc/meminfo proc/stat proc/uptime proc/loadavg proc/swaps proc/diskstats sys/devices/system/cpu/online'
declare -A lxcfs_mount=() lxcfs_pid=()

# lxcfs_start NAME COMMAND...: a server whose process is this one's child.
lxcfs_start() {
	local name=$1
	shift
	"$@" >"$TMPDIR/$name.log" 2>&1 &
	lxcfs_pid[$name]=$!
	wait_until 20 test -e "${lxcfs_mount[$name]}/proc/stat" || { echo "bench: $name does not start: $(tail -n 3 "$TMPDIR/$name.log")" >&2; return 1; }
}

# Debian 13's program with its libraries, which ./run has got.
lxcfs_newer() {
	local tree=${SYSCT_TEST_CACHE:-$HOME/.cache/sysct-tests}/lxcfs-trixie part
	[ -x "$tree/usr/bin/lxcfs" ] || return 1
	mkdir -p "$tree/mnt"
	mount --bind "$tree" "$tree" # it wants its root to be a mount
	lxcfs_mount[newer]=$tree/mnt
	for part in proc sys run dev; do
		mkdir -p "$tree/$part"
		mount --rbind "/$part" "$tree/$part"
	done
	lxcfs_start newer chroot "$tree" /usr/bin/lxcfs --enable-loadavg -p /run/lxcfs-newer.pid /mnt
}

lxcfs_servers() {
	local name
	for name in ours older; do
		lxcfs_mount[$name]=$TMPDIR/lxcfs-$name
		mkdir -p "${lxcfs_mount[$name]}"
	done
	lxcfs_start ours sysct-lxcfs --foreground "${lxcfs_mount[ours]}"
	# Its worker is what reads.
	lxcfs_supervisor=${lxcfs_pid[ours]}
	lxcfs_pid[ours]=$(tr -d ' ' <"/proc/$lxcfs_supervisor/task/$lxcfs_supervisor/children")
	lxcfs_start older lxcfs --enable-loadavg -p "$TMPDIR/older.pid" "${lxcfs_mount[older]}" || unset 'lxcfs_mount[older]'
	lxcfs_newer || unset 'lxcfs_mount[newer]'
}

lxcfs_end() {
	local name
	for name in older newer; do
		[ ! "${lxcfs_pid[$name]:-}" ] || kill "${lxcfs_pid[$name]}"
	done
	kill "$lxcfs_supervisor"
	wait "${lxcfs_pid[@]}" "$lxcfs_supervisor" 2>/dev/null || true
}

cpu_time() { # PID: ns that all its threads have used (clock_getcpuclockid(3))
	python3 -c 'import sys, time; print(time.clock_gettime_ns((~int(sys.argv[1]) << 3) | 2))' "$1"
}

# limited COMMAND...: in a pid namespace and in groups with limits.
limited() {
	local hierarchy
	for hierarchy in cpu cpuacct cpuset memory pids blkio unified; do
		[ ! -d "/sys/fs/cgroup/$hierarchy/$own_cgroup/limited" ] || echo $BASHPID >"/sys/fs/cgroup/$hierarchy/$own_cgroup/limited/cgroup.procs"
	done
	exec unshare --pid --fork --kill-child "$@"
}

limits() {
	local hierarchy directory
	for hierarchy in cpu cpuacct cpuset memory pids blkio unified; do
		directory=/sys/fs/cgroup/$hierarchy/$own_cgroup
		[ -d "/sys/fs/cgroup/$hierarchy" ] || continue
		mkdir -p "$directory/limited"
		[ $hierarchy != cpuset ] || for directory in "$directory" "$directory/limited"; do
			cat "/sys/fs/cgroup/cpuset/cpuset.cpus" >"$directory/cpuset.cpus"
			cat "/sys/fs/cgroup/cpuset/cpuset.mems" >"$directory/cpuset.mems"
		done
	done
	echo $((512 << 20)) >"/sys/fs/cgroup/memory/$own_cgroup/limited/memory.limit_in_bytes"
	echo 200000 >"/sys/fs/cgroup/cpu/$own_cgroup/limited/cpu.cfs_quota_us"
}

lxcfs_once() { # SERVER FILE THREADS PINNED
	local before after p50 p99 count=$((2000 / $3)) pin=()
	[ "$4" = free ] || pin=(taskset -c 0)
	before=$(cpu_time "${lxcfs_pid[$1]}")
	read -r p50 p99 < <(limited "${pin[@]}" "$bench/readings" "$count" "$3" "${lxcfs_mount[$1]}/$2") || return 0
	after=$(cpu_time "${lxcfs_pid[$1]}")
	add "$1-p50" "$((p50 / 10))e-2"
	add "$1-p99" "$((p99 / 10))e-2"
	add "$1-cpu" "$(((after - before) / count / $3 / 10))e-2"
}

# The better one of the two, of a figure.
lxcfs_peer() { { median "older-$1"; median "newer-$1"; } | sort -n | head -1; }

lxcfs_row() { # NAME FIGURE
	local ours theirs
	ours=$(median "ours-$2") theirs=$(lxcfs_peer "$2")
	row "$1" "${ours}us" "${theirs}us" "$(quotient "$ours" "$theirs")" 0.5 0.5
	[ -z "$theirs" ] || lxcfs_ratios[$2]="${lxcfs_ratios[$2]:-} $(quotient "$ours" "$theirs")"
}

figure_lxcfs() {
	local file threads pinned server figure round
	declare -A lxcfs_ratios=()
	limits
	lxcfs_servers
	for pinned in pinned free; do
		for server in "${!lxcfs_mount[@]}"; do
			quietly taskset -acp "$([ $pinned = pinned ] && echo 0 || echo "0-$(($(nproc --all) - 1))")" "${lxcfs_pid[$server]}"
		done
		for threads in 1 8; do
			for file in $lxcfs_files; do
				samples=()
				for ((round = 0; round < 5 * ${REPEAT:-1}; round++)); do
					for server in "${!lxcfs_mount[@]}"; do lxcfs_once "$server" "$file" $threads $pinned; done
				done
				for figure in p50 cpu; do lxcfs_row "${file##*/}-$threads-$pinned-$figure" $figure; done
			done
		done
	done
	for figure in p50 cpu; do
		# shellcheck disable=SC2086
		round=$(printf '%s\n' ${lxcfs_ratios[$figure]} | awk '{ sum += $1 } END { if (NR) printf "%.3f", sum / NR }')
		row "lxcfs-mean-$figure" - - "$round" 0.35 0.35
	done
	lxcfs_end
}

# A hundred instances with `top -d 0.2`, and one that reads.
lxcfs_crowd() { # COUNT COMMAND: of a shell, with the files bound over /proc
	local i
	for ((i = 0; i < $1; i++)); do
		# shellcheck disable=SC2016
		unshare --pid --fork --mount --mount-proc --kill-child sh -c 'cd "$1"/proc && for file in *; do
			[ ! -f $file ] || mount --bind $file /proc/$file; done; eval "$2"' - "${lxcfs_mount[ours]}" "$2" &
		lxcfs_members+=($!)
	done
}

lxcfs_crowd_end() {
	kill -KILL "${lxcfs_members[@]}"
	wait "${lxcfs_members[@]}" 2>/dev/null || true
	lxcfs_members=()
}

figure_lxcfs_crowd() {
	local file
	lxcfs_members=()
	limits
	lxcfs_servers
	lxcfs_crowd 100 'exec top -b -d 0.2 >/dev/null'
	sleep 5 # all of them are at it
	[ "$(pgrep -c -x top)" -ge 100 ] || echo "bench: not all of the instances run" >&2
	for file in $lxcfs_files; do
		samples=()
		lxcfs_once ours "$file" 1 free
		row "${file##*/}-p99-100-instances" "$(median ours-p99 1000)ms" - "$(quotient "$(median ours-p99 1000)" 10)" 10ms 1
	done
	lxcfs_crowd_end
	# What is kept of each: the first process of each waits.
	lxcfs_crowd 1000 'cat /proc/meminfo /proc/stat /proc/loadavg /proc/cpuinfo /proc/diskstats >/dev/null; exec sleep 1000'
	sleep 10
	samples=()
	add resident "$(memory "${lxcfs_pid[ours]}" Rss)"
	within lxcfs-resident-1000-instances resident 8 MiB
	lxcfs_crowd_end
	lxcfs_end
}
