#!/bin/bash
# Proxy devices: every pair of kinds in both directions, what a stream and a datagram is owed, sockets in the file system, who
# may do what, and the death of everybody involved. nat is in proxy-nat.t.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

python=$(python3 -c 'import sys; print(sys.executable)') # not a wrapper, which takes long
endpoint() { timeout 120 "$python" -B "$top/tests/lib/endpoint" "$@"; }

# serve SIDE ARGUMENTS...: a server on the host or in the instance; ends with the test.
serve() {
	local inside=() told=$TMPDIR/told${#servers[@]}
	[ "$1" = host ] || inside=(-n "$(instance_init_pid box)")
	"$python" -B "$top/tests/lib/endpoint" "${inside[@]}" "${@:2}" </dev/null >"$told" &
	servers+=("$!")
	wait_until 20 grep -q listening "$told" || bail "no server: $*"
}
servers=()
say() { # SIDE ADDRESS TEXT
	local inside=()
	[ "$1" = host ] || inside=(-n "$(instance_init_pid box)")
	printf '%s' "$3" | endpoint "${inside[@]}" talk "$2" 2>&1 || true
}
hears() { # SIDE ADDRESS ANSWER NAME: "x" is answered so
	is "$(say "$1" "$2" x)" "$3" "$4"
}
proxy_pid() { pgrep -f "^sysct-proxy box/$1 "; }
proxies() { pgrep -fc "^sysct-proxy box/" || true; }
add() { sysct config device add box "$1" proxy "${@:2}"; }
refused() { # PATTERN KEY=VALUE...
	fails -n "refused: ${*:2}" sysct config device add box bad proxy "${@:2}"
	like "$(cat "$TAP_OUTPUT")" "$1" "and is told why"
}

daemon_start
sysct launch busybox box
init=$(instance_init_pid box)
run=$SYSCT_DIR/run/instances/box
box_uid=$(awk '/^Uid:/ { print $2 }' "/proc/$init/status")

# --- kinds and sides: a server of each kind, and a device from each kind to each, in both directions ---

where=$TMPDIR/sockets
mkdir -m 711 "$where"
for side in host box; do
	serve $side serve tcp:127.0.0.1:7001 tcp-
	serve $side serve 'tcp:[::1]:7001' six-
	serve $side serve udp:127.0.0.1:7001 udp-
	serve $side serve unix:@srv abstract-
done
serve host serve "unix:$where/srv" path-
serve box serve unix:/run/srv path-
echo_of() { # KIND ADDRESS: of what serves there
	case $2 in *'[::1]'*) echo six-x ;; *@*) echo abstract-x ;; unix:*) echo path-x ;; *) echo "${2%%:*}-x" ;; esac
}
port=8100
for side in host instance; do
	if [ $side = host ]; then here=host there=$where; else here=box there=/run; fi
	if [ $side = host ]; then target=unix:/run/srv; else target=unix:$where/srv; fi
	for listen in tcp:127.0.0.1:PORT 'tcp:[::1]:PORT' udp:127.0.0.1:PORT unix:@aPORT "unix:$there/lPORT"; do
		for connect in tcp:127.0.0.1:7001 'tcp:[::1]:7001' udp:127.0.0.1:7001 unix:@srv "$target"; do
			port=$((port + 1))
			echo "$side $here ${listen/PORT/$port} $connect" >>"$TMPDIR/pairs"
		done
	done
done
number=0
while read -r side here listen connect; do
	number=$((number + 1))
	add "pair$number" bind="$side" listen="$listen" connect="$connect"
	case $listen,$connect in
	udp:*,udp:* | [tu]*:*,[tu]*)
		# From a stream to datagrams and back the server does not see an end: it only echoes what comes before.
		case $listen,$connect in
		udp:*,tcp:* | udp:*,unix:* | tcp:*,udp:* | unix:*,udp:*) continue ;;
		esac
		hears "$here" "$listen" "$(echo_of "$listen" "$connect")" "$side: $listen -> $connect"
		;;
	esac
