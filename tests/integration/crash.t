#!/bin/bash
# kill -9 of sysctd and of a monitor while instances start, stop and change; points that no other program knows are tried here.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"
# shellcheck source=tests/lib/crash.sh
. "$(dirname "$0")/../lib/crash.sh"

# The command that passes the point, and what must be there before it.
command_for() { # POINT
	case $1 in
	start.* | monitor.detached | monitor.c* | monitor.nics | monitor.rootfs | monitor.go | monitor.started)
		echo "launch busybox victim" ;;
	stop.signalled) echo "stop victim" ;;
	stop.* | ended.* | monitor.ended | monitor.taken-down) echo "stop -f victim" ;;
	rename.*) echo "rename victim renamed" ;;
	monitor.proxies | proxies.changed)
		echo "config device add victim p proxy listen=unix:@$SYSCT_DIR/victim connect=tcp:127.0.0.1:1"
		;;
	monitor.disks | disks.changed) echo "config device add victim d disk source=$SYSCT_TEST_IMAGES path=/srv/d" ;;
	esac
}

prepare() { # POINT: the victim as its command wants it
	case $(command_for "$1") in
	launch*) return 0 ;;
	rename*) sysct init busybox victim ;;
	*) sysct launch busybox victim ;;
	esac
}

# What was stopped stays so.
look() { # POINT TEXT
	case $1 in ended.* | stop.ended) is "$(sysct list -f csv -c s victim)" STOPPED "$2: it is stopped" ;; esac
}

clean() { sysct delete -f victim || true; sysct delete -f renamed || true; }

crash_begin
try_all crash
daemon_end
done_testing
