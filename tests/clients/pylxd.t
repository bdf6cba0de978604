#!/bin/bash
# python3-pylxd against sysctd: the daemon and an image for pylxd_client.py, which makes the assertions.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=../lib/tap.sh
. "$here/../lib/tap.sh"
# shellcheck source=../lib/daemon.sh
. "$here/../lib/daemon.sh"

/usr/bin/python3 -c 'import pylxd' 2>/dev/null || skip_all "python3-pylxd is not installed"
# shellcheck disable=SC2119
daemon_start
status=0
PYTHONPATH=$here/../lib PYTHONDONTWRITEBYTECODE=1 PYLXD_WARNINGS=none /usr/bin/python3 "$here/pylxd_client.py" || status=$?
rm -f "$TAP_OUTPUT"
daemon_end
exit $status