done <"$TMPDIR/pairs"
is "$(proxies)" "$number" "each has a process"
names=()
for ((i = 1; i <= number; i++)); do names+=("pair$i"); done
sysct config device remove box "${names[@]}"
is "$(proxies)" 0 "which goes with its device"
is "$(find "$where" -name 'l*')" "" "and its socket on the host"
no_sockets() { ! sysct exec box -- sh -c 'ls /run/l[0-9]*'; }
ok -n "and in the instance" wait_until 5 no_sockets

# --- between streams and datagrams ---

serve box serve udp:127.0.0.1:7002
serve box serve tcp:127.0.0.1:7002
add mixed1 listen=udp:127.0.0.1:8201 connect=tcp:127.0.0.1:7002
hears host udp:127.0.0.1:8201 x "datagrams to a stream, and back"
add mixed2 listen=tcp:127.0.0.1:8202 connect=udp:127.0.0.1:7002
is "$(exec 3<>/dev/tcp/127.0.0.1/8202 && printf 'one' >&3 && head -c 3 <&3)" one "a stream to datagrams, and back"
sysct config device remove box mixed1 mixed2

# --- what a stream is owed ---

serve box serve tcp:127.0.0.1:7003
serve box serve unix:/run/echo
serve box never tcp:127.0.0.1:7004
add bulk listen=tcp:127.0.0.1:8301 connect=tcp:127.0.0.1:7003
add bulku listen=tcp:127.0.0.1:8302 connect=unix:/run/echo
add stuck listen=tcp:127.0.0.1:8303 connect=tcp:127.0.0.1:7004
add closed listen=tcp:127.0.0.1:8304 connect=tcp:127.0.0.1:7999
add far listen=tcp:127.0.0.1:8305 connect=unix:/run/none
is "$(endpoint bulk tcp:127.0.0.1:8301 64)" same "64 MiB in both directions, tcp to tcp"
is "$(endpoint bulk tcp:127.0.0.1:8302 64)" same "and tcp to unix"
is "$(endpoint many tcp:127.0.0.1:8301 1000)" "0 wrong" "1000 connections at once"
is "$(endpoint many tcp:127.0.0.1:8302 1000)" "0 wrong" "and to a unix socket, whose queue is short"
like "$(say host tcp:127.0.0.1:8304 x)" '^reset$' "a target that refuses: the client sees a reset"
like "$(say host tcp:127.0.0.1:8305 x)" '^reset$' "so for a socket that is not there"
sent=$(endpoint fill tcp:127.0.0.1:8303)
ok -n "a reader that does not read holds the writer up ($sent bytes)" test "$sent" -lt $((64 << 20))
few_files() { [ "$(find "/proc/$(proxy_pid "$1")/fd" | wc -l)" -lt 40 ]; }
ok -n "connections that ended leave no descriptor" wait_until 10 few_files bulk
ok -n "nor those that were refused" wait_until 10 few_files closed

# --- datagrams ---

serve box peers udp:127.0.0.1:7005
serve box serve udp:127.0.0.1:7006
add udp listen=udp:0.0.0.0:8401 connect=udp:127.0.0.1:7006
hears host udp:127.0.0.1:8401 x "datagrams"
is "$(endpoint sizes udp:127.0.0.1:8401)" same "of all sizes"
is "$(endpoint many udp:127.0.0.1:8401 200)" "0 wrong" "each of 200 clients gets its own answers"
is "$(say host udp:127.0.0.5:8401 x)" x "from the address that it wrote to"

# --- ports ---

serve box serve tcp:127.0.0.1:7101 one-
serve box serve tcp:127.0.0.1:7102 two-
serve box serve tcp:127.0.0.1:7103 three-
add range listen=tcp:127.0.0.1:8501,8503-8504 connect=tcp:127.0.0.1:7101-7103
hears host tcp:127.0.0.1:8501 one-x "a list of ports, one to one"
hears host tcp:127.0.0.1:8503 two-x "with a range"
hears host tcp:127.0.0.1:8504 three-x "to its end"
add tone listen=tcp:127.0.0.1:8601-8603 connect=tcp:127.0.0.1:7103
hears host tcp:127.0.0.1:8602 three-x "many to one"
add both listen='tcp:[::]:8605' connect=tcp:127.0.0.1:7103
hears host tcp:127.0.0.1:8605 three-x "[::] is both families"

