#!/bin/bash
# What programs in instances see on pure v2, the host's swap among it, and the file server by itself, as a service. Needs bb
# and deb.
# shellcheck disable=SC2016 # for shells in the instances
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=tests/vm/in-guest/guest.sh
. "$(dirname "$0")/guest.sh"

deb() { sysct exec deb -- "$@"; }
value() { awk -v name="$1:" '$1 == name { print $2 }'; } # of a text like meminfo
host_memory=$(value MemTotal </proc/meminfo)
host_cpus=$(nproc)

like "$(sysct info)" 'lxcfs: present' "the file server is there"
is "$(value MemTotal <$run/lxcfs/proc/meminfo)" "$host_memory" "the host sees itself"
sysct config set deb limits.memory=400MiB limits.cpu=1
is "$(deb free -k | awk '/^Mem:/ { print $2 }')" $((400 * 1024)) "free has the limit"
meminfo=$(deb cat /proc/meminfo)
for name in MemFree MemAvailable Cached Active Inactive; do
	ok -n "$name is no more than there is" test "$(value $name <<<"$meminfo")" -le $((400 * 1024))
done
is "$(deb sh -c 'echo $(nproc) $(getconf _NPROCESSORS_ONLN) $(grep -c ^processor /proc/cpuinfo) $(grep -c ^cpu[0-9] /proc/stat) $(lscpu -p | grep -vc ^#)')" \
	"1 1 1 1 1" "every source tells one processor"
sysct config set deb limits.cpu.allowance=$((host_cpus * 100 - 50))ms/100ms limits.cpu=
is "$(deb sh -c 'echo $(nproc) $(grep -c ^processor /proc/cpuinfo)')" "$host_cpus $host_cpus" "an allowance is rounded up"
is "$(limit deb cpu.max)" "$((host_cpus * 100000 - 50000)) 100000" "the kernel has it"
sysct config set deb limits.cpu.allowance=50%
is "$(limit deb cpu.weight) $(limit deb cpu.max)" "50 max 100000" "a share is half the usual weight"
sysct config set deb limits.cpu.allowance=
is "$(limit deb cpu.weight)" 100 "which it has again"

up=$(deb cut -d. -f1 /proc/uptime)
is "$(deb sh -c '[ "$(ps -o etimes= -p 1)" -le $(($(cut -d. -f1 /proc/uptime) + 1)) ] && echo agree')" agree "ps and uptime"
ok -n "the host is up for longer" test "$up" -le "$(cut -d. -f1 /proc/uptime)"
is "$(deb awk '{ print NF }' /proc/loadavg)" 5 "loadavg"
ok -n "top" deb top -b -n 1
ok -n "vmstat" deb vmstat
ok -n "pressure" deb sh -c '[ ! -e /proc/pressure ] || grep -q ^some /proc/pressure/memory'
is "$(sysct exec bb -- sh -c 'cat /proc/meminfo' | value MemTotal)" "$host_memory" "another instance has no limit"
sysct config set bb security.syscalls.intercept.sysinfo=true limits.memory=200MiB
sysct restart --force bb
is "$(sysct exec bb -- free | awk '/^Mem:/ { print $2 }')" $((200 * 1024)) "sysinfo is intercepted"
sysct config unset bb security.syscalls.intercept.sysinfo
sysct config unset bb limits.memory
sysct restart --force bb
sysct config unset deb limits.memory

# --- by itself ---

files=/var/lib/sysct-lxcfs
ok -n "the service starts" timeout 60 systemctl start sysct-lxcfs.service
is "$(value MemTotal <$files/proc/meminfo)" "$host_memory" "its files are there then"
pid=$(systemctl show -P MainPID sysct-lxcfs.service)
cat > /tmp/limited <<END
exec >/tmp/seen
cat $files/proc/meminfo
END
ok -n "a process in a pid namespace of its own, with a limit" \
	systemd-run -q --wait -p MemoryMax=100M unshare --pid --fork sh /tmp/limited
is "$(value MemTotal </tmp/seen)" 102400 "sees that"
ok -n "reload" systemctl reload sysct-lxcfs.service
is "$(systemctl show -P MainPID sysct-lxcfs.service)" "$pid" "goes on with the same process"
is "$(value MemTotal <$files/proc/meminfo)" "$host_memory" "and files"
exec {uptime}<$files/proc/uptime
kill -KILL "$pid"
restarted() { [ "$(systemctl show -P MainPID sysct-lxcfs.service)" != "$pid" ] && systemctl -q is-active sysct-lxcfs.service; }
ok -n "all of it is ended when its main process was killed, and started again" wait_until 60 restarted
like "$(cat <&$uptime)" '^[0-9.]+ [0-9.]+$' "a file that is open does not notice"
exec {uptime}<&-

# This kernel cannot be asked to send requests again that a worker had taken.
rm -f /tmp/stop
cat >/tmp/reader <<'END'
last=0 readings=0
while [ ! -e /tmp/stop ]; do
	read -r uptime idle <"$0/proc/uptime" || exit 1
	hundredths=$((10#${uptime%.*} * 100 + 10#${uptime#*.}))
	[ $hundredths -ge $last ] || { echo "uptime went back from $last to $hundredths"; exit 1; }
	grep -q ^SwapTotal: "$0/proc/meminfo" || exit 1
	last=$hundredths readings=$((readings + 1))
done
echo "$readings readings, idle $idle"
END
unshare --pid --fork --kill-child bash -c "$(cat /tmp/reader)" $files >/tmp/read 2>&1 &
reader=$!
pid=$(systemctl show -P MainPID sysct-lxcfs.service) last=''
worker() { # its line has no end
	read -r child _ <"/proc/$pid/task/$pid/children" || true
	[ "$child" ] && [ "$child" != "$last" ]
}
for ((i = 0; i < 60; i++)); do
	until worker; do :; done
	read -rt "0.0$((RANDOM % 90 + 10))" <> <(:) || true # the moment is what is tested
	kill -KILL "$child"
	last=$child
done
touch /tmp/stop
ok -n "the worker was killed 60 times while an instance read, which noticed nothing" wait $reader
diag "$(cat /tmp/read)"
ok -n "stop" timeout 60 systemctl stop sysct-lxcfs.service
fails -n "takes the mount away" mountpoint -q $files
like "$(sysct info)" 'lxcfs: present' "the daemon's is there"

done_testing
