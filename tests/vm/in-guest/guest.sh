# Sourced by the programs here, after tap.sh: the installed daemon, run by systemd, with the directories of the system.
# shellcheck shell=bash
export SYSCT_BUILD=installed SYSCT_DIR=''
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/daemon.sh"
unset SYSCT_DIR
export cgroups=/sys/fs/cgroup/sysct state=/var/lib/sysct run=/run/sysct

instance_init_pid() { sysct query "/1.0/instances/$1/state" | jq .pid; }
instance_cgroup() { echo "$cgroups/$1"; }

# limit NAME FILE: of the kernel.
limit() { cat "$cgroups/$1/$2"; }

# As in tap.sh and daemon.sh, but without asking all the time: a command takes a fifth of a second in this machine.
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

boots() {
	local ended='' limit=$((SECONDS + 120))
	while [ -z "$ended" ] && [ $SECONDS -lt $limit ]; do # it says nothing while its systemd does not listen yet
		ended=$(sysct exec "$1" -- timeout 120 systemctl is-system-running --wait 2>/dev/null) || [ "$ended" ] || sleep 0.5
	done
	[ "$ended" = running ] || { echo "the boot ended: $ended"; return 1; }
}

# exit_status CMD...
exit_status() {
	local status=0
	"$@" >/dev/null 2>&1 || status=$?
	echo $status
}

# on_terminal CMD: run with a terminal, its output without carriage returns.
on_terminal() {
	script -qec "$1" /dev/null </dev/null | tr -d '\r'
}

main_pid() { systemctl show -P MainPID sysctd.service; }
active() { [ "$(systemctl is-active sysctd.service)" = active ]; }
gone() { [ ! -e "/proc/$1" ]; }

# reboots NAME OLD-PID: until it has another init.
reboots() {
	wait_until 60 gone "$2" && wait_until 30 init_changed "$1" "$2"
}

init_changed() { # NAME OLD-PID
	local now
	now=$(instance_init_pid "$1") && [ "$now" -gt 0 ] && [ "$now" != "$2" ]
}

# controllers DIRECTORY: those of ours that are enabled below it.
controllers() {
	tr ' ' '\n' <"$1/cgroup.subtree_control" | grep -xE 'cpu|cpuset|io|memory|pids' | sort | paste -sd ' '
}
