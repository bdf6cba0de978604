#!/bin/bash
# What the package installs: group, kernel settings, socket and service, and who may use them.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=tests/vm/in-guest/guest.sh
. "$(dirname "$0")/guest.sh"

# --- the machine is what most users have ---

like "$(uname -r)" '^6\.1\.' "Debian 12's kernel"
is "$(stat -fc %T /sys/fs/cgroup)" cgroup2fs "control groups are pure v2"
is "$(cat /sys/module/apparmor/parameters/enabled)" Y "AppArmor is on"
is "$(cat /proc/1/comm)" systemd "systemd is init"

# --- group and kernel settings ---

fails -n "the group before its file is applied" getent group sysct
ok -n "systemd-sysusers" systemd-sysusers
ok -n "makes the group sysct" getent group sysct

settings=$(find /usr/lib/sysctl.d /usr/local/lib/sysctl.d /etc/sysctl.d -name '*sysct.conf' 2>/dev/null)
is "$(wc -l <<<"$settings")" 1 "one file of kernel settings is installed"
wanted() { sed -nE 's/^-?([a-z][^= ]*) *= *(.*)$/\1 \2/p' "$settings"; }
# settings_reached: every setting has its value or, where the kernel had more, more.
settings_reached() {
	local key value
	while read -r key value; do
		[ "$(cat "/proc/sys/${key//.//}")" -ge "$value" ] || { echo "$key is not $value"; return 1; }
	done < <(wanted)
}
ok -n "it has settings" test "$(wanted | wc -l)" -ge 3
fails -n "they are in force before they are applied" settings_reached
ok -n "systemd-sysctl" /lib/systemd/systemd-sysctl
ok -n "puts them in force" settings_reached

# --- socket activation ---

ok -n "systemd reads the units" systemctl daemon-reload
ok -n "without a complaint" systemd-analyze verify --man=no sysctd.socket sysctd.service sysct-lxcfs.service
is "$(cat "$TAP_OUTPUT")" "" "or a hint"
ok -n "enable and start the socket" systemctl enable --now sysctd.socket
is "$(systemctl is-active sysctd.service)" inactive "no daemon runs before the first client"
is "$(stat -c '%U %G %a' $run/unix.socket)" "root sysct 660" "the socket is root's and the group's"
is "$(sysct list -f csv)" "" "the first client gets its answer"
is "$(systemctl is-active sysctd.service)" active "the daemon runs now"
journal=$(journalctl -u sysctd --no-pager -o cat)
fails -n "a limit that the daemon had to raise" grep raised <<<"$journal"
ok -n "it served" grep -q "serves $run/unix.socket" <<<"$journal"

# --- systemd is told when it serves ---

is "$(systemctl show -P Type sysctd.service)" notify "systemd waits for the daemon"
pid=$(main_pid)
ok -n "restart of the service" timeout 60 systemctl restart sysctd.service
is "$(systemctl is-active sysctd.service)" active "it is active"
ok -n "another process" test "$(main_pid)" != "$pid"
is "$(stat -c '%U %G %a' $run/unix.socket)" "root sysct 660" "the socket stays as it was"
fails -n "a second daemon on the same directories" timeout 20 sysctd
like "$(cat "$TAP_OUTPUT")" 'another sysctd uses' "it says why"
ok -n "the first one serves on" sysct list

# --- who may use it ---

useradd --no-create-home --groups sysct member
useradd --no-create-home stranger
ok -n "a member of the group may" runuser -u member -- sysct list
fails -n "another user" runuser -u stranger -- sysct list
like "$(cat "$TAP_OUTPUT")" '[Pp]ermission' "it says why"
fails -n "another user in the state directory" runuser -u stranger -- ls $state/storage-pools/default
fails -n "another user in the monitors' directory" runuser -u stranger -- ls $run/instances

done_testing
