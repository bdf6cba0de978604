#!/bin/bash
# Commands in an instance: their streams, ends, identity, terminals; shell and console.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"
lib=$(cd "$(dirname "$0")/../lib" && pwd)

box() { # CMD...
	sysct exec box -- "$@"
}

status_of() { # CMD...: prints its status alone
	local status=0
	"$@" >/dev/null 2>&1 || status=$?
	echo $status
}

running() { # PATTERN: a process of the instance has it in its command line
	instance_processes box "$1" >/dev/null
}

not_running() {
	! running "$1"
}

# What it has written. Clean pages of programs and libraries are private to whoever has them alone, so they come and go with others.
memory() { # PID: KiB
	awk '/^Private_Dirty:/ { print $2 }' "/proc/$1/smaps_rollup"
}

open_ends() { descriptors "$1" 'socket:|pipe:|anon_inode:|/dev/'; } # files of the database come and go

daemon_start
sysct launch busybox box
pid=$(instance_init_pid box)
monitor=$(instance_monitor_pid box)
ends=$(open_ends "$daemon_pid") monitor_ends=$(open_ends "$monitor")

# --- streams ---

box sh -c 'echo out; echo err >&2' >"$TMPDIR/out" 2>"$TMPDIR/err"
is "$(cat "$TMPDIR/out")" out "standard output is separate"
is "$(cat "$TMPDIR/err")" err "from standard error"
is "$(echo text | box cat)" text "standard input arrives"
is "$(box cat </dev/null)" "" "and its end"
is "$(printf 'no newline' | box cat)" "no newline" "without a last newline too"
is "$(box sh -c 'test -t 0 || test -t 1 || echo none' </dev/null | cat)" none "no terminal where ours is none"
is "$(box sh -c 'ls /proc/self/fd | tr "\n" " "' </dev/null)" "0 1 2 3 " "no other descriptor (3 is of ls)"
python3 -c 'import os; os.write(1, bytes(range(256)) * 4096)' >"$TMPDIR/all"
sum=$(sha256sum <"$TMPDIR/all" | cut -d' ' -f1)
is "$(box sha256sum <"$TMPDIR/all" | cut -d' ' -f1)" "$sum" "every byte goes in as it is"
is "$(box cat <"$TMPDIR/all" | sha256sum | cut -d' ' -f1)" "$sum" "and comes out as it is"
# shellcheck disable=SC2002 # a pipe is what is tested
is "$(cat "$TMPDIR/all" | box cat | cat | sha256sum | cut -d' ' -f1)" "$sum" "through pipes too"
head -c 20000000 /dev/urandom >"$TMPDIR/random"
sum=$(sha256sum <"$TMPDIR/random" | cut -d' ' -f1)
is "$(box cat <"$TMPDIR/random" | sha256sum | cut -d' ' -f1)" "$sum" "20 MB of noise both ways"

# --- exit codes ---

is "$(status_of box true)" 0 "exit code 0"
is "$(status_of box false)" 1 "exit code 1"
is "$(status_of box sh -c 'exit 42')" 42 "exit code 42"
is "$(status_of box sh -c 'exit 255')" 255 "exit code 255"
is "$(status_of box no-such-program)" 127 "127 for a program that is not there"
ok -n "which is told" sh -c '! sysct exec box -- no-such-program'
like "$(cat "$TAP_OUTPUT")" 'no-such-program.*No such file' "with its name and the reason"
is "$(status_of box /etc/passwd)" 126 "126 for one that is not executable"
is "$(status_of box /etc)" 126 "126 for a directory"
is "$(status_of box sh -c 'kill -9 $$')" 137 "128+9 when it is killed"
is "$(status_of box sh -c 'kill -15 $$')" 143 "128+15 when it is terminated"
is "$(status_of sysct exec nobody -- true)" 3 "an unknown instance is \"not found\""

# --- who, where, with what ---

