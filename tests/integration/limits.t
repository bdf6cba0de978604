#!/bin/bash
# limits.memory, limits.cpu, limits.processes: at start and live, in the files of this host's control groups and in their effect.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

box() {
	sysct exec box -- "$@"
}

# The host's layout decides which file has a limit.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
	memory_file=memory.max memory_none=max cpus_none=''
else
	memory_file=memory.limit_in_bytes memory_none=$(cat /sys/fs/cgroup/memory/memory.limit_in_bytes)
	cpus_none=$(cat /sys/fs/cgroup/cpuset/cpuset.cpus)
fi
memory_limit() { cat "$(instance_cgroup box memory)/$memory_file"; }
cpu_set() { cat "$(instance_cgroup box cpuset)/cpuset.cpus"; }
quota() { # in ms of each period
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		awk '{ print ($1 == "max" ? "none" : $1 / 1000 "/" $2 / 1000) }' "$(instance_cgroup box)/cpu.max"
	else
		awk -v period="$(cat "$(instance_cgroup box cpu)/cpu.cfs_period_us")" \
			'{ print ($1 < 0 ? "none" : $1 / 1000 "/" period / 1000) }' "$(instance_cgroup box cpu)/cpu.cfs_quota_us"
	fi
}
weight() { # percent of the usual
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		cat "$(instance_cgroup box)/cpu.weight"
	else
		awk '{ print int($1 * 100 / 1024 + 0.5) }' "$(instance_cgroup box cpu)/cpu.shares"
	fi
}
process_limit() { cat "$(instance_cgroup box pids)/pids.max"; }

# threads CPUS: how many CPUs a list like 0-2,5 has
cpu_count() {
	tr ',' '\n' <<<"$1" | awk -F- 'NF { sum += NF > 1 ? $2 - $1 + 1 : 1 } END { print sum + 0 }'
}

oom_kills() { # of the instance, for the kernel
	if [ -e "$(instance_cgroup box)/memory.events" ]; then
		awk '/^oom_kill / { print $2 }' "$(instance_cgroup box)/memory.events"
	else
		awk '/^oom_kill / { print $2 }' "$(instance_cgroup box memory)/memory.oom_control"
	fi
}

host_cpus=$(nproc)
daemon_start

# --- none ---

sysct launch busybox box
pid=$(instance_init_pid box)
is "$(memory_limit)" "$memory_none" "no memory limit unless asked"
is "$(cpu_set)" "$cpus_none" "all CPUs"
is "$(process_limit)" max "any number of processes"
is "$(box nproc)" "$host_cpus" "nproc counts the host's"

# --- live ---

ok -n "limits.memory, live" sysct config set box limits.memory=64MiB
is "$(memory_limit)" 67108864 "the kernel has it"
ok -n "limits.processes, live" sysct config set box limits.processes=50
is "$(process_limit)" 50 "the kernel has it"
ok -n "limits.cpu, a count, live" sysct config set box limits.cpu=1
is "$(cpu_count "$(cpu_set)")" 1 "the kernel has it"
is "$(box nproc)" 1 "nproc tells it to a new process"
is "$(taskset -pc "$pid" | sed 's/.*: //')" "$(cpu_set)" "init is bound to it"
ok -n "limits.cpu, a set, live" sysct config set box limits.cpu=0-0
is "$(cpu_set)" 0 "the kernel has it"
is "$(box sh -c 'grep Cpus_allowed_list /proc/self/status' | tr -d '[:space:]')" Cpus_allowed_list:0 "a new process too"
if [ "$host_cpus" -gt 1 ]; then
	sysct config set box limits.cpu=1-1
	is "$(cpu_set)" 1 "another set"
	sysct config set box limits.cpu=0,1
	is "$(cpu_set)" 0-1 "a list"
else
	skip "one CPU" 2
fi
sysct config set box limits.memory=50%
total=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
is "$(memory_limit)" "$((total * 1024 / 2 / 4096 * 4096))" "a share of the host's memory"
is "$(instance_init_pid box)" "$pid" "init is the same all the while"

