#!/bin/bash
# `lxc exec` without a terminal: streams, exit codes, environment, directory, users, and what ends it.
# shellcheck disable=SC2016 # what is in single quotes is for the shell in the instance
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
big=$((200 * 1000 * 1000))

# run ARGUMENT...: `lxc exec box ARGUMENT...`, keeping its streams and status.
run() {
	status=0
	lxc exec box "$@" >"$TMPDIR/out" 2>"$TMPDIR/err" || status=$?
}

# exits WANT COMMAND...
exits() {
	local want=$1
	shift
	run "$@"
	is $status "$want" "exit status of ${*: -1}"
}

# sleeping SECONDS: the pids, on the host, of `sleep SECONDS`.
sleeping() {
	local file
	for file in /proc/[0-9]*/cmdline; do
		# shellcheck disable=SC2094
		[ "$(tr '\0' ' ' 2>/dev/null <"$file")" != "sleep $1 " ] || dirname "$file"
	done
}
sleeps() { [ -n "$(sleeping "$1")" ]; }
sleeps_not() { [ -z "$(sleeping "$1")" ]; }

# --- streams
run -- sh -c 'echo to stdout; echo to stderr >&2'
is "$status $(cat "$TMPDIR/out") $(cat "$TMPDIR/err")" "0 to stdout to stderr" "stdout and stderr are separate"
is "$(echo hello | lxc exec box -- cat)" hello "stdin arrives"
is "$(lxc exec box -- cat </dev/null | wc -c)" 0 "an empty stdin ends at once"
is "$(printf 'no newline' | lxc exec box -- cat)" "no newline" "no newline is added"
is "$(lxc exec box -- sh -c 'exec >&-; cat; echo end >&2' </dev/null 2>&1)" end "a closed stdout does not end the command"
is "$(seq 100000 | lxc exec box -- head -n 1)" 1 "a command that does not read all of its input"
is "$(lxc exec box -T -- sh -c 'test -t 0 || echo none')" none "no terminal without -t"

# --- exit codes
exits 0 -- true
exits 1 -- false
exits 42 -- sh -c 'exit 42'
exits 255 -- sh -c 'exit 255'
exits 127 -- no-such-command
exits 127 -- /no/such/command
exits 126 -- /etc/passwd
exits 126 -- /etc
exits 137 -- sh -c 'kill -KILL $$'
exits 143 -- sh -c 'kill -TERM $$'
exits 129 -- sh -c 'kill -HUP $$'

# --- environment, directory, user
is "$(TERM=dumb lxc exec box -- env | sort | paste -sd ' ')" \
	"HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb USER=root" \
	"the environment that LXD gives"
is "$(lxc exec box --env A=b --env "C=d  e=f" -- sh -c 'echo "$A|$C"')" "b|d  e=f" "--env"
is "$(lxc exec box --env HOME=/srv --env USER=me -- sh -c 'echo $HOME $USER')" "/srv me" "--env comes before the defaults"
ok lxc config set box environment.FROM_CONFIG here
is "$(lxc exec box -- sh -c 'echo $FROM_CONFIG')" here "environment.* of the configuration"
is "$(lxc exec box --env FROM_CONFIG=there -- sh -c 'echo $FROM_CONFIG')" there "which --env overrides"
is "$(lxc exec box -- pwd)" /root "the directory is the user's"
is "$(lxc exec box --cwd /tmp -- pwd)" /tmp "--cwd"
run --cwd /no/such -- pwd
isnt_zero=no
[ $status -eq 0 ] || isnt_zero=yes
is "$isnt_zero $(cat "$TMPDIR/out")" "yes " "--cwd to nowhere runs nothing"
is "$(lxc exec box -- id -u)" 0 "root without --user"
is "$(lxc exec box --user 1000 --group 1001 -- sh -c 'echo $(id -u) $(id -g)')" "1000 1001" "--user and --group"
is "$(lxc exec box --user 1000 -- sh -c 'touch /etc/x 2>/dev/null || echo refused')" refused "--user has no rights of root's"
is "$(lxc exec box -- echo 'a  b' "c'd" '$HOME' '')" "a  b c'd \$HOME " "arguments stay as they are"