# --- PROXY protocol ---

serve box serve tcp:127.0.0.1:7201 got:
add header listen='tcp:[::]:8701' connect=tcp:127.0.0.1:7201 proxy_protocol=true
like "$(say host tcp:127.0.0.1:8701 body)" $'^got:PROXY TCP4 127\\.0\\.0\\.1 127\\.0\\.0\\.1 [0-9]+ 8701\r\nbody$' "the header of a client of IPv4"
like "$(say host 'tcp:[::1]:8701' body)" $'^got:PROXY TCP6 ::1 ::1 [0-9]+ 8701\r\nbody$' "of IPv6"
add uheader listen="unix:$where/header" connect=tcp:127.0.0.1:7201 proxy_protocol=true
is "$(say host "unix:$where/header" body)" $'got:PROXY UNKNOWN\r\nbody' "of a unix socket"

# --- sockets in the file system ---

serve host serve tcp:127.0.0.1:7301 host-
add owned listen="unix:$where/owned" connect=tcp:127.0.0.1:7103 mode=0620 uid=1234 gid=5678
is "$(stat -c '%a %u %g' "$where/owned")" "620 1234 5678" "mode, uid and gid of a socket on the host"
add plain listen="unix:$where/plain" connect=tcp:127.0.0.1:7103
is "$(stat -c '%a %u %g' "$where/plain")" "644 0 0" "without them"
add inowned bind=instance listen=unix:/run/owned connect=tcp:127.0.0.1:7301 mode=0660 uid=12 gid=34
is "$(sysct exec box -- stat -c '%a %u %g' /run/owned)" "660 12 34" "of one in the instance"
hears box unix:/run/owned host-x "which leads to the host"
is "$(stat -c %u "/proc/$(proxy_pid inowned)/fd")" 0 "nobody but root looks into a proxy" # not dumpable
status() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$(proxy_pid "$1")/status"; }
is "$(status inowned Uid) $(status inowned CapEff) $(status inowned NoNewPrivs)" "$box_uid 0000000000000000 1" "it runs as the instance's root, without privileges"
add as bind=instance listen=tcp:127.0.0.1:8801 connect=tcp:127.0.0.1:7301 security.uid=33 security.gid=44
is "$(status as Uid) $(status as Gid)" "33 44" "security.uid and security.gid of the host"
add inas listen=tcp:127.0.0.1:8802 connect=tcp:127.0.0.1:7103 security.uid=33
is "$(status inas Uid)" "$((box_uid + 33))" "and of the instance"
add asroot bind=instance listen=tcp:127.0.0.1:8803 connect=tcp:127.0.0.1:7301 security.uid=0
is "$(status asroot Uid) $(status asroot CapEff) $(status asroot CapBnd)" "0 0000000000000000 0000000000000000" "root of the host has no capability either"
touch "$where/file"
refused 'not a socket' listen="unix:$where/file" connect=tcp:127.0.0.1:1
refused 'another process listens' listen="unix:$where/srv" connect=tcp:127.0.0.1:1
ok -n "which is still there" test -S "$where/srv"
refused 'directory .*/missing/.*No such file' listen="unix:$where/missing/x" connect=tcp:127.0.0.1:1

# A link in the instance to a path of the host, and one out of it.
mkdir "$where/trap"
sysct exec box -- sh -c "mkdir -p /srv '$where'; ln -s '$where/trap' /srv/abs; ln -s ../../../../../../../..'$where/trap' /srv/rel; ln -s '$where/owned' /srv/x"
refused 'No such file' bind=instance listen=unix:/srv/abs/sock connect=tcp:127.0.0.1:7301
refused 'No such file' bind=instance listen=unix:/srv/rel/sock connect=tcp:127.0.0.1:7301
refused 'not a socket' bind=instance listen=unix:/srv/x connect=tcp:127.0.0.1:7301
sysct exec box -- mkdir "$where/trap"
add linked bind=instance listen=unix:/srv/abs/sock connect=tcp:127.0.0.1:7301
is "$(find "$where/trap")" "$where/trap" "a link in the instance leads to its own files"
ok -n "where the socket is" sysct exec box -- test -S "$where/trap/sock"
sysct exec box -- ln -s "$where/srv" /srv/lure
add lure listen=tcp:127.0.0.1:8804 connect=unix:/srv/lure
is "$(say host tcp:127.0.0.1:8804 x)" reset "nor does connecting follow one to the host"

