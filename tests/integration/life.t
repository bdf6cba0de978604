#!/bin/bash
# The life of an instance: from launch to delete, and every way of stopping it.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

events=$TMPDIR/events
monitor_pid=

# events_follow: writes lifecycle events into $events until events_end.
events_follow() {
	: >"$events"
	sysct monitor --type lifecycle >"$events" &
	monitor_pid=$!
}

events_end() {
	kill "$monitor_pid" 2>/dev/null || true
	wait "$monitor_pid" 2>/dev/null || true
}

happened() { # ACTION NAME
	grep -q "\"action\":\"$1\".*/1.0/instances/$2\"" "$events"
}

init_changed() { # NAME OLD-PID
	local now
	now=$(instance_init_pid "$1") && [ "$now" -gt 0 ] && [ "$now" != "$2" ]
}

# on_word NAME CMD...: a process of the instance runs it at say_word PID-OF-INIT, with or without a daemon.
on_word() {
	sysct exec "$1" -- sh -c 'mkfifo /run/word && { (read word </run/word; exec "$@") >/dev/null 2>&1 & }' sh "${@:2}" </dev/null
}

say_word() {
	echo go >"/proc/$1/root/run/word"
}

no_files_of() { # UUID
	[ -z "$(find "$SYSCT_DIR" -name "*$1*" -print -quit)" ]
}

daemon_start

# --- launch, init, start ---

ok -n "launch returns" sysct launch busybox box
is "$(instance_status box)" Running "a launched instance runs"
pid=$(instance_init_pid box)
is "$(readlink "/proc/$pid/exe" | sed 's,.*/,,')" busybox "its init is the image's /sbin/init"
monitor=$(instance_monitor_pid box)
is "$(cat "/proc/$monitor/comm")" sysct-monitor "the monitor is the parent of init"
is "$(awk '/^PPid:/ { print $2 }' "/proc/$monitor/status")" 1 "the monitor is no child of the daemon"

fails -n "a second launch under the same name" sysct launch busybox box
like "$(cat "$TAP_OUTPUT")" 'already exists' "it says why"
fails -n "start of a running instance" sysct start box
like "$(cat "$TAP_OUTPUT")" 'already running' "it says why"

ok -n "init returns" sysct init busybox still
is "$(instance_status still)" Stopped "init leaves it stopped"
is "$(instance_init_pid still)" 0 "it has no init"
ok -n "and no control group" test ! -e "$(instance_cgroup still)"
ok -n "start" sysct start still
is "$(instance_status still)" Running "a started instance runs"

# --- list, info, config ---

is "$(sysct list -f csv -c ns)" $'box,RUNNING\nstill,RUNNING' "list has the two"
like "$(sysct info box)" "PID: $pid" "info tells the pid"
ok -n "config set" sysct config set box user.colour=green
is "$(sysct config get box user.colour)" green "config get"
like "$(sysct config show box)" 'user.colour: green' "config show"
ok -n "config unset" sysct config unset box user.colour
is "$(sysct config get box user.colour)" "" "it is unset"
is "$(instance_init_pid box)" "$pid" "none of that disturbed it"

# --- stop through init, by the signal that it knows ---

sysct exec box -- sh -c 'echo "echo stopped-by-init >/root/stopped" >>/etc/init.d/rcK.new
	sed "/^exit 0/d" /etc/init.d/rcK >>/etc/init.d/rcK.new
	chmod 755 /etc/init.d/rcK.new && mv /etc/init.d/rcK.new /etc/init.d/rcK'
ok -n "stop of busybox" sysct stop --timeout 30 box
is "$(instance_status box)" Stopped "it is stopped"
ok -n "its init is gone" test ! -e "/proc/$pid"
ok -n "its monitor is gone" wait_until 5 test ! -e "/proc/$monitor"
ok -n "its control group is gone" test ! -e "$(instance_cgroup box)"
ok -n "its run directory is gone" test ! -e "$SYSCT_DIR/run/instances/box"
fails -n "stop of a stopped instance" sysct stop box
like "$(cat "$TAP_OUTPUT")" 'already stopped' "it says why"
fails -n "exec in a stopped instance" sysct exec box -- true
like "$(cat "$TAP_OUTPUT")" 'not running' "it says why"
sysct start box
is "$(sysct exec box -- cat /root/stopped)" stopped-by-init "busybox init ran its shutdown script"