is "$(box sh -c 'echo "$(id -u) $(id -g) $(pwd) $HOME $USER"')" "0 0 /root /root root" "root at home"
is "$(box sh -c 'echo $PATH')" /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "the usual path"
is "$(sysct exec box --env A=1 --env B='x y=z' -- sh -c 'echo "$A,$B"')" "1,x y=z" "--env"
is "$(sysct exec box --env HOME=/tmp -- sh -c 'echo $HOME')" /tmp "--env over the defaults"
is "$(FROM_HOST=1 box sh -c 'echo "<$FROM_HOST>"')" "<>" "nothing of the host's environment"
is "$(sysct exec box --cwd /etc -- pwd)" /etc "--cwd"
is "$(status_of sysct exec box --cwd /nowhere -- pwd)" 126 "--cwd that is not there"
is "$(sysct exec box --user nobody -- sh -c 'echo "$(id -u) $(id -g) $USER"')" "65534 65534 nobody" "--user by name"
is "$(sysct exec box --user 65534 -- sh -c 'echo "$(id -u) $(id -g)"')" "65534 65534" "--user by number"
is "$(sysct exec box --user 1234 -- sh -c 'echo "$(id -u) $(id -g) $(pwd)"')" "1234 0 /" "a number without a name"
is "$(sysct exec box --group 4321 -- id -g)" 4321 "--group by number"
is "$(sysct exec box --group tty -- id -g)" 5 "--group by name"
is "$(sysct exec box --user 1234 --group tty -- sh -c 'echo "$(id -u) $(id -g) $(id -G)"')" "1234 5 5" "both, and no other group"
ok -n "an unknown user is refused" sh -c '! sysct exec box --user ghost -- true'
like "$(cat "$TAP_OUTPUT")" 'no user "ghost"' "with the name"
ok -n "an unknown group is refused" sh -c '! sysct exec box --group ghosts -- true'
like "$(cat "$TAP_OUTPUT")" 'no group "ghosts"' "with the name"
is "$(sysct exec box --user 1234 -- sh -c 'grep -E "^Cap(Eff|Prm|Amb)" /proc/self/status | grep -cv 0000000000000000')" 0 "no capability for others than root"
is "$(box sh -c 'ulimit -Sn')" 1024 "the soft limit on open files is the usual one"
is "$(box sh -c 'umask')" 0022 "the umask too"
like "$(box cat /proc/self/cgroup)" '0::/' "it is in the instance's control group"
sysct exec box -- sleep 54321 </dev/null >/dev/null 2>&1 &
client=$!
ok -n "a command is running" wait_until 10 running 'sleep 54321'
process=$(instance_processes box '^sleep 54321')
like "$(cat "/proc/$process/cgroup")" "0::/$(cat "$SYSCT_DIR/cgroup")/box/" "also as the host sees it"
is "$(grep -E '^[0-9]+:(memory|pids|cpuset|cpu|cpuacct|blkio):' "/proc/$process/cgroup" | grep -v '/box$')" "" "with every controller of a hybrid host"

# --- ends when it should ---

kill -9 $client
wait $client 2>/dev/null || true
ok -n "a client killed by -9 ends its command" wait_until 10 not_running 'sleep 54321'
sysct exec box -- sh -c 'sleep 54322 & sleep 54323' </dev/null >/dev/null 2>&1 &
client=$!
wait_until 10 running 'sleep 54322'
kill -9 $client
wait $client 2>/dev/null || true
ok -n "with its children" wait_until 10 not_running 'sleep 5432[23]'
sysct exec box -- sh -c 'sleep 54324 & echo begun' </dev/null >"$TMPDIR/out" 2>&1 &
client=$!
client_gone() { ! kill -0 $client 2>/dev/null; }
ok -n "a background child does not keep the client" wait_until 10 client_gone
is "$(cat "$TMPDIR/out")" begun "which had its output"
ok -n "and lives on" running 'sleep 54324'
kill "$(instance_processes box 'sleep 54324')"
ok -n "a command that does not read ends" sh -c 'yes | timeout 20 sysct exec box -- true'
ok -n "closed standard input is the end of it" timeout 20 sysct exec box -- cat <&-
ok -n "closed standard output is no obstacle" sh -c 'timeout 20 sysct exec box -- true >&-'
is "$(timeout 20 sysct exec box -n -- cat)" "" "--disable-stdin"
is "$(status_of sh -c 'timeout 20 sysct exec box -- yes | head -n 1')" 0 "a reader that goes away ends the writer"
ok -n "which is gone in the instance too" wait_until 10 not_running '^yes'
fails -n "a directory as standard input" sh -c 'sysct exec box -- ls </'
like "$(cat "$TAP_OUTPUT")" 'directory' "it says why"
fails -n "a directory as standard error" sh -c 'exec 2</; sysct exec box -- true'