# --- bad values ---

refused 'no "connect"' listen=tcp:127.0.0.1:1
refused 'must be tcp:ADDRESS' listen=sctp:127.0.0.1:1 connect=tcp:127.0.0.1:1
refused 'not an IP address' listen=tcp:127.0.0.1:1 connect=tcp:localhost:1
refused 'not an IP address' listen=tcp:::1:1 connect=tcp:127.0.0.1:1
refused '"0" is not a port' listen=tcp:127.0.0.1:0 connect=tcp:127.0.0.1:1
refused '"65536" is not a port' listen=tcp:127.0.0.1:65536 connect=tcp:127.0.0.1:1
refused 'not a range' listen=tcp:127.0.0.1:9-5 connect=tcp:127.0.0.1:1
refused 'no port' listen=tcp:127 connect=tcp:127.0.0.1:1
refused 'as many, or' listen=tcp:127.0.0.1:5-6 connect=tcp:127.0.0.1:1-3
refused 'as many, or' listen=unix:@x connect=tcp:127.0.0.1:1-3
refused 'neither an absolute path' listen=unix:relative connect=tcp:127.0.0.1:1
refused 'at most 107' listen="unix:/$(printf 'x%.0s' {1..107})" connect=tcp:127.0.0.1:1
refused 'not a side' listen=tcp:127.0.0.1:9 connect=tcp:127.0.0.1:1 bind=both
refused 'not a mode' listen=unix:/run/x connect=tcp:127.0.0.1:1 mode=999
refused 'number of a user' listen=unix:/run/x connect=tcp:127.0.0.1:1 uid=root
refused 'in the file system' listen=unix:@x connect=tcp:127.0.0.1:1 mode=0600
refused 'tcp servers' listen=tcp:127.0.0.1:9 connect=unix:/x proxy_protocol=true
refused 'has no key "nonsense"' listen=tcp:127.0.0.1:9 connect=unix:/x nonsense=1
refused 'has 65536 ids' listen=tcp:127.0.0.1:9 connect=unix:/x security.uid=65536
refused '"bad".*tcp:127.0.0.1:8501.*port 8501: Address already in use' listen=tcp:127.0.0.1:8501 connect=tcp:127.0.0.1:1
refused 'Cannot assign requested address' listen=tcp:192.0.2.77:80 connect=tcp:127.0.0.1:1
is "$(sysct config device list box | grep -c bad)" 0 "none of them is stored"

# --- changes while it runs ---

pid=$(proxy_pid tone)
sysct config device set box tone listen=tcp:127.0.0.1:8611
hears host tcp:127.0.0.1:8611 three-x "a change takes place at once"
is "$(say host tcp:127.0.0.1:8601 x 2>&1 | grep -c 'refused')" 1 "the old port is free"
ok -n "by another process" test "$pid" != "$(proxy_pid tone)"
kept=$(proxy_pid range)
fails -n "a change to a port in use" sysct config device set box tone listen=tcp:127.0.0.1:8501
hears host tcp:127.0.0.1:8611 three-x "leaves everything as it was"
is "$(proxy_pid range)" "$kept" "and others alone"
sysct profile create proxied
sysct profile device add proxied bypro proxy listen=tcp:127.0.0.1:8901 connect=tcp:127.0.0.1:7103
sysct profile add box proxied
hears host tcp:127.0.0.1:8901 three-x "one of a profile"
sysct profile device set proxied bypro listen=tcp:127.0.0.1:8902
hears host tcp:127.0.0.1:8902 three-x "which changes with it"

# --- death ---

