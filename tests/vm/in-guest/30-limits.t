#!/bin/bash
# Limits on pure v2: at start and live, seen inside and by the kernel; what happens at them; what systemd, the host's and
# the instance's, does beside them. Needs deb.
# shellcheck disable=SC2016 # for shells in the instances
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=tests/vm/in-guest/guest.sh
. "$(dirname "$0")/guest.sh"

MiB=1048576
all_cpus=$(nproc)
ok -n "this machine has more than one CPU" test "$all_cpus" -gt 1

# --- at start ---

ok -n "launch with limits" sysct launch busybox small -c limits.memory=64MiB -c limits.cpu=1 -c limits.processes=40
is "$(limit small memory.max)" $((64 * MiB)) "memory at start"
is "$(limit small pids.max)" 40 "processes at start"
like "$(limit small cpuset.cpus.effective)" '^[0-9]+$' "one CPU at start"
is "$(sysct exec small -- nproc)" 1 "one CPU for nproc"

# --- at the limit ---

hog=(dd if=/dev/zero of=/dev/null bs=150M count=1) # one buffer, filled
oom_kills() { sed -n 's/^oom_kill //p' "$cgroups/$1/memory.events"; }
pid=$(instance_init_pid small)
is "$(exit_status sysct exec bb -- "${hog[@]}")" 0 "a command takes 150 MiB where nothing limits it"
is "$(exit_status sysct exec small -- "${hog[@]}")" 137 "it is killed where 64 MiB are the limit"
ok -n "by the instance's own limit" test "$(oom_kills small)" -ge 1
is "$(oom_kills bb) $(oom_kills deb)" "0 0" "other instances notice nothing"
is "$(instance_status small) $(instance_init_pid small)" "Running $pid" "the instance lives on"
ok -n "exec works after that" sysct exec small -- true
sysct exec small -- sh -c 'i=0; while [ $i -lt 60 ]; do i=$((i + 1)); sleep 1000 & done' >/tmp/forks 2>&1 || true
like "$(cat /tmp/forks)" "can't fork" "a process too many is refused"
ok -n "none is there" test "$(limit small pids.current)" -le 40
ok -n "by the instance's own limit" test "$(sed -n 's/^max //p' "$cgroups/small/pids.events")" -ge 1
ok -n "the host and others may go on" sysct exec bb -- true
sysct delete --force small

# --- live ---

pid=$(instance_init_pid deb)
is "$(limit deb memory.max) $(limit deb pids.max)" "max max" "no limits to begin with"
is "$(sysct exec deb -- nproc)" "$all_cpus" "all CPUs to begin with"
ok -n "memory" sysct config set deb limits.memory=300MiB
is "$(limit deb memory.max)" $((300 * MiB)) "it is set"
ok -n "memory in percent" sysct config set deb limits.memory=25%
total=$(($(awk '/^MemTotal/ { print $2 }' /proc/meminfo) * 1024)) # awk would print it as 3.1e+09
is "$(limit deb memory.max)" $((total / 4 / 4096 * 4096)) "of the host's"
ok -n "a number of CPUs" sysct config set deb limits.cpu=1
is "$(sysct exec deb -- nproc)" 1 "seen inside"
ok -n "a set of CPUs" sysct config set deb limits.cpu=1-1
is "$(limit deb cpuset.cpus)" 1 "it is set"
is "$(sysct exec deb -- grep Cpus_allowed_list /proc/self/status)" $'Cpus_allowed_list:\t1' "seen by a new process"
is "$(grep Cpus_allowed_list "/proc/$pid/status")" $'Cpus_allowed_list:\t1' "and by those that were there"
fails -n "a CPU that the host does not have" sysct config set deb limits.cpu=63-63
is "$(limit deb cpuset.cpus)" 1 "leaves the set as it was"
ok -n "processes" sysct config set deb limits.processes=200
is "$(limit deb pids.max)" 200 "it is set"
is "$(instance_init_pid deb)" "$pid" "none of that disturbed it"

# --- the instance and its limits ---

fails -n "root of the instance raises its memory limit" sysct exec deb -- sh -c 'echo max >/sys/fs/cgroup/memory.max'
is "$(limit deb memory.max)" $((total / 4 / 4096 * 4096)) "it is as before"
fails -n "root of the instance sees the host's control groups" sysct exec deb -- test -e /sys/fs/cgroup/sysct
is "$(sysct exec deb -- systemd-run --quiet --pipe --wait -p MemoryMax=48M -p TasksMax=9 -p CPUWeight=30 sh -c \
	'cd /sys/fs/cgroup/$(cut -d: -f3 /proc/self/cgroup) && echo $(cat memory.max pids.max cpu.weight)')" \
	"$((48 * MiB)) 9 30" "the instance's systemd sets limits of its own below"

# --- the host's systemd beside them ---

is "$(controllers /sys/fs/cgroup)" "cpu cpuset io memory pids" "the host's top group has the controllers enabled"
is "$(controllers $cgroups)" "cpu cpuset io memory pids" "so has ours, for instances"
ok -n "a unit that uses and drops controllers" systemd-run --quiet --wait -p CPUWeight=50 -p AllowedCPUs=0 -p IOWeight=50 true
ok -n "daemon-reload" systemctl daemon-reload
is "$(controllers /sys/fs/cgroup)" "cpu cpuset io memory pids" "the controllers are still enabled"
is "$(limit deb memory.max) $(limit deb cpuset.cpus) $(limit deb pids.max)" "$((total / 4 / 4096 * 4096)) 1 200" "limits are as before"
is "$(sysct exec deb -- nproc)" 1 "inside too"
ok -n "the service is active still" active

# --- a reboot from inside keeps what was set live ---

monitor=$(instance_monitor_pid deb)
sysct exec deb -- reboot >/dev/null 2>&1 || true
ok -n "a reboot from inside gives another init" reboots deb "$pid"
is "$(instance_monitor_pid deb)" "$monitor" "below the same monitor"
is "$(limit deb memory.max) $(limit deb cpuset.cpus) $(limit deb pids.max)" "$((total / 4 / 4096 * 4096)) 1 200" "with the same limits"
ok -n "unset the CPUs" sysct config unset deb limits.cpu # before it has booted: two make that shorter
is "$(limit deb cpuset.cpus.effective)" "$(cat /sys/fs/cgroup/cpuset.cpus.effective)" "all are there again"
ok -n "its second boot ends \"running\"" boots deb
is "$(sysct exec deb -- systemctl --failed --no-legend --plain)" "" "no unit has failed"
is "$(sysct exec deb -- nproc)" "$all_cpus" "nproc tells all CPUs"
ok -n "one CPU again" sysct config set deb limits.cpu=1
is "$(sysct exec deb -- nproc)" 1 "seen inside"
ok -n "as many as there are" sysct config set deb limits.cpu="$all_cpus"
is "$(sysct exec deb -- nproc)" "$all_cpus" "seen inside"
ok -n "unset the memory" sysct config unset deb limits.memory
ok -n "unset the processes" sysct config unset deb limits.processes
is "$(limit deb memory.max) $(limit deb pids.max)" "max max" "no limits again"

done_testing