for signal in TERM INT HUP QUIT USR1 USR2; do
	rm -f "$TMPDIR/out"
	sysct exec box -- sh -c "trap 'echo got $signal; exit 7' $signal; echo ready; while :; do sleep 0.1; done" </dev/null >"$TMPDIR/out" 2>&1 &
	client=$!
	wait_until 10 grep -q ready "$TMPDIR/out" || true
	kill -$signal $client
	status=0
	wait $client || status=$?
	is "$status $(tail -n 1 "$TMPDIR/out")" "7 got $signal" "SIG$signal is passed on"
done

# --- a gigabyte, and what it costs ---

before=$(memory "$daemon_pid") before_monitor=$(memory "$monitor")
is "$(head -c 1073741824 /dev/zero | box wc -c)" 1073741824 "1 GB goes in"
is "$(box head -c 1073741824 /dev/zero | wc -c)" 1073741824 "1 GB comes out"
ok -n "the daemon does not grow ($before KiB)" test "$(memory "$daemon_pid")" -le $((before + 512))
ok -n "the monitor does not grow ($before_monitor KiB)" test "$(memory "$monitor")" -le $((before_monitor + 64))
# Two sessions may be alive at once, each with buffers of a fixed size for its streams: 1 MiB.
before=$(memory "$daemon_pid")
is "$(head -c 104857600 /dev/zero | "$lib/websocket-exec" box wc -c)" 104857600 "100 MB go in by WebSocket"
is "$("$lib/websocket-exec" box head -c 104857600 /dev/zero </dev/null | wc -c)" 104857600 "100 MB come out by WebSocket"
now=$(memory "$daemon_pid")
ok -n "the daemon does not grow ($before KiB, $now KiB)" test "$now" -le $((before + 2048))

# --- WebSockets ---

is "$("$lib/websocket-exec" box sh -c 'echo out; echo err >&2' </dev/null 2>/dev/null)" out "WebSocket: standard output"
is "$("$lib/websocket-exec" box sh -c 'echo out; echo err >&2' </dev/null 2>&1 >/dev/null)" err "WebSocket: standard error"
is "$("$lib/websocket-exec" box cat <"$TMPDIR/random" | sha256sum | cut -d' ' -f1)" "$sum" "WebSocket: 20 MB of noise both ways"
is "$(status_of "$lib/websocket-exec" box sh -c 'exit 42' </dev/null)" 42 "WebSocket: exit code"
is "$(status_of "$lib/websocket-exec" box no-such-program </dev/null)" 127 "WebSocket: 127"
is "$(status_of "$lib/websocket-exec" box sh -c 'kill -9 $$' </dev/null)" 137 "WebSocket: 137"
is "$(timeout 20 "$lib/websocket-exec" box sh -c 'sleep 54325 & echo begun' </dev/null)" begun "WebSocket: a background child does not keep it"
kill "$(instance_processes box 'sleep 54325')"
"$lib/websocket-exec" box sleep 54326 </dev/null >/dev/null 2>&1 &
client=$!
wait_until 10 running 'sleep 54326'
kill -9 $client
wait $client 2>/dev/null || true
ok -n "WebSocket: a client killed by -9 ends its command" wait_until 10 not_running 'sleep 54326'
is "$("$lib/websocket-exec" --interactive 132x43 box stty size </dev/null | tr -d '\r')" "43 132" "WebSocket: a terminal of that size"

# --- many at once ---