# --- limits.cpu.allowance, live ---

sysct config unset box limits.cpu
is "$(quota) $(weight)" "none 100" "no allowance unless asked"
ok -n "a hard allowance" sysct config set box limits.cpu.allowance=30ms/100ms
is "$(quota)" 30/100 "the kernel has it"
is "$(cpu_count "$(cpu_set)")" 1 "it binds to as many CPUs as it needs"
is "$(box nproc)" 1 "nproc tells it"
ok -n "of more than all CPUs" sysct config set box limits.cpu.allowance=$((host_cpus * 200))ms/200ms
is "$(quota) $(box nproc)" "$((host_cpus * 200))/200 $host_cpus" "the kernel has it, and all CPUs are there"
sysct config set box limits.cpu.allowance=10ms/20ms limits.cpu="0-$((host_cpus - 1))"
is "$(quota) $(box nproc)" "10/20 1" "of a set of CPUs, it leaves as many as it needs"
ok -n "a weight" sysct config set box limits.cpu.allowance=50%
is "$(quota) $(weight) $(box nproc)" "none 50 $host_cpus" "replaces it"
fails -n "no allowance" sysct config set box limits.cpu.allowance=10ms
is "$(quota) $(weight)" "none 50" "changes nothing"
sysct config unset box limits.cpu.allowance limits.cpu
is "$(quota) $(weight) $(cpu_set)" "none 100 $cpus_none" "unset again"

# --- refused values change nothing ---

sysct config set box limits.memory=64MiB limits.cpu=0-0 limits.processes=50
for bad in limits.memory=lots limits.memory=-1 limits.memory=101% limits.cpu=x limits.cpu=1-0 limits.cpu=-2 limits.processes=none limits.processes=0 limits.processes=-5; do
	fails -n "$bad" sysct config set box "$bad"
	like "$(cat "$TAP_OUTPUT")" "${bad%%=*}" "the message names it"
done
fails -n "a CPU that the host has not" sysct config set box limits.cpu=4000-4001
like "$(cat "$TAP_OUTPUT")" 'limits.cpu|CPU' "the message says what it was about"
is "$(memory_limit) $(cpu_set) $(process_limit)" "67108864 0 50" "the kernel has the old limits"
is "$(sysct config get box limits.memory) $(sysct config get box limits.cpu) $(sysct config get box limits.processes)" "64MiB 0-0 50" "so has the configuration"
fails -n "one bad of two" sysct config set box limits.memory=32MiB limits.cpu=4000-4001
is "$(memory_limit) $(cpu_set)" "67108864 0" "neither is applied"
is "$(sysct config get box limits.memory)" 64MiB "neither is stored"
fails -n "launch with a bad limit" sysct launch busybox bad -c limits.memory=lots
ok -n "makes no instance" instance_gone bad
fails -n "launch with a CPU that the host has not" sysct launch busybox bad -c limits.cpu=4000-4001
ok -n "makes no instance either" instance_gone bad

# --- their effect ---

# Twenty sleeps more than allowed; what could be started is counted by the kernel.
box sh -c 'for i in $(seq 70); do sleep 600 & done' >/dev/null 2>&1 || true
ok -n "processes stay within the limit" test "$(cat "$(instance_cgroup box pids)/pids.current")" -le 50
ok -n "and reach it" test "$(cat "$(instance_cgroup box pids)/pids.current")" -ge 45
# shellcheck disable=SC2046 # many pids
kill $(instance_processes box '^sleep 600')
free_again() { [ "$(cat "$(instance_cgroup box pids)/pids.current")" -lt 20 ]; }
wait_until 10 free_again
before=$(oom_kills)
status=0
box sh -c 'tail /dev/zero' >/dev/null 2>&1 || status=$?
is "$status" 137 "what takes more memory is killed"
ok -n "by the instance's own limit" test "$(oom_kills)" -gt "$before"
is "$(instance_status box) $(instance_init_pid box)" "Running $pid" "init lives on"
ok -n "and exec works" box true
ok -n "the daemon lives on" kill -0 "$daemon_pid"
sysct info box >"$TMPDIR/info"
like "$(sysct query /1.0/instances/box/state | tr -d ' \n')" '"total":67108864' "the state tells the limit"

