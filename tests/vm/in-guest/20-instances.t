#!/bin/bash
# Launch, exec, pause, stop, reboot. Leaves bb (busybox) and deb (Debian 12) running.
# shellcheck disable=SC2016 # for shells in the instances
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=tests/vm/in-guest/guest.sh
. "$(dirname "$0")/guest.sh"

grep -v ' /proc/sys/fs/binfmt_misc ' /proc/mounts >/tmp/mounts-before # for the last program
# The image takes half a minute in this machine: everything about busybox happens meanwhile.
sysct launch debian deb >/tmp/launch-deb 2>&1 &
launching=$!

# --- busybox ---

ok -n "launch of a busybox" sysct launch busybox bb
is "$(instance_status bb)" Running "it runs"
pid=$(instance_init_pid bb)
monitor=$(instance_monitor_pid bb)
is "$(readlink "/proc/$pid/exe")" /bin/busybox "its init is the image's"
is "$(cat "/proc/$monitor/comm")" sysct-monitor "a monitor is the parent of init"
is "$(awk '/^PPid:/ { print $2 }' "/proc/$monitor/status")" 1 "the monitor is no child of the daemon"
ok -n "its root is no root of the host" test "$(stat -c %u "/proc/$pid")" -ge 1000000

# --- exec ---

is "$(exit_status sysct exec bb -- true)" 0 "exec: true"
is "$(exit_status sysct exec bb -- sh -c 'exit 7')" 7 "exec: an exit code"
is "$(exit_status sysct exec bb -- no-such-program)" 127 "exec: not found"
is "$(exit_status sysct exec bb -- /etc/inittab)" 126 "exec: not executable"
is "$(exit_status sysct exec bb -- sh -c 'kill -TERM $$')" 143 "exec: killed by a signal"
sysct exec bb -- sh -c 'echo out; echo err >&2' >/tmp/out 2>/tmp/err
is "$(cat /tmp/out) $(cat /tmp/err)" "out err" "exec: streams are kept apart"
head -c 1000000 /dev/urandom >/tmp/in
sysct exec bb -- cat </tmp/in >/tmp/out
ok -n "exec: standard input and output are binary-safe" cmp /tmp/in /tmp/out
is "$(sysct exec bb --user 1234 --group 99 --cwd /var --env GREETING=hello -- sh -c 'echo $(id -u) $(id -g) $PWD $GREETING')" \
	"1234 99 /var hello" "exec: user, group, directory, environment"
fails -n "exec: a terminal where there is none" sysct exec bb -- tty
like "$(on_terminal 'sysct exec bb -- tty')" '/dev/pts/[0-9]+' "exec: a terminal of its own"
like "$(on_terminal 'stty rows 33 cols 77; sysct exec bb -- stty size')" '33 77$' "exec: the terminal's size"
is "$(exit_status script -qec 'sysct exec bb -- sh -c "exit 9"' /dev/null)" 9 "exec: an exit code through a terminal"
is "$(sysct exec bb -- cat /proc/self/cgroup)" 0::/.sysct "exec: a command is in the instance's control group"

# --- stop through init, reboot ---

ok -n "stop of a busybox through init" sysct stop --timeout 60 bb
is "$(instance_status bb)" Stopped "it is stopped"
ok -n "its init is gone" gone "$pid"
ok -n "its monitor is gone" wait_until 10 gone "$monitor"
ok -n "its control group is gone" test ! -e "$(instance_cgroup bb)"
ok -n "start" sysct start bb
pid=$(instance_init_pid bb)
monitor=$(instance_monitor_pid bb)
sysct exec bb -- reboot >/dev/null 2>&1 || true
ok -n "a reboot from inside gives another init" reboots bb "$pid"
is "$(instance_monitor_pid bb)" "$monitor" "below the same monitor"
ok -n "exec works after it" sysct exec bb -- true

# --- pause ---

sysct exec bb -- sh -c 'i=0; while :; do i=$((i + 1)); echo $i >/run/count.new; mv /run/count.new /run/count; done' &
counting=$!
count=/proc/$(instance_init_pid bb)/root/run/count
counts() {
	local was
	was=$(cat "$count") && [ -n "$was" ] && sleep 0.1 && [ "$(cat "$count")" -gt "$was" ]
}
ok -n "a process counts" wait_until 20 counts
ok -n "pause" sysct pause bb
is "$(instance_status bb)" Frozen "it is frozen"
like "$(limit bb cgroup.events)" 'frozen 1' "for the kernel too"
fails -n "the process counts" counts
ok -n "resume" sysct resume bb
is "$(instance_status bb)" Running "it runs again"
ok -n "the process counts on" wait_until 20 counts
ok -n "a forced stop" sysct stop --force bb
is "$(instance_status bb)" Stopped "it is stopped"
counting_status=0
wait $counting || counting_status=$?
is "$counting_status" 137 "the command was killed with it"
ok -n "start" sysct start bb

# --- Debian ---

ok -n "launch of a Debian 12" wait $launching
diag "$(cat /tmp/launch-deb)"
ok -n "its boot ends \"running\"" boots deb
is "$(sysct exec deb -- systemctl --failed --no-legend --plain)" "" "no unit has failed"
pid=$(instance_init_pid deb)
is "$(cat "/proc/$pid/comm")" systemd "its init is systemd"
like "$(sysct exec deb -- cat /etc/debian_version)" '^12\.' "it is a Debian 12"
is "$(sysct exec deb -- cat /proc/1/cgroup)" 0::/init.scope "systemd has a control group tree of its own"
is "$(sysct exec deb -- systemd-detect-virt --container)" lxc "it knows that it is in a container"
ok -n "its ids are not those of bb" test "$(stat -c %u "/proc/$pid")" != "$(stat -c %u "/proc/$(instance_init_pid bb)")"
is "$(exit_status sysct exec deb -- bash -c 'exit 42')" 42 "exec: an exit code"
like "$(on_terminal 'sysct exec deb -- tty')" '/dev/pts/[0-9]+' "exec: a terminal"
is "$(seq 1000 | sysct exec deb -- tac | head -n 1)" 1000 "exec: standard input"

done_testing
