#!/bin/bash
# The daemon may come and go: instances are not disturbed; what it finds broken it refuses.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

# refuses NAME: another sysctd in this directory ends by itself, with status 1; its words are in $refusal.
refuses() {
	local status=0
	refusal=$(timeout 20 sysctd "${@:2}" 2>&1) || status=$?
	is $status 1 "$1"
}

calls() { # PID...: system calls that begin within 10 s
	local options=()
	for pid in "$@"; do options+=(-p "$pid"); done
	timeout --signal=INT 10 strace -f -q "${options[@]}" 2>&1 | grep -vE 'resuming interrupted|<unfinished|<detached|restart_syscall|^strace:|attached|^\[pid +[0-9]+\] *$' |
		grep -vE '^(\[pid +[0-9]+\] )?(epoll_wait|epoll_pwait|poll|ppoll|futex|read|select|pselect6|accept4|clock_nanosleep|wait4)\([^)]*$' || true
}

daemon_start
sysct launch busybox box
pid=$(instance_init_pid box)
monitor=$(instance_monitor_pid box)

# --- one daemon for a directory ---

refuses "a second daemon on the same directory ends"
like "$refusal" 'another sysctd' "it says why"
like "$refusal" 'SYSCT_DIR' "and what to do"
ok -n "the first one is not disturbed" sysct list
fails -n "an unknown option" sysctd --nonsense
fails -n "an unknown group" sysctd --group no-such-group

# --- nothing polls ---

if command -v strace >/dev/null; then
	idle() { [ -z "$(calls "$daemon_pid")" ]; }
	wait_until 60 sh -c "! sysct query /1.0/operations | grep -q /1.0/operations/" # finished ones are remembered for 30 s
	is "$(calls "$daemon_pid" "$monitor")" "" "an idle daemon and an idle monitor make no system call in 10 s"
else
	skip "no strace"
fi

# --- killed ---

mkfifo "$TMPDIR/in"
sysct exec box -- sh -c 'while read line; do echo "got $line"; done' <"$TMPDIR/in" >"$TMPDIR/out" 2>&1 &
session=$!
exec {to_session}<>"$TMPDIR/in"
echo one >&$to_session
got() { grep -q "got $1" "$TMPDIR/out"; }
ok -n "an exec session runs" wait_until 10 got one
daemon_stop KILL
echo two >&$to_session
ok -n "it goes on when the daemon is killed" wait_until 10 got two
ok -n "init lives" kill -0 "$pid"
fails -n "a client without a daemon" sysct list
like "$(cat "$TAP_OUTPUT")" "$SYSCT_DIR/unix.socket|daemon" "is told"
ok -n "the socket of the killed daemon is still there" test -S "$SYSCT_DIR/unix.socket"
daemon_start
is "$(instance_status box) $(instance_init_pid box) $(instance_monitor_pid box)" "Running $pid $monitor" "the next daemon finds it, the same"
ok -n "exec works" sysct exec box -- true
echo three >&$to_session
ok -n "the session goes on" wait_until 10 got three
exec {to_session}>&-
kill $session 2>/dev/null || true
wait $session 2>/dev/null || true
like "$(cat "$daemon_log")" 'instance=box found running' "the log tells that it was found"

daemon_stop TERM
ok -n "a daemon that ends removes its socket" test ! -e "$SYSCT_DIR/unix.socket"
ok -n "and leaves init alone" kill -0 "$pid"
daemon_start
is "$(instance_status box) $(instance_init_pid box)" "Running $pid" "the next one finds it"
ok -n "stop works over the restarts" sysct stop --force box
ok -n "init is gone" test ! -e "/proc/$pid"
sysct start box

# --- it stops while no daemon looks ---

pid=$(instance_init_pid box)
sysct exec box -- sh -c 'mkfifo /run/word && { (read word </run/word; poweroff) >/dev/null 2>&1 & }' </dev/null
daemon_stop KILL
echo go >"/proc/$pid/root/run/word"
ok -n "it is powered off without a daemon" wait_until 20 test ! -e "/proc/$pid"
daemon_start
is "$(instance_status box)" Stopped "the next daemon knows"
ok -n "no run directory is left" test ! -e "$SYSCT_DIR/run/instances/box"
ok -n "no control group is left" test ! -e "$(instance_cgroup box)"
ok -n "it can be started" sysct start box

# --- a killed monitor ---

pid=$(instance_init_pid box) monitor=$(instance_monitor_pid box)
kill -9 "$monitor"
ok -n "without its monitor it becomes stopped" wait_until 10 instance_is box Stopped
ok -n "init is gone" wait_until 10 test ! -e "/proc/$pid" # when the host's init has reaped it
ok -n "no control group is left" test ! -e "$(instance_cgroup box)"
ok -n "no run directory is left" test ! -e "$SYSCT_DIR/run/instances/box"
like "$(cat "$daemon_log")" 'instance=box.*monitor was killed' "the log has it"
ok -n "it can be started" sysct start box
pid=$(instance_init_pid box) monitor=$(instance_monitor_pid box)
daemon_stop KILL
kill -9 "$monitor"
wait_until 10 test ! -e "/proc/$monitor"
daemon_start
is "$(instance_status box)" Stopped "a monitor that was killed while no daemon looked: stopped"
ok -n "init is gone" wait_until 10 test ! -e "/proc/$pid"
ok -n "no control group is left" test ! -e "$(instance_cgroup box)"
ok -n "it can be started" sysct start box

# --- a recycled pid is not taken for it ---