# --- stop that init ignores: the time-out, then by force ---

sysct exec box -- sh -c 'rm /sbin/init; printf "#!/bin/sh\nwhile :; do sleep 1000; done\n" >/sbin/init; chmod 755 /sbin/init'
ok -n "restart by force" sysct restart --force box
pid=$(instance_init_pid box)
fails -n "stop of an init that ignores its signal" sysct stop --timeout 1 box
like "$(cat "$TAP_OUTPUT")" 'did not stop within 1 s.*--force' "it says so, and what to do"
is "$(instance_status box) $(instance_init_pid box)" "Running $pid" "it runs on"
ok -n "exec works after that" sysct exec box -- true
ok -n "stop by force" sysct stop --force box
ok -n "its init is gone" test ! -e "/proc/$pid"
is "$(instance_status box)" Stopped "it is stopped"

# --- a forced stop ends a graceful one that waits ---

sysct start box
sysct stop --timeout 60 box >/dev/null 2>&1 &
graceful=$!
ok -n "a graceful stop is under way" wait_until 5 instance_is box Stopping
ok -n "a forced stop does not wait for it" sysct stop --force box
ok -n "the graceful one ends well" wait $graceful

# --- restart ---

pid=$(instance_init_pid still)
ok -n "restart through init" sysct restart --timeout 30 still
ok -n "it has another init" init_changed still "$pid"
is "$(instance_status still)" Running "and runs"
fails -n "restart of a stopped instance" sysct restart box

# --- pause, resume ---

sysct exec still -- sh -c 'i=0; while :; do i=$((i + 1)); echo $i >/run/count.new; mv /run/count.new /run/count; done' &
counting=$!
counts() {
	local was
	was=$(sysct exec still -- cat /run/count) && [ "$(sysct exec still -- cat /run/count)" -gt "$was" ]
}
ok -n "a process counts" wait_until 10 counts
pid=$(instance_init_pid still)
count=/proc/$pid/root/run/count
ok -n "pause" sysct pause still
is "$(instance_status still)" Frozen "it is frozen"
like "$(cat "$(instance_cgroup still)/cgroup.events")" 'frozen 1' "for the kernel too"
before=$(cat "$count")
ok -n "other instances go on" sysct start box
is "$(cat "$count")" "$before" "nothing counts any more"
fails -n "pause of a paused instance" sysct pause still
fails -n "exec in a paused instance" sysct exec still -- true
like "$(cat "$TAP_OUTPUT")" 'frozen.*resume' "it says what to do"
fails -n "graceful stop of a paused instance" sysct stop --timeout 5 still
like "$(cat "$TAP_OUTPUT")" 'frozen.*(resume|--force)' "it says what to do"
daemon_stop
daemon_start
is "$(instance_status still)" Frozen "it is still frozen for the next daemon"
is "$(cat "$count")" "$before" "nothing counted meanwhile"
ok -n "resume" sysct resume still
is "$(instance_status still) $(instance_init_pid still)" "Running $pid" "it runs, the same"
ok -n "the process counts on" wait_until 10 counts
fails -n "resume of a running instance" sysct resume still
sysct pause still
ok -n "stop by force of a paused instance" sysct stop --force still
is "$(instance_status still)" Stopped "it is stopped"
wait $counting 2>/dev/null || true

# --- rename ---

fails -n "rename of a running instance" sysct rename box other
like "$(cat "$TAP_OUTPUT")" 'running' "it says why"
fails -n "rename to a name that is taken" sysct rename still box
fails -n "rename to an invalid name" sysct rename still 'not valid'
printf 'kept\n' | sysct start still
sysct exec still -- sh -c 'echo kept >/root/file'
sysct stop --force still
uuid=$(sysct config get still volatile.uuid)
ok -n "rename" sysct rename still renamed
ok -n "the old name is gone" instance_gone still
is "$(sysct config get renamed volatile.uuid)" "$uuid" "it is the same instance"
ok -n "its log goes with it" test -s "$SYSCT_DIR/log/renamed/console.log"
ok -n "and does not stay" test ! -e "$SYSCT_DIR/log/still"
sysct start renamed
is "$(sysct exec renamed -- cat /root/file)" kept "its files are there"
is "$(sysct exec renamed -- hostname)" renamed "it has the new host name"
sysct init busybox still
ok -n "the old name can be used again" sysct start still

