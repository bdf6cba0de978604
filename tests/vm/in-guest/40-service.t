#!/bin/bash
# The daemon under systemd dies, is restarted, is stopped, is started by a client: instances never notice. Monitors die: their
# instance ends and nothing of it stays. Needs bb and deb.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=tests/vm/in-guest/guest.sh
. "$(dirname "$0")/guest.sh"

service=/sys/fs/cgroup/system.slice/sysctd.service
parent() { awk '/^PPid:/ { print $2 }' "/proc/$1/status"; }
bb=$(instance_init_pid bb) deb=$(instance_init_pid deb)
bb_monitor=$(parent "$bb") deb_monitor=$(parent "$deb")

# undisturbed WHEN: the daemon that runs now knows both instances, they are the same, and they work.
undisturbed() {
	is "$(sysct list -f csv -c nsp | grep -E '^(bb|deb),')" "bb,RUNNING,$bb"$'\n'"deb,RUNNING,$deb" "$1: both run, with the same inits"
	is "$(parent "$bb") $(parent "$deb")" "$bb_monitor $deb_monitor" "$1: below the same monitors"
	is "$(sysct exec bb -- cat /run/mark)" marked "$1: a command runs in bb"
	is "$(sysct exec deb -- systemctl is-system-running)" running "$1: deb is as well as before"
}

sysct exec bb -- sh -c 'echo marked >/run/mark'

# A command that goes on under all that happens to the daemon: it waits for a line, and ends with a status of its own.
mkfifo /tmp/line
# shellcheck disable=SC2016 # for the shell in the instance
sysct exec bb -- sh -c 'echo begun; read line; echo "got $line"; exit 5' </tmp/line >/tmp/session 2>&1 &
session=$!
exec 8>/tmp/line
ok -n "a command has begun" wait_until 20 grep -q begun /tmp/session

# --- who lives where ---

is "$(cat $service/cgroup.procs)" "$(main_pid)" "the service's control group holds the daemon alone"
is "$(find $service -mindepth 1 -type d)" "" "and no other below it"
is "$(sort "$cgroups/.monitors/cgroup.procs")" "$(printf '%s\n' "$bb_monitor" "$deb_monitor" "$(pgrep -x dnsmasq)" $(pgrep -x sysct-lxcfs) | sort)" "monitors, dnsmasq and the file server live in a group of their own"
is "$(cat "/proc/$bb/cgroup")" 0::/sysct/bb "bb's init lives in its own"
is "$(cat "/proc/$deb/cgroup")" 0::/sysct/deb/init.scope "deb's systemd has made one below its own"
is "$(stat -c %u "$cgroups/deb" "$cgroups/deb/cgroup.procs" "$cgroups/deb/memory.max" | paste -sd ' ')" \
	"$(stat -c %u "/proc/$deb") $(stat -c %u "/proc/$deb") 0" "which belongs to the instance, but for its limits"
is "$(cat $cgroups/cgroup.procs)" "" "no process sits beside enabled controllers"

# --- kill -9 ---

restarts=$(systemctl show -P NRestarts sysctd.service)
pid=$(main_pid)
restarted() { [ "$(systemctl show -P NRestarts sysctd.service)" -gt "$restarts" ] && active; }
like "$(systemctl show -P Restart sysctd.service)" '^(on-failure|on-abnormal|always)$' "systemd restarts a daemon that dies"
kill -KILL "$pid"
ok -n "kill -9 of the daemon: systemd starts another" wait_until 30 restarted
ok -n "it is another process" test "$(main_pid)" != "$pid"
undisturbed "after kill -9"
ok -n "a launch works after kill -9" sysct launch busybox extra -c limits.processes=100
is "$(limit extra pids.max)" 100 "limits too"
ok -n "delete by force" sysct delete --force extra

# --- restart ---

pid=$(main_pid)
ok -n "systemctl restart" timeout 60 systemctl restart sysctd.service
ok -n "it is another process" test "$(main_pid)" != "$pid"
undisturbed "after a restart"

# --- stop, and a client ---

count_stops() { journalctl -u sysctd --no-pager -o cat | grep -c 'stopping; 2 instances go on'; }
ok -n "systemctl stop of the service" timeout 60 systemctl stop sysctd.service
is "$(systemctl is-active sysctd.service)" inactive "it is stopped"
ok -n "the daemon is told by name that they go on" test "$(count_stops)" -ge 1
ok -n "both inits are there" test -e "/proc/$bb" -a -e "/proc/$deb"
ok -n "both monitors are there" test -e "/proc/$bb_monitor" -a -e "/proc/$deb_monitor"
ok -n "the service's control group is gone" test ! -e $service
ok -n "another unit uses and drops controllers" systemd-run --quiet --wait -p CPUWeight=50 -p AllowedCPUs=0 -p IOWeight=50 true
is "$(controllers /sys/fs/cgroup) / $(controllers $cgroups)" "cpu cpuset io memory pids / cpu cpuset io memory pids" \
	"controllers stay enabled for instances"
