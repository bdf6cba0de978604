# Sourced by test programs, after tap.sh, in a test host: a daemon of the test's own.
# shellcheck shell=bash
#
# SYSCT_BUILD names the build directory (default: build below the top); installed programs are used where it is "installed".

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SYSCT_BUILD=${SYSCT_BUILD:-$top/build}
SYSCT_TEST_IMAGES=${SYSCT_TEST_IMAGES:-${SYSCT_TEST_CACHE:-$HOME/.cache/sysct-tests}/images}
export SYSCT_BUILD SYSCT_TEST_IMAGES
if [ "$SYSCT_BUILD" != installed ]; then
	export PATH=$SYSCT_BUILD/bin:$SYSCT_BUILD/sbin:$PATH
	export SYSCT_LIBEXEC=$SYSCT_BUILD/libexec SYSCT_TEMPLATES=$top/templates
fi
daemon_pid=
daemon_log=$SYSCT_DIR/sysctd.log

# daemon_start [OPTION...]: returns when clients are served; images come from tests/lib/templates.
daemon_start() {
	mkdir -p "$SYSCT_DIR/etc/templates"
	ln -sf "$top/tests/lib/templates/sysct-prebuilt" "$SYSCT_DIR/etc/templates/"
	ln -sfn "$SYSCT_TEST_IMAGES" "$SYSCT_DIR/etc/images"
	sysctd "$@" >>"$daemon_log" 2>&1 &
	daemon_pid=$!
	wait_until 20 daemon_answers || { cat "$daemon_log" >&2; bail "sysctd does not start"; }
}

daemon_answers() {
	kill -0 "$daemon_pid" 2>/dev/null && sysct query /1.0 >/dev/null 2>&1
}

# daemon_stop [SIGNAL]: instances go on.
daemon_stop() {
	kill "-${1:-TERM}" "$daemon_pid" 2>/dev/null || true
	wait "$daemon_pid" 2>/dev/null || true
	daemon_pid=
}

# Everything of this test away again, so that a leak check finds what the daemon forgot.
daemon_end() {
	local names
	names=$(sysct list -f csv -c n 2>/dev/null) || true
	# shellcheck disable=SC2086
	[ -z "$names" ] || sysct delete --force $names
	daemon_stop
}

# instance_init_pid NAME: on the host.
instance_init_pid() {
	sysct query "/1.0/instances/$1/state" | python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])'
}

# boots NAME: waits until systemd says "running"; fails when the boot ends otherwise.
boots() {
	wait_until 120 boot_ended "$1"
	[ "$(sysct exec "$1" -- systemctl is-system-running 2>/dev/null)" = running ]
}

boot_ended() {
	case $(sysct exec "$1" -- systemctl is-system-running 2>/dev/null) in
	running | degraded | maintenance) return 0 ;;
	*) return 1 ;;
	esac
}

# reboots NAME: by its own reboot, whose exec may end before it can say how; returns when the next init runs commands.
reboots() {
	local before
	before=$(instance_init_pid "$1")
	sysct exec "$1" -- reboot >/dev/null 2>&1 || true
	wait_until 60 rebooted "$1" "$before"
}

rebooted() { # NAME PID: the init of before
	local now
	now=$(instance_init_pid "$1") && [ "$now" -gt 0 ] && [ "$now" != "$2" ] && sysct exec "$1" -- true
}

# instance_status NAME: "Running"; "" when there is no such instance.
instance_status() {
	sysct query "/1.0/instances/$1/state" 2>/dev/null | sed -n 's/^  "status": "\(.*\)",$/\1/p'
}

# instance_is NAME STATUS, for wait_until.
instance_is() {
	[ "$(instance_status "$1")" = "$2" ]
}

instance_gone() {
	[ "$(sysct list -f csv -c n | grep -cx "$1")" = 0 ]
}

# instance_cgroup NAME [CONTROLLER]: its directory in the cgroup2 hierarchy, or where that controller is on this host.
instance_cgroup() {
	local base root=/sys/fs/cgroup
	base=$(cat "$SYSCT_DIR/cgroup")
	if [ ! -e $root/cgroup.controllers ]; then root=$root/${2:-unified}; fi
	echo "$root/$base/$1"
}

# instance_monitor_pid NAME: the parent of its init.
instance_monitor_pid() {
	awk '/^PPid:/ { print $2 }' "/proc/$(instance_init_pid "$1")/status"
}

# instance_volume NAME: the directory that holds its root volume.
instance_volume() {
	echo "$SYSCT_DIR/storage-pools/default/instances/$(sysct config get "$1" volatile.uuid)"
}

# descriptors PID PATTERN: how many it has that match; some may come and go meanwhile.
descriptors() {
	find "/proc/$1/fd" -type l -printf '%l\n' 2>/dev/null | grep -cE "$2" || true
}

# instance_processes NAME PATTERN: pids, on the host, of its processes whose command line matches; fails when there is none.
instance_processes() {
	local pid found=1
	for pid in $(find "$(instance_cgroup "$1")" -name cgroup.procs -exec cat {} + 2>/dev/null); do
		if tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qE -- "$2"; then
			echo "$pid"
			found=0
		fi
	done
	return $found
}