many() {
	local i jobs=() failed=0
	for i in {1..50}; do
		box sh -c "read x; echo \$x $i; exit $i" <<<"in$i" >"$TMPDIR/many.$i" 2>&1 &
		jobs+=($!)
	done
	for i in {1..50}; do
		local status=0
		wait "${jobs[i - 1]}" || status=$?
		[ "$status $(cat "$TMPDIR/many.$i")" = "$i in$i $i" ] || { echo "$i: $status $(cat "$TMPDIR/many.$i")"; failed=1; }
	done
	return $failed
}
ok -n "50 at once, each its own" many
settled() { [ "$(open_ends "$1")" -le "$2" ]; }
many >/dev/null
ok -n "they leave no descriptor in the monitor" wait_until 10 settled "$monitor" "$monitor_ends"
ok -n "nor in the daemon" wait_until 10 settled "$daemon_pid" "$ends"
is "$(awk '/^Threads/ { print $2 }' "/proc/$monitor/status")" 1 "the monitor has one thread"

# --- on a terminal ---

terminal() {
	"$lib/on-a-terminal" "$@" | tr -d '\r'
}
is "$(terminal -- sysct exec box -- sh -c 'test -t 0 && test -t 1 && test -t 2 && echo yes')" yes "a terminal for a terminal"
is "$(terminal --size 43x132 -- sysct exec box -- stty size)" "43 132" "with the size of the window"
like "$(terminal -- sysct exec box -- tty)" '^/dev/pts/[0-9]+' "it is of the instance's own devpts"
like "$(terminal 'ready' 'resize:50x100' 'got (\d+ \d+)' '' -- sysct exec box -- sh -c 'trap "echo got \$(stty size); exit" WINCH; echo ready; while :; do sleep 0.1; done')" \
	'got 50 100' "a change of the window arrives"
like "$(terminal 'ready' '\x03' 'broken' '' -- sysct exec box -- sh -c 'trap "echo broken; exit 3" INT; echo ready; while :; do sleep 0.1; done')" \
	'broken' "Ctrl-C interrupts the command"
is "$(status_of "$lib/on-a-terminal" ready '\x03' -- sysct exec box -- sh -c 'trap "exit 3" INT; echo ready; while :; do sleep 0.1; done')" 3 "and its exit code comes back"
is "$(status_of "$lib/on-a-terminal" -- sysct exec box -- sh -c 'exit 42')" 42 "exit code on a terminal"
is "$(status_of "$lib/on-a-terminal" -- sysct exec box -- no-such-program)" 127 "127 on a terminal"
like "$(terminal '# ' 'echo $((6 * 7))\n' '42' 'exit\n' -- sysct exec box -- sh)" '42' "an interactive shell"
is "$(terminal '#' 'exit 5\n' -- sh -c 'sysct exec box -- sh >/dev/tty; echo "status $?"' | tail -n 1)" "status 5" "and its exit"
before=$(terminal -- sh -c 'stty -g; sysct exec box -- true; stty -g' | sort -u | wc -l)
is "$before" 1 "the terminal is left as it was"
"$lib/on-a-terminal" 'ready' 'kill:9' -- sysct exec box -- sh -c 'echo ready; sleep 54327' >/dev/null 2>&1 || true
ok -n "a client killed on a terminal ends its command" wait_until 10 not_running 'sleep 54327'
like "$(terminal --size 20x70 -- sysct exec box --user nobody -- sh -c 'stat -c %U $(tty); echo x >$(tty)')" $'nobody\nx' "the terminal belongs to its user"
like "$(terminal --size 20x70 -- sh -c 'TERM=fancy sysct exec box -- sh -c "echo \$TERM"')" 'fancy' "TERM is passed on"
seen=$(terminal -- sysct exec box -- sh -c 'yes 0123456789 | head -n 20000; echo END')
is "$(grep -c 0123456789 <<<"$seen") $(tail -n 1 <<<"$seen")" "20000 END" "nothing of much output is lost"

# --- shell ---