# --- delete ---

fails -n "delete of a running instance" sysct delete renamed
like "$(cat "$TAP_OUTPUT")" '--force' "it says what to do"
is "$(instance_status renamed)" Running "it still runs"
sysct stop --force renamed
ok -n "delete" sysct delete renamed
ok -n "it is not listed" instance_gone renamed
fails -n "it cannot be asked" sysct info renamed
ok -n "its volume goes" wait_until 10 no_files_of "$uuid"
ok -n "its log is gone" test ! -e "$SYSCT_DIR/log/renamed"
uuid=$(sysct config get still volatile.uuid) pid=$(instance_init_pid still)
ok -n "delete by force of a running instance" sysct delete --force still
ok -n "its init is gone" test ! -e "/proc/$pid"
ok -n "its volume goes" wait_until 10 no_files_of "$uuid"
ok -n "its control group is gone" test ! -e "$(instance_cgroup still)"
fails -n "delete of an unknown instance" sysct delete nobody

# --- reboot and poweroff from inside ---

ok -n "launch a Debian" sysct launch debian deb
boots deb || bail "Debian does not boot"
pid=$(instance_init_pid deb) monitor=$(instance_monitor_pid deb)
sysct exec deb -- sh -c 'echo kept >/root/file; echo gone >/run/file'
born=$(stat -c %Y "/proc/$pid")
events_follow
sysct exec deb -- sleep 1000 >/dev/null 2>&1 &
session=$!
sysct exec deb -- reboot >/dev/null 2>&1 || true
ok -n "a reboot from inside gives another init" wait_until 60 init_changed deb "$pid"
session_status=0
wait $session || session_status=$?
like "$session_status" '^(137|143)$' "a command of the boot before was killed"
is "$(instance_monitor_pid deb)" "$monitor" "the monitor is the same"
is "$(instance_status deb)" Running "it is running all the while"
ok -n "clients are told" wait_until 5 happened instance-restarted deb
fails -n "clients are told of no stop" happened instance-shutdown deb
ok -n "the new boot comes to the end" boots deb
ok -n "its init is younger" test "$(stat -c %Y "/proc/$(instance_init_pid deb)")" -ge "$born"
up=$(sysct exec deb -- ps -o etimes= -p 1)
ok -n "PID 1 is up for no longer than the reboot is ago" test "$up" -le $(($(date +%s) - born))
is "$(sysct exec deb -- cat /root/file)" kept "its files are there"
fails -n "what was in /run" sysct exec deb -- test -e /run/file

pid=$(instance_init_pid deb)
on_word deb systemctl reboot
events_end
daemon_stop
say_word "$pid"
ok -n "a reboot goes through without a daemon" wait_until 60 test ! -e "/proc/$pid"
daemon_start
ok -n "the daemon finds the new init" wait_until 20 init_changed deb "$pid"
is "$(instance_monitor_pid deb)" "$monitor" "below the same monitor"
ok -n "and it boots" boots deb

events_follow
pid=$(instance_init_pid deb)
sysct exec deb -- poweroff >/dev/null 2>&1 || true
ok -n "poweroff from inside stops it" wait_until 60 instance_is deb Stopped
ok -n "clients are told" wait_until 5 happened instance-shutdown deb
ok -n "its control group is gone" test ! -e "$(instance_cgroup deb)"
ok -n "its monitor is gone" wait_until 5 test ! -e "/proc/$monitor"
events_end

# --- a graceful stop of systemd runs the units' ExecStop ---

sysct start deb
boots deb || bail "Debian does not boot again"
sysct exec deb -- sh -c 'cat >/etc/systemd/system/farewell.service && systemctl daemon-reload && systemctl start farewell' <<'END'
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/touch /root/farewell
END
ok -n "graceful stop of Debian" sysct stop --timeout 60 deb
sysct start deb
boots deb || bail "Debian does not boot again"
ok -n "systemd stopped its units" sysct exec deb -- test -e /root/farewell
pid=$(instance_init_pid deb)
ok -n "graceful restart of Debian" sysct restart --timeout 60 deb
ok -n "it has another init" init_changed deb "$pid"
sysct delete --force deb

# --- ephemeral ---