state=$SYSCT_DIR/run/instances/box
pid=$(instance_init_pid box) monitor=$(instance_monitor_pid box)
cp "$state/state.json" "$TMPDIR/state.json"
daemon_stop KILL
kill -9 "$monitor"
wait_until 10 test ! -e "/proc/$monitor"
sleep infinity &
stranger=$!
sed "s/\"pid\": $pid/\"pid\": $stranger/" "$TMPDIR/state.json" >"$state/state.json"
ok -n "the stale state names another process" grep -q "\"pid\": $stranger" "$state/state.json"
daemon_start
is "$(instance_status box)" Stopped "it is stopped"
is "$(instance_init_pid box)" 0 "with no pid"
ok -n "the other process lives" kill -0 $stranger
kill $stranger
wait $stranger 2>/dev/null || true
ok -n "it can be started" sysct start box

# --- the socket ---

is "$(stat -c '%a %U %F' "$SYSCT_DIR/unix.socket")" "660 root socket" "the socket is for root and its group"
daemon_stop
chmod 711 "$SYSCT_DIR" # as the directories of an installed daemon
daemon_start --group daemon
is "$(stat -c '%a %U %G' "$SYSCT_DIR/unix.socket")" "660 root daemon" "--group names the group"
ok -n "a member of the group may" setpriv --reuid=65534 --regid=1 --clear-groups sysct list
fails -n "others may not" setpriv --reuid=65534 --regid=65534 --clear-groups sysct list
like "$(cat "$TAP_OUTPUT")" 'ermission' "they are told"
is "$(stat -c %a "$SYSCT_DIR/storage-pools")" 700 "what is in the pools is for root alone"
fails -n "for nobody else" setpriv --reuid=65534 --regid=1 --clear-groups ls "$SYSCT_DIR/storage-pools"
fails -n "not the database either" setpriv --reuid=65534 --regid=1 --clear-groups head -c 1 "$SYSCT_DIR/sysct.db"
fails -n "nor the console's log" setpriv --reuid=65534 --regid=1 --clear-groups cat "$SYSCT_DIR/log/box/console.log"

# --- the database ---

daemon_stop
cp "$SYSCT_DIR/sysct.db" "$TMPDIR/good.db"
rm -f "$SYSCT_DIR"/sysct.db-*
head -c 1000 /dev/urandom | dd of="$SYSCT_DIR/sysct.db" conv=notrunc status=none
sum=$(sha256sum <"$SYSCT_DIR/sysct.db")
refuses "a corrupt database is refused"
like "$refusal" 'sysct.db' "the message names it"
is "$(sha256sum <"$SYSCT_DIR/sysct.db")" "$sum" "it is untouched"
cp "$TMPDIR/good.db" "$SYSCT_DIR/sysct.db"
python3 - "$SYSCT_DIR/sysct.db" <<'END'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
version = db.execute("PRAGMA user_version").fetchone()[0]
db.execute(f"PRAGMA user_version = {version + 1000}")
db.commit()
db.close()
END
sum=$(sha256sum <"$SYSCT_DIR/sysct.db")
refuses "a database of a newer version is refused"
like "$refusal" 'newer' "the message says so"
is "$(sha256sum <"$SYSCT_DIR/sysct.db")" "$sum" "it is untouched"
ok -n "the instance ran on all the while" kill -0 "$(pgrep -o -P "$(pgrep -f "^sysct-monitor $SYSCT_DIR/run/instances/box")")"
cp "$TMPDIR/good.db" "$SYSCT_DIR/sysct.db"
daemon_start
is "$(instance_status box)" Running "with the good one back it is found"

# --- two daemons side by side ---

first=$SYSCT_DIR first_daemon=$daemon_pid
(
	export SYSCT_DIR=$TMPDIR/other
	mkdir -m 711 "$SYSCT_DIR"
	daemon_log=$TMPDIR/other.log daemon_pid=
	daemon_start
	sysct launch busybox box
	echo "$(instance_status box) $(instance_cgroup box)" >"$TMPDIR/other.status"
	SYSCT_DIR=$first instance_cgroup box >>"$TMPDIR/other.status"
	sysct list -f csv -c n >"$TMPDIR/other.list"
	sysct delete --force box
	SYSCT_DIR=$first instance_status box >"$TMPDIR/first.status"
	daemon_end
)
like "$(head -n 1 "$TMPDIR/other.status")" '^Running ' "a second daemon in another directory runs an instance of the same name"
ok -n "in a control group of its own" test "$(head -n 1 "$TMPDIR/other.status" | cut -d' ' -f2)" != "$(tail -n 1 "$TMPDIR/other.status")"
is "$(cat "$TMPDIR/other.list")" box "it sees its own alone"
is "$(cat "$TMPDIR/first.status")" Running "deleting that one does not touch the first daemon's"
ok -n "which lives" kill -0 $first_daemon

# --- an unlucky place ---

deep=$TMPDIR/$(printf 'd%.0s' {1..100})/$(printf 'e%.0s' {1..100})
mkdir -p "$deep"
(
	export SYSCT_DIR=$deep
	daemon_log=$TMPDIR/deep.log daemon_pid=
	daemon_start
	sysct launch busybox box -q >"$TMPDIR/deep.out" 2>&1 && sysct exec box -- echo works >>"$TMPDIR/deep.out" 2>&1
	daemon_end
) || true
is "$(cat "$TMPDIR/deep.out")" works "a directory whose path is longer than a socket's address"

daemon_end
ok -n "the control groups of the daemon go with it" test ! -e "$(dirname "$(instance_cgroup x)")"
done_testing