# --- all bytes, both ways
python3 -c 'import os,sys; sys.stdout.buffer.write(bytes(range(256)) * 4096 + b"\r\n\xff\x00\x04\x1a" + os.urandom(1 << 20))' >"$TMPDIR/bytes"
sum=$(sha256sum <"$TMPDIR/bytes")
is "$(lxc exec box -- sha256sum <"$TMPDIR/bytes")" "$sum" "every byte to the command"
is "$(lxc exec box -- cat <"$TMPDIR/bytes" | sha256sum)" "$sum" "and back"
run -- sh -c 'cat >&2' <"$TMPDIR/bytes"
is "$(sha256sum <"$TMPDIR/err")" "$sum" "stderr too"

# --- much, both ways, without growth of the daemon
head -c $big <(openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null) >"$TMPDIR/big"
sum=$(sha256sum <"$TMPDIR/big")
peak() { awk '/^VmHWM/ { print $2 }' "/proc/$daemon_pid/status"; }
before=$(peak)
is "$(lxc exec box -- sha256sum <"$TMPDIR/big")" "$sum" "200 MB to the command"
lxc exec box -- sh -c 'cat >/tmp/big' <"$TMPDIR/big"
is "$(lxc exec box -- cat /tmp/big | sha256sum)" "$sum" "200 MB from the command"
is "$(lxc exec box -- cat <"$TMPDIR/big" | sha256sum)" "$sum" "200 MB there and back at once"
grown=$(($(peak) - before))
ok -n "the daemon's peak memory grew by $grown KiB, at most 8192" test $grown -le 8192
# A reader that stops must stop the writer, not fill the daemon: two seconds are enough for far more than 32 MB.
lxc exec box -- sh -c 'touch /tmp/wrote; while head -c 1000000 /dev/zero && echo x >>/tmp/wrote; do :; done' |
	{ wait_until 2 false || true; lxc exec box -- sh -c 'wc -l </tmp/wrote' >"$TMPDIR/wrote"; } || true
ok -n "a reader that stops holds the command back ($(cat "$TMPDIR/wrote") MB)" test "$(cat "$TMPDIR/wrote")" -le 32
grown=$(($(peak) - before))
ok -n "and the daemon keeps its memory (grown $grown KiB)" test $grown -le 8192

# --- the end
began=$SECONDS
run -- sh -c 'sleep 300 & echo started'
is "$status $(cat "$TMPDIR/out")" "0 started" "a background child with the streams open"
ok -n "does not keep it waiting" test $((SECONDS - began)) -lt 60
/usr/bin/lxc exec box -- sleep 4711 &
client=$!
ok -n "a long command runs" wait_until 10 sleeps 4711
kill -KILL $client
wait $client 2>/dev/null || true
ok -n "killing the client ends it" wait_until 10 sleeps_not 4711
# The client makes SIGTERM of a SIGHUP when it has no terminal.
for pair in TERM:TERM INT:INT USR1:USR1 HUP:TERM; do
	sent=${pair%:*} signal=${pair#*:}
	env --default-signal=INT /usr/bin/lxc exec box -- \
		sh -c "trap 'echo got $signal; exit 7' $signal; sleep 4712 & echo ready; wait" >"$TMPDIR/signal.$sent" 2>&1 &
	client=$!
	wait_until 10 grep -q ready "$TMPDIR/signal.$sent" || true
	kill "-$sent" $client
	status=0
	wait $client || status=$?
	is "$status $(tail -n 1 "$TMPDIR/signal.$sent")" "7 got $signal" "SIG$sent to the client reaches the command"
done

# --- many at once
for i in {1..20}; do
	{ lxc exec box -- sh -c "cat; exit $i" <<<"$i" >"$TMPDIR/many.$i" 2>&1 || echo $? >>"$TMPDIR/many.$i"; } &
	many[i]=$!
done
wait "${many[@]}"
is "$(for i in {1..20}; do paste -sd : "$TMPDIR/many.$i"; done | paste -sd ' ')" "$(for i in {1..20}; do echo "$i:$i"; done | paste -sd ' ')" "20 at once"

# --- refused
ok lxc pause box
complains "The instance is frozen*" lxc exec box -- true
ok lxc start box
ok lxc stop box --force
complains "The instance is not running" lxc exec box -- true
complains "Instance not found*" lxc exec nobody -- true
is "$(lxc query /1.0/operations | grep -c '"running"')" 0 "no operation is left running"

daemon_end
done_testing
