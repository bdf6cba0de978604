#!/bin/bash
# Stop and delete; nothing is left of all that was done here. Needs bb and deb, and what 20-instances.t noted at its start.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=tests/vm/in-guest/guest.sh
. "$(dirname "$0")/guest.sh"

bb=$(instance_init_pid bb) deb=$(instance_init_pid deb)
volume=$state/storage-pools/default/instances/$(sysct config get deb volatile.uuid)
sysct exec deb -- sh -c 'cat >/etc/systemd/system/farewell.service && systemctl daemon-reload && systemctl start farewell' <<'END'
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/touch /root/farewell
END
farewell() { [ -n "$(find "$volume" -path '*/root/farewell')" ]; }
fails -n "a unit has stopped before" farewell
ok -n "stop of a Debian through init" sysct stop --timeout 90 deb
is "$(instance_status deb)" Stopped "it is stopped"
ok -n "its units were stopped in order" farewell
ok -n "its init is gone" gone "$deb"
fails -n "delete of a running instance" sysct delete bb
ok -n "delete" sysct delete deb
ok -n "its volume goes" wait_until 30 test ! -e "$volume"
ok -n "delete by force" sysct delete --force bb
ok -n "its init is gone" gone "$bb"
is "$(sysct list -f csv)" "" "no instance is listed"

is "$(find $cgroups -mindepth 1 -type d ! -name .monitors)" "" "no control group of an instance is left"
no_monitors() { [ "$(xargs -rn1 ps -o comm= -p <$cgroups/.monitors/cgroup.procs | sort -u | paste -sd ' ')" = "dnsmasq sysct-lxcfs" ]; }
ok -n "no monitor is left" wait_until 10 no_monitors
is "$(ls $run/instances)" "" "no run directory is left"
ok -n "no volume is left" wait_until 30 test -z "$(ls $state/storage-pools/default/instances)"
is "$(diff <(sort /tmp/mounts-before) <(grep -v ' /proc/sys/fs/binfmt_misc ' /proc/mounts | sort))" "" "the host's mounts are as before"
is "$(awk '$3 >= 1000000 && $1 > 2 { print }' <(ps -eo pid=,ppid=,uid=,comm=))" "" "no process of an instance's id is left"

ok -n "stop of the socket and the service" systemctl stop sysctd.socket sysctd.service
ok -n "the bridge is gone" test ! -e /sys/class/net/sysctbr0
is "$(nft list tables)" "" "and the rules"
ok -n "the control groups are gone" test ! -e $cgroups
fails -n "a client after that" sysct list
is "$(pgrep -a 'sysct|dnsmasq' | grep -v sysct-vm)" "" "no process of ours is left"
is "$(systemctl --failed --no-legend --plain)" "" "no unit of the host has failed"
fails -n "complaints of the kernel" grep -E 'BUG:|WARNING:|Oops|apparmor="DENIED"' <<<"$(dmesg)"

done_testing