# --- a limit below what is in use ---

sysct config unset box limits.memory
box sh -c 'mkdir -p /run/big && mount -t tmpfs -o size=100m tmpfs /run/big && dd if=/dev/zero of=/run/big/file bs=1M count=80 2>/dev/null'
if sysct config set box limits.memory=40MiB >"$TMPDIR/small" 2>&1; then
	is "$(memory_limit)" 41943040 "a limit below the usage that is taken is in force"
else
	is "$(memory_limit)" "$memory_none" "a limit below the usage that is refused changes nothing"
	is "$(sysct config get box limits.memory)" "" "nor the configuration"
	like "$(cat "$TMPDIR/small")" 'limits.memory|memory limit' "the message says which"
fi
is "$(instance_status box)" Running "it still runs"
box sh -c 'umount /run/big' || true

# --- unset again ---

ok -n "unset" sysct config unset box limits.memory limits.cpu limits.processes
is "$(memory_limit)" "$memory_none" "no memory limit any more"
is "$(cpu_set)" "$cpus_none" "all CPUs again"
is "$(process_limit)" max "any number of processes again"
is "$(box nproc)" "$host_cpus" "nproc counts the host's"

# --- at start, and over a reboot ---

sysct stop --force box
sysct config set box limits.memory=96MiB limits.cpu=1 limits.processes=60 limits.cpu.allowance=80ms/100ms
ok -n "start with limits" sysct start box
is "$(memory_limit) $(cpu_count "$(cpu_set)") $(process_limit)" "100663296 1 60" "they are set at start"
is "$(quota)" 80/100 "the allowance too"
is "$(box nproc)" 1 "nproc"
group=$(instance_cgroup box pids)
ok -n "init is below them" grep -qx "$(instance_init_pid box)" "$group/cgroup.procs"
if [ "$memory_file" = memory.limit_in_bytes ]; then
	for controller in cpu cpuacct cpuset memory pids blkio; do
		ok -n "init is in the host's $controller controller" grep -qx "$(instance_init_pid box)" "$(instance_cgroup box $controller)/cgroup.procs"
	done
fi
sysct config set box limits.memory=80MiB limits.cpu.allowance=
ok -n "a reboot from inside" reboots box
is "$(memory_limit) $(cpu_count "$(cpu_set)") $(process_limit)" "83886080 1 60" "keeps the limits, as they were changed last"
fails -n "the instance cannot lift its limits" box sh -c 'echo max >/sys/fs/cgroup/pids.max || echo max >/sys/fs/cgroup/memory.max'
# shellcheck disable=SC2016 # for the shell inside
deep=$(box sh -c 'cd /sys/fs/cgroup; i=0; while [ $i -lt 300 ] && mkdir d 2>/dev/null && cd d; do i=$((i + 1)); done; echo $i')
ok -n "control groups inside are of a bounded depth ($deep)" test "$deep" -gt 20 -a "$deep" -le 100
sysct launch busybox other -c limits.cpu=1
sysct launch busybox third -c limits.cpu=1
if [ "$host_cpus" -gt 1 ]; then
	set_of_other=$(cat "$(instance_cgroup other cpuset)/cpuset.cpus")
	ok -n "counts are spread over the host" test "$set_of_other" != "$(cat "$(instance_cgroup third cpuset)/cpuset.cpus")"
	sysct config set other limits.processes=77
	is "$(cat "$(instance_cgroup other cpuset)/cpuset.cpus")" "$set_of_other" "and stay where they are when another limit changes"
else
	skip "one CPU" 2
fi
ok -n "a count above the host's CPUs is all of them" sysct config set box limits.cpu=1000
is "$(box nproc)" "$host_cpus" "nproc"

daemon_end
done_testing