is "$(echo 'echo hello $0' | sysct shell box)" "hello -sh" "shell: a login shell that reads its commands"
is "$(echo 'exit 9' | status_of sysct shell box)" 9 "shell: its exit code"
like "$(terminal 'box.*#' 'exit\n' -- sysct shell box)" 'root@box' "shell: a prompt on a terminal"
ok -n "shell: a user that is not there" sh -c '! sysct shell box ghost </dev/null'

# --- console ---

sysct launch debian deb
boots deb || bail "Debian does not boot"
sysct exec deb -- useradd -m -s /bin/bash sam
sysct exec deb -- usermod -aG audio,video sam
is "$(sysct exec deb --user sam -- id -nG)" "sam audio video" "--user: with the groups of that user"
is "$(sysct exec deb --user sam --group sam -- id -nG)" "sam" "--group: without them"
is "$(echo 'echo $(id -un) $(pwd)' | sysct shell deb sam)" "sam /home/sam" "shell: another user at home"
login() { sysct console deb --show-log | grep -q 'deb login:'; }
ok -n "console --show-log has the login prompt" wait_until 30 login
result=0
seen=$("$lib/on-a-terminal" 'press Ctrl-a' '\n' 'login:' 'root\n' 'assword:' '\x01q' 'Detached' '' -- sysct console deb) || result=$?
like "$seen" 'deb login:' "console: attach"
like "$seen" 'assword:' "console: what is typed arrives"
is "$result" 0 "console: Ctrl-a q detaches"
# A mark is written until who is attached shows it.
shows() { # FILE MARK
	sysct exec deb -- sh -c "echo $2 >/dev/console" </dev/null && grep -q "$2" "$1"
}
"$lib/on-a-terminal" 'never-shown' '' -- sysct console deb >"$TMPDIR/first" 2>&1 &
first=$!
ok -n "console: it can be attached again" wait_until 10 shows "$TMPDIR/first" mark-one
"$lib/on-a-terminal" 'mark-two' '\x01q' -- sysct console deb >"$TMPDIR/second" 2>&1 &
second=$!
ok -n "console: the newest client has it" wait_until 10 shows "$TMPDIR/second" mark-two
ok -n "console: Ctrl-a q ends it" wait $second
wait $first || true
fails -n "console: the one before was let go" grep -q 'on-a-terminal: waited' "$TMPDIR/first"
fails -n "console of a stopped instance" sh -c 'sysct init busybox off -q && sysct console off'

# --- a flood on the console ---

ok -n "a flood of 20 MB on the console goes through" timeout 60 sysct exec deb -- sh -c 'yes 0123456789 | head -c 20000000 >/dev/console; echo END-OF-FLOOD >/dev/console'
ended() { sysct console deb --show-log | tail -c 1000 | grep -q END-OF-FLOOD; }
ok -n "its end is in the log" wait_until 10 ended
ok -n "the log stays below 2 MiB on disk" test "$(du -s --block-size=1 "$SYSCT_DIR/log/deb" | cut -f1)" -le $((2 * 1048576 + 16384))
size=$(sysct console deb --show-log | wc -c)
ok -n "the last MiB is there ($size)" test "$size" -ge $((1048576 - 8192)) -a "$size" -le 1048576
ok -n "init answers as before" sysct exec deb -- systemctl is-system-running
before=$(memory "$(instance_monitor_pid deb)")
"$lib/on-a-terminal" 'mark-three' 'kill:19' 'never-shown' '' -- sysct console deb >/dev/null 2>&1 &
first=$!
stopped() { sysct exec deb -- sh -c 'echo mark-three >/dev/console' </dev/null && [ "$(ps -o stat= -p "$(pgrep -P $first)" | cut -c1)" = T ]; }
wait_until 10 stopped
ok -n "an attached client that does not read does not stall it" timeout 60 sysct exec deb -- sh -c 'yes 0123456789 | head -c 20000000 >/dev/console'
ok -n "nor make the monitor grow ($before KiB)" test "$(memory "$(instance_monitor_pid deb)")" -le $((before + 256))
kill -KILL "$(pgrep -P $first)"
wait $first || true

daemon_end
done_testing
