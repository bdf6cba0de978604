#!/bin/bash
# The file server and the daemon: what programs in instances see, live changes, its life and death, hosts without it.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

[ -e /dev/fuse ] || skip_all "no FUSE"
mounted=$SYSCT_DIR/run/lxcfs

box() { sysct exec box -- "$@"; }
deb() { sysct exec deb -- "$@"; }
value() { awk -v name="$1:" '$1 == name { print $2 }'; }	 # of a text like meminfo
field() { awk -v n="$1" '{ print $n; exit }'; }
processors() { grep -c '^processor' || true; }
tell() { python3 -c 'import json, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(json.loads(s.makefile().read())[sys.argv[2]])' "$mounted.socket" "$1"; }
near() { test "$1" -ge $(($2 - $3)) -a "$1" -le $(($2 + $3)); } # A B MOST
workers() { cat "/proc/$server/task/$server/children"; }
another_worker() { [ "$(workers)" ] && [ "$(workers)" != "$worker" ]; }
at_most() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 <= b + 0) }'; }

# Programs of its own, so that one can be replaced.
programs=$TMPDIR/sbin
mkdir "$programs"
built=$(dirname "$(command -v sysctd)")
cp "$built/sysctd" "$built/sysct-lxcfs" "$programs"
PATH=$programs:$PATH

daemon_start
host_cpus=$(nproc)
host_memory=$(value MemTotal </proc/meminfo)

# --- it is there ---

like "$(sysct info)" 'lxcfs: present' "info tells that it is there"
server=$(tell pid)
is "$(tell mountpoint)" "$mounted" "it serves in the run directory"
like "$(cat "/proc/$server/cgroup")" "/$(cat "$SYSCT_DIR/cgroup")/.monitors" "outside the daemon's control group"
for child in $(workers); do
	like "$(cat "/proc/$child/cgroup")" "/$(cat "$SYSCT_DIR/cgroup")/.monitors" "its worker too"
done
is "$(value MemTotal <"$mounted/proc/meminfo")" "$host_memory" "a process of the host reads the host's values"
is "$(processors <"$mounted/proc/cpuinfo")" "$host_cpus" "its processors too"

# --- what programs see ---

sysct launch busybox box -c limits.memory=64MiB -c limits.cpu=1
sysct launch debian deb -c limits.memory=300MiB -c security.syscalls.intercept.sysinfo=true
born=$(date +%s)
ok -n "a Debian boots to running" boots deb
for file in $(cd "$mounted" && find proc -type f); do
	like "$(deb grep -F " /$file fuse" /proc/self/mounts)" lxcfs "/$file is the server's"
done
is "$(box cat /proc/meminfo | value MemTotal)" 65536 "MemTotal is the limit"
is "$(deb cat /proc/meminfo | value MemTotal)" $((300 * 1024)) "another instance has another"
is "$(deb free -k | awk '/^Mem:/ { print $2 }')" $((300 * 1024)) "free"
ok -n "no more is free than there is" at_most "$(deb free -k | awk '/^Mem:/ { print $4 }')" $((300 * 1024))
ok -n "no more is available either" at_most "$(deb cat /proc/meminfo | value MemAvailable)" $((300 * 1024))
like "$(deb top -b -n 1)" "MiB Mem : +300\.0 total" "top"
like "$(deb vmstat)" 'swpd' "vmstat"
is "$(deb vmstat -s | awk '/total memory/ { print $1 }')" $((300 * 1024)) "vmstat -s"