is "$(systemctl is-active sysctd.socket)" active "the socket listens on"
is "$(instance_status bb)" Running "the first client starts the daemon"
ok -n "systemd knows it as the service" active
undisturbed "after socket activation"
fails -n "processes that systemd found left over" grep -i 'left-over' <<<"$(journalctl -u sysctd --no-pager -o cat)"
fails -n "processes that systemd had to kill" grep -iE 'SIGKILL|killing process' <<<"$(journalctl -u sysctd --no-pager -o cat | grep -v 'status=9/KILL')"

echo hello >&8
exec 8>&-
session_status=0
wait $session || session_status=$?
is "$(paste -sd ' ' /tmp/session)" "begun got hello" "a command that was begun before kill -9, restart and stop has its streams"
is "$session_status" 5 "and its exit code"

# --- the daemon dies, or is stopped, while it builds an image ---

cat >/etc/sysct/templates/sysct-slow <<'END'
#!/bin/sh
case $1 in
match) [ "$2" = slow ] || exit 3; echo '{"options":{},"aliases":["slow"],"description":"slow"}' ;;
build) sleep 4711 & echo $$ >/tmp/building; wait ;;
describe) echo '{"name":"slow","description":"never ready","aliases":["slow"],"options":{}}' ;;
esac
END
chmod 755 /etc/sysct/templates/sysct-slow
builds() { [ -s /tmp/building ]; }
alone() { [ "$(cat $service/cgroup.procs)" = "$(main_pid)" ]; }
no_build() { ! pgrep -f 'sleep 4711'; }
build_begins() {
	rm -f /tmp/building
	sysct launch slow never >/tmp/launch-slow 2>&1 &
	launching=$!
	wait_until 20 builds
}

ok -n "a build begins" build_begins
restarts=$(systemctl show -P NRestarts sysctd.service)
kill -KILL "$(main_pid)"
ok -n "kill -9 of the daemon: systemd starts another" wait_until 30 restarted
ok -n "the build has ended with the first" wait_until 10 no_build
ok -n "the service's control group holds the daemon alone" wait_until 10 alone
fails -n "the client that waited" wait "$launching"
ok -n "another build begins" build_begins
ok -n "systemctl stop of the service" timeout 60 systemctl stop sysctd.service
is "$(systemctl show -P Result sysctd.service)" success "it stopped well"
ok -n "the build has ended with it" no_build
fails -n "the client that waited" wait "$launching"
rm /etc/sysct/templates/sysct-slow
is "$(sysct list -f csv -c n | sort | paste -sd ' ')" "bb deb" "nothing was made"
fails -n "processes that systemd found left over" grep -i 'left-over' <<<"$(journalctl -u sysctd --no-pager -o cat)"
undisturbed "after the builds"

# --- instances end while nobody looks ---

ok -n "launch two more" sysct launch busybox halted
ok -n "launch two more" sysct launch busybox orphan
halted=$(instance_init_pid halted) orphan=$(instance_init_pid orphan)
orphan_monitor=$(parent "$orphan")
systemctl stop sysctd.socket sysctd.service
fails -n "a client without socket" sysct list
nsenter -t "$halted" -a /bin/busybox poweroff
kill -KILL "$orphan_monitor"
ok -n "poweroff works without a daemon" wait_until 30 gone "$halted"
ok -n "start the socket again" systemctl start sysctd.socket
is "$(instance_status halted)" Stopped "the next daemon finds it stopped"
is "$(instance_status orphan)" Stopped "and the one whose monitor was killed"
ok -n "whose init it has killed" gone "$orphan"
ok -n "their control groups are gone" test ! -e "$cgroups/halted" -a ! -e "$cgroups/orphan"
ok -n "their run directories are gone" test ! -e $run/instances/halted -a ! -e $run/instances/orphan
undisturbed "after all that"

# --- kill -9 of a monitor under the daemon's eyes ---

ok -n "start again" sysct start orphan
orphan=$(instance_init_pid orphan)
kill -KILL "$(parent "$orphan")"
ok -n "kill -9 of a monitor stops its instance" wait_until 30 instance_is orphan Stopped
ok -n "its init is gone" gone "$orphan"
ok -n "its control group is gone" test ! -e "$cgroups/orphan"
fails -n "a mount of it in any process" grep -l "$(sysct config get orphan volatile.uuid)" /proc/[0-9]*/mountinfo
ok -n "it can be started" sysct start orphan
ok -n "and works" sysct exec orphan -- true
sysct delete --force orphan halted
undisturbed "at the end"

done_testing