ok -n "launch an ephemeral instance" sysct launch busybox brief --ephemeral
uuid=$(sysct config get brief volatile.uuid)
ok -n "restart" sysct restart --force brief
is "$(sysct config get brief volatile.uuid)" "$uuid" "it survives its restart"
ok -n "stop" sysct stop --force brief
ok -n "it goes when it stops" wait_until 10 instance_gone brief
ok -n "its volume too" wait_until 10 no_files_of "$uuid"
sysct launch busybox brief --ephemeral
sysct exec brief -- poweroff >/dev/null 2>&1 || true
ok -n "it goes when it is powered off from inside" wait_until 20 instance_gone brief
sysct launch busybox brief --ephemeral
uuid=$(sysct config get brief volatile.uuid) pid=$(instance_init_pid brief)
on_word brief poweroff
daemon_stop
say_word "$pid"
ok -n "it is powered off without a daemon" wait_until 20 test ! -e "/proc/$pid"
daemon_start
ok -n "it goes when the next daemon starts" wait_until 10 instance_gone brief
ok -n "its volume too" wait_until 10 no_files_of "$uuid"
sysct launch busybox brief --ephemeral
ok -n "an ephemeral instance is deleted by force" sysct delete --force brief

# --- names that the daemon makes ---

name=$(sysct launch busybox -q)
like "$name" '^[a-z]+-[a-z]+' "launch without a name prints one"
is "$(instance_status "$name")" Running "that instance runs"
other=$(sysct init busybox -q)
ok -n "the next one is another" test "$name" != "$other"
sysct delete --force "$name" "$other"

# --- profiles ---

sysct profile create small
sysct profile set small limits.processes=300 environment.COLOUR=red
sysct profile create loud
sysct profile set loud environment.COLOUR=green
ok -n "launch with profiles" sysct launch busybox mixed -p default -p small -p loud -c environment.OWN=1
pids=$(instance_cgroup mixed pids)/pids.max
is "$(cat "$pids")" 300 "a limit of a profile is set at start"
is "$(sysct exec mixed -- sh -c 'echo $COLOUR $OWN')" "green 1" "later profiles win, the instance's own keys are added"
like "$(sysct config show mixed --expanded)" 'limits.processes: "300"' "config show --expanded tells it"
ok -n "change of a profile in use" sysct profile set small limits.processes=400
is "$(cat "$pids")" 400 "it applies to the running instance"
ok -n "unset in the profile" sysct profile unset small limits.processes
is "$(cat "$pids")" max "it is taken back"
fails -n "delete of a profile in use" sysct profile delete small
ok -n "stop" sysct stop --force mixed
sysct profile set small limits.processes=500
sysct start mixed
is "$(cat "$pids")" 500 "a change while it was stopped applies at start"
sysct profile set loud environment.COLOUR=blue
is "$(sysct exec mixed -- sh -c 'echo $COLOUR')" blue "a change is seen by the next command"

# --- the host goes down and comes up again ---

sysct launch busybox never -c boot.autostart=false
sysct launch busybox off
sysct stop --force off
sysct config set off boot.autostart=true
sysct launch busybox was
sysct launch busybox brief --ephemeral
daemon_stop
base=$(cat "$SYSCT_DIR/cgroup")
root=$(dirname "$(instance_cgroup x)")
echo 1 >"$root/cgroup.kill"
down() { grep -q 'populated 0' "$root/cgroup.events"; }
wait_until 10 down
find /sys/fs/cgroup -depth -type d -path "*/$base/*" -delete 2>/dev/null || true
umount -l "$SYSCT_DIR/run/lxcfs" # its server was killed with the rest
rm -rf "$SYSCT_DIR/run"
daemon_start
ok -n "what ran before the host went down is started" wait_until 20 instance_is was Running
ok -n "boot.autostart=true is started" wait_until 20 instance_is off Running
is "$(instance_status never)" Stopped "boot.autostart=false is not"
ok -n "an ephemeral one went with the host" wait_until 10 instance_gone brief

# --- a stop at once after the start is heard ---

for i in 1 2 3; do
	sysct launch busybox hasty
	ok -n "a stop right after the start, $i" timeout 30 sysct stop hasty
	sysct delete hasty
done

# --- image build ---

ok -n "sysct image build" sysct image build busybox
like "$(sysct image alias list -f csv)" busybox "the alias is there"

daemon_end
done_testing