# Sources of the number of processors: as many as said, in each.
agree() { # INSTANCE COUNT: "" or what does not
	local seen name=$1 count=$2
	seen=$(sysct exec "$name" -- sh -c 'echo "nproc $(nproc)"
		echo "cpuinfo $(grep -c ^processor /proc/cpuinfo)"
		echo "stat $(grep -c "^cpu[0-9]" /proc/stat)"
		echo "sysfs $(ls -d /sys/devices/system/cpu/cpu[0-9]* | wc -l)"
		if command -v getconf >/dev/null; then
			echo "getconf $(getconf _NPROCESSORS_ONLN)"
			echo "lscpu $(lscpu | awk "/^CPU\(s\):/ { print \$2 }")"
			echo "parsed $(lscpu -p=cpu | grep -vc "^#")"
		fi')
	awk -v count="$count" '$2 != count' <<<"$seen"
}
is "$(agree box 1)" "" "every source tells 1 processor"
is "$(agree deb "$host_cpus")" "" "and all of them where there is no limit"
is "$(deb awk '{ print NF }' /proc/loadavg)" 5 "loadavg has five fields"
like "$(deb uptime)" 'up [0-4] min' "uptime begins with the instance"
ok -n "/proc/uptime does" at_most "$(deb cat /proc/uptime | field 1)" $(($(date +%s) - born + 2))
ok -n "and so does btime" near "$(deb awk '/^btime/ { print $2 }' /proc/stat)" "$born" 3
ok -n "ps counts from there" at_most "$(deb ps -o etimes= -p 1)" $(($(date +%s) - born + 2))
ok -n "processes are its own" at_most "$(deb cat /proc/loadavg | field 4 | cut -d/ -f2)" 60
is "$(deb cat /proc/swaps | wc -l)" 1 "no swap of the host's"
ok -n "tail, wc and cp know the files" deb sh -c 'cp /proc/meminfo /tmp/m && [ "$(wc -l </tmp/m)" = "$(wc -l </proc/meminfo)" ] && tail -n 1 /proc/uptime'
fails -n "nobody writes to them" deb sh -c 'echo x >/proc/meminfo'

# --- sysinfo(2): busybox's free and uptime ask it ---

is "$(box free | awk '/^Mem:/ { print $2 }')" "$host_memory" "sysinfo tells the host's memory"
like "$(box uptime)" 'up [0-4] min' "but not its uptime"
sysct config set box security.syscalls.intercept.sysinfo=true
ok -n "unless it is intercepted, from the next start on" sysct restart --force box
is "$(box free | awk '/^Mem:/ { print $2 }')" 65536 "in a command"
asked=$(box sh -c 'free; cat /proc/meminfo')
ok -n "free memory as meminfo has it" near "$(awk '/^Mem:/ { print $4 }' <<<"$asked")" "$(value MemFree <<<"$asked")" 1024
sysct exec box -- cat /bin/busybox | deb sh -c 'cat >/root/busybox && chmod +x /root/busybox'
is "$(deb systemd-run -q --wait --pipe /root/busybox free | awk '/^Mem:/ { print $2 }')" $((300 * 1024)) "in a child of init"
deb mv /root/busybox /usr/local/bin/busybox
is "$(deb setpriv --reuid 1000 --clear-groups busybox free | awk '/^Mem:/ { print $2 }')" $((300 * 1024)) "in a user's command"
is "$(deb unshare -Urpf busybox free | awk '/^Mem:/ { print $2 }')" $((300 * 1024)) "in namespaces of a command's own"
# shellcheck disable=SC2016 # for the shell inside
is "$(deb sh -c 'for i in $(seq 20); do busybox free & done; wait' | grep -c "^Mem: *$((300 * 1024))")" 20 "asked by many at once"
monitor=$(instance_monitor_pid box)
listeners() { descriptors "$monitor" 'seccomp notify'; }
quiet() { [ "$(listeners)" = 1 ]; }
ok -n "nothing is kept for commands that ended" wait_until 5 quiet

# --- limits change ---

sysct config set deb limits.memory=200MiB
is "$(deb free -k | awk '/^Mem:/ { print $2 }')" $((200 * 1024)) "limits.memory, live"
sysct config set deb limits.cpu=1
is "$(agree deb 1)" "" "limits.cpu, live"
sysct config unset deb limits.cpu
sysct config set deb limits.cpu.allowance=30ms/100ms
is "$(agree deb 1)" "" "an allowance of less than one"
sysct config set deb limits.cpu.allowance=$((host_cpus * 100 - 10))ms/100ms
is "$(agree deb "$host_cpus")" "" "is rounded up"
sysct config unset deb limits.cpu.allowance
sysct config unset deb limits.memory
is "$(deb free -k | awk '/^Mem:/ { print $2 }')" "$host_memory" "unset, all of the host's"
sysct config set deb limits.memory=300MiB

# --- namespaces inside ---

is "$(deb readlink /proc/self/ns/time)" "$(deb readlink /proc/1/ns/time)" "commands have the clocks of the instance"

is "$(deb unshare -pf cat /proc/meminfo | value MemTotal)" $((300 * 1024)) "a pid namespace in the instance has its values"
is "$(deb unshare -Urpf cat /proc/meminfo | value MemTotal)" $((300 * 1024)) "a user namespace too"
ok -n "its uptime is the instance's, from where its start times count" deb sh -c '[ "$(cut -d. -f1 /proc/uptime)" -le "$(unshare -pf cut -d. -f1 /proc/uptime)" ]'
ok -n "another proc can be mounted there" deb unshare -Urpf --mount-proc true
is "$(deb unshare -mpf --mount-proc cat /proc/meminfo | value MemTotal)" "$host_memory" "which is the kernel's own"

# --- its life ---

ok -n "the daemon's restart" daemon_stop
daemon_start
is "$(tell pid)" "$server" "finds the same server"
deb sh -c 'while cat /proc/meminfo /proc/stat >/dev/null; do :; done; touch /tmp/failed' >/dev/null 2>&1 &
reader=$!
for _ in 1 2 3 4 5; do
	worker=$(workers)
	# shellcheck disable=SC2086 # one, and a space
	kill -KILL $worker
	wait_until 5 another_worker
	sleep 0.1
done
ok -n "its worker is killed, and readers do not notice" kill -0 $reader
fails -n "none" deb test -e /tmp/failed
daemon_stop
cp "$built/sysct-lxcfs" "$programs/new"
mv "$programs/new" "$programs/sysct-lxcfs"
daemon_start
replaced() { [ "/proc/$server/exe" -ef "$programs/sysct-lxcfs" ]; }
ok -n "a new program takes over when the daemon is started" wait_until 5 replaced
is "$(tell pid)" "$server" "as the same process"
ok -n "and readers do not notice" kill -0 $reader
kill $reader
is "$(box cat /proc/meminfo | value MemTotal)" 65536 "values are there"
# A worker without its supervisor becomes one.
kill -KILL "$server"
succeeded() { [ "$(tell pid)" != "$server" ]; }
ok -n "its supervisor is killed, and has a successor" wait_until 10 succeeded
ok -n "with which the next instance starts" sysct launch busybox next -c limits.memory=32MiB
is "$(sysct exec next -- cat /proc/meminfo | value MemTotal)" 32768 "and sees its values"
is "$(box cat /proc/meminfo | value MemTotal)" 65536 "those before keep theirs"
like "$(sysct info)" 'lxcfs: present' "nothing is to be told"
sysct delete --force next
killed() {
	pgrep -f "^sysct-lxcfs --.* $mounted" | xargs -r kill -KILL
	! pgrep -f "^sysct-lxcfs --.* $mounted"
}
ok -n "all of it is killed" wait_until 5 killed
ok -n "sysinfo is the kernel's then" box uptime
fails -n "its files are gone" box cat /proc/meminfo
like "$(sysct info)" 'lxcfs: .?absent.* has died' "info tells"
ok -n "the next instance" sysct launch busybox late -c limits.memory=32MiB
is "$(sysct exec late -- cat /proc/meminfo | value MemTotal)" 32768 "has a server again"
ok -n "and another after its restart" sysct restart --force box
is "$(box cat /proc/meminfo | value MemTotal)" 65536 "too"
like "$(cat "$daemon_log")" 'sysct-lxcfs has died' "the log tells"

# --- without it ---

sysct delete --force late box deb
server=$(tell pid)
daemon_stop
fails -n "the server ends with a daemon that ends while no instance runs" readlink "/proc/$server/exe"
fails -n "and its mount" mountpoint -q "$mounted"
mount --bind /dev/null /dev/fuse
daemon_start
like "$(sysct info)" 'lxcfs: .?absent' "info tells that there is none"
ok -n "an instance starts without it" sysct launch busybox box -c limits.memory=64MiB
is "$(box cat /proc/meminfo | value MemTotal)" "$host_memory" "it has the host's values"
like "$(sysct info box)" 'Warning: .*host' "its info tells"
sysct launch busybox other
is "$(grep -c "host's values" "$daemon_log")" 1 "the log tells once"
daemon_stop
umount /dev/fuse
daemon_start
like "$(sysct info box)" 'Warning: .*host' "a restarted daemon still knows"
like "$(sysct info)" 'lxcfs: present' "FUSE is there again"
sysct restart --force box
is "$(box cat /proc/meminfo | value MemTotal)" 65536 "after a restart the instance has its values"
fails -n "and no warning" sh -c 'sysct info box | grep Warning'
rm "$programs/sysct-lxcfs"
sysct delete --force box other
daemon_stop
daemon_start
like "$(sysct info)" 'lxcfs: .?absent.*sysct-lxcfs' "without the program, info names it"
ok -n "instances start" sysct launch busybox box

daemon_end
done_testing
