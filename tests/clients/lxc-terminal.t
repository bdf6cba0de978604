#!/bin/bash
# `lxc exec -t` and `lxc console` on a real terminal: the daemon for terminal.py, which makes the assertions.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=../lib/tap.sh
. "$here/../lib/tap.sh"
# shellcheck source=../lib/daemon.sh
. "$here/../lib/daemon.sh"
# shellcheck source=../lib/lxc.sh
. "$here/../lib/lxc.sh"

lxc_begin busybox
lxc launch -q busybox box 2>/dev/null || bail "launch"
status=0
PYTHONPATH=$here/../lib PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$here/terminal.py" || status=$?
rm -f "$TAP_OUTPUT"
daemon_end
exit $status