before=$(proxies)
pid=$(proxy_pid tone)
kill -KILL "$pid"
another() { [ "$(proxy_pid "$1")" ] && [ "$(proxy_pid "$1")" != "$2" ]; }
ok -n "a proxy that was killed is started again" wait_until 5 another tone "$pid"
hears host tcp:127.0.0.1:8611 three-x "and listens"
pid=$(proxy_pid owned)
kill -KILL "$pid"
ok -n "so is one with a socket in the file system" wait_until 5 another owned "$pid"
hears host "unix:$where/owned" three-x "in place of the old one"
daemon_stop KILL
is "$(say host tcp:127.0.0.1:8611 x)" three-x "without the daemon they forward"
pid=$(proxy_pid tone)
kill -KILL "$pid"
ok -n "and are started again" wait_until 5 another tone "$pid"
pid=$(proxy_pid tone)
daemon_start
is "$(proxy_pid tone)" "$pid" "a new daemon leaves them alone"
daemon_stop
SYSCT_FAULT=proxies.changed daemon_start
fails -n "a daemon is killed between a change and its commit" add half listen=tcp:127.0.0.1:8910 connect=tcp:127.0.0.1:7103
wait "$daemon_pid" || true
ok -n "the proxy runs" proxy_pid half
daemon_start
half_gone() { ! proxy_pid half; }
ok -n "the next daemon ends what is not stored" wait_until 5 half_gone

ok -n "a reboot from inside" reboots box
init=$(instance_init_pid box)
all_back() { [ "$(proxies)" = "$before" ]; }
sysct exec box -- mkdir -p "$where/trap" # still there
ok -n "brings all back" wait_until 20 all_back
serve box serve tcp:127.0.0.1:7103 after-
hears host tcp:127.0.0.1:8611 after-x "into the new network namespace"
hears box unix:/run/owned host-x "and out of it"

# --- starting ---

sysct stop --force box
is "$(proxies)" 0 "they end with the instance"
is "$(find "$where" -name owned -o -name plain)" "" "so do their sockets on the host"
serve host serve tcp:127.0.0.1:8611
fails -n "a port in use: the start fails" sysct start box
like "$(cat "$TAP_OUTPUT")" 'device "tone": listening on tcp:127.0.0.1:8611: port 8611: Address already in use' "by the device's name"
is "$(instance_status box)" Stopped "the instance is stopped again"
is "$(proxies)$(pgrep -fc "sysct-monitor .*$run" || true)" 00 "nothing of it runs"
is "$(find "$where" -name owned -o -name plain)" "" "no socket is left"
kill "${servers[-1]}"
wait "${servers[-1]}" 2>/dev/null || true
ok -n "then it starts" sysct start box
is "$(proxies)" "$before" "with all of them"
kill -KILL "$(instance_monitor_pid box)"
ok -n "the monitor is killed: the instance stops" wait_until 10 instance_is box Stopped
none_left() { [ "$(proxies)" = 0 ] && [ -z "$(find "$where" -name owned -o -name plain)" ]; }
ok -n "and no proxy and no socket is left" wait_until 10 none_left
# --- few descriptors: connections wait, and no processor turns ---

daemon_stop
ulimit -n 1100
daemon_start
sysct start box
serve box serve tcp:127.0.0.1:7003
is "$(endpoint many tcp:127.0.0.1:8301 500)" "0 wrong" "more connections than there are descriptors: all are served"
holders=()
for _ in {1..250}; do
	exec {fd}<>/dev/tcp/127.0.0.1/8301
	holders+=("$fd")
done
full() { [ "$(find "/proc/$(proxy_pid bulk)/fd" -lname 'socket:*' | wc -l)" -ge 300 ]; }
ok -n "as many are taken as can be" wait_until 5 full
ticks() { awk '{ print $14 + $15 }' "/proc/$(proxy_pid bulk)/stat"; }
before=$(ticks)
sleep 1
ok -n "while the others wait the proxy sleeps" test $(($(ticks) - before)) -le 5
for fd in "${holders[@]}"; do exec {fd}>&-; done
hears host tcp:127.0.0.1:8301 x "then it goes on"

sysct delete --force box
kill "${servers[@]}" 2>/dev/null || true
daemon_end
done_testing
