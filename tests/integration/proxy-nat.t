#!/bin/bash
# Proxy devices with nat=true: who reaches the instance, what it sees, what is refused, and that nothing of it stays.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

python=$(python3 -c 'import sys; print(sys.executable)')
endpoint=("$python" -B "$top/tests/lib/endpoint")
servers=()
serve() { # ARGUMENTS...: in the instance
	local told=$TMPDIR/told${#servers[@]}
	"${endpoint[@]}" -n "$(instance_init_pid box)" "$@" </dev/null >"$told" &
	servers+=("$!")
	wait_until 20 grep -q listening "$told" || bail "no server: $*"
}
outside() { printf x | ip netns exec uplink timeout 5 "${endpoint[@]}" talk "$1" 2>&1 | sed "s/ x\$//"; }
from_host() { printf x | timeout 5 "${endpoint[@]}" talk "$1" 2>&1 | sed "s/ x\$//"; }
from() { printf x | timeout 5 "${endpoint[@]}" -n "$(instance_init_pid "$1")" talk "$2" 2>&1 | sed "s/ x\$//"; }
refused() { # PATTERN KEY=VALUE...
	fails -n "refused: ${*:2}" sysct config device add box bad proxy nat=true "${@:2}"
	like "$(cat "$TAP_OUTPUT")" "$1" "and is told why"
}
elements() { nft list table inet "$(cat "$SYSCT_DIR/cgroup")" | grep -c "$1" || true; }

daemon_start
sysct launch busybox box
sysct launch busybox other
four=$(sysct config get box volatile.eth0.ipv4.address)
addressed() { sysct exec "$1" -- ip addr show eth0 | grep -q 'inet .*global'; }
six_of() { sysct exec "$1" -- ip -6 addr show eth0 | sed -n 's,.*inet6 \(fd42[^/]*\)/.*,\1,p' | head -n 1; }
has_six() { [ "$(six_of "$1")" ]; }
for name in box other; do
	wait_until 20 addressed $name || bail "no IPv4 address"
	wait_until 20 has_six $name || bail "no IPv6 address"
done
six=$(six_of box)
serve peers "tcp:0.0.0.0:80"
serve peers "tcp:[::]:81"
serve peers "udp:0.0.0.0:53"
serve serve "tcp:0.0.0.0:90" one-
serve serve "tcp:0.0.0.0:91" two-

sysct config device add box web proxy nat=true listen=tcp:198.51.100.2:8080 connect="tcp:$four:80"
is "$(outside tcp:198.51.100.2:8080)" 198.51.100.1 "from outside: the instance sees the client's address"
is "$(from_host tcp:198.51.100.2:8080)" 198.51.100.2 "from the host"
like "$(from other tcp:198.51.100.2:8080)" "^10\." "from another instance"
like "$(from box tcp:198.51.100.2:8080)" "^10\." "from the instance itself"
is "$(pgrep -fc '^sysct-proxy box/' || true)" 0 "no process is in between"
sysct config device add box web6 proxy nat=true listen='tcp:[2001:db8:1::2]:8081' connect="tcp:[$six]:81"
is "$(outside 'tcp:[2001:db8:1::2]:8081')" 2001:db8:1::1 "IPv6 from outside"
sysct config device add box dns proxy nat=true listen=udp:198.51.100.2:5353 connect=udp:0.0.0.0:53
is "$(outside udp:198.51.100.2:5353)" 198.51.100.1 "udp, to the first address that is known"
sysct config device add box list proxy nat=true listen=tcp:198.51.100.2:9000,9005 connect=tcp:0.0.0.0:90-91
is "$(outside tcp:198.51.100.2:9000) $(outside tcp:198.51.100.2:9005)" "one-x two-x" "a list of ports"
sysct config device add box same proxy nat=true listen=tcp:198.51.100.2:90-91 connect=tcp:0.0.0.0:90-91
is "$(outside tcp:198.51.100.2:91)" "two-x" "a range that keeps its numbers"

refused 'is taken by proxy devices of box' listen=tcp:198.51.100.2:8080 connect="tcp:$four:80"
fails -n "a port that another instance has" sysct config device add other web proxy nat=true listen=tcp:198.51.100.2:9005 connect=tcp:0.0.0.0:80
like "$(cat "$TAP_OUTPUT")" 'port 9005 of 198.51.100.2 .tcp. is taken by proxy devices of box' "is told"
refused 'and 10.255.255.1 is none' listen=tcp:198.51.100.2:1 connect=tcp:10.255.255.1:80
refused "is none" listen=tcp:198.51.100.2:1 connect="tcp:$(sysct config get other volatile.eth0.ipv4.address):80"
refused 'listens on the host' listen=tcp:198.51.100.2:1 connect="tcp:$four:80" bind=instance
refused 'one address of the host' listen=tcp:0.0.0.0:1 connect="tcp:$four:80"
refused 'loopback' listen=tcp:127.0.0.1:1 connect="tcp:$four:80"
refused 'IPv4 to IPv6' listen=tcp:198.51.100.2:1 connect="tcp:[$six]:80"
refused 'tcp to tcp' listen=tcp:198.51.100.2:1 connect="udp:$four:80"
refused 'not with nat' listen=tcp:198.51.100.2:1 connect="tcp:$four:80" proxy_protocol=true
refused 'no process' listen=tcp:198.51.100.2:1 connect="tcp:$four:80" security.uid=1
is "$(outside tcp:198.51.100.2:8080)" 198.51.100.1 "what was there goes on"
fails -n "the address goes while nat leads to it" sysct config device override box eth0 ipv4.address="${four%.*}.250"
like "$(cat "$TAP_OUTPUT")" "device \"web\": nat must lead to .*$four is none" "which is told"
is "$(outside tcp:198.51.100.2:8080)" 198.51.100.1 "and changes nothing"

sysct config device set box web listen=tcp:198.51.100.2:8888
is "$(outside tcp:198.51.100.2:8888)" 198.51.100.1 "it changes while the instance runs"
is "$(elements '198.51.100.2 . 8080')" 0 "and the old port leads nowhere"
sysct config device set box web nat=false listen=tcp:198.51.100.2:8889
is "$(from_host tcp:198.51.100.2:8889)" "$four" "without nat a process forwards"
is "$(pgrep -fc '^sysct-proxy box/web ')" 1 "which is there"
sysct config device set box web nat=true listen=tcp:198.51.100.2:8080
is "$(pgrep -fc '^sysct-proxy box/web ' || true)" 0 "and gone with nat"
is "$(outside tcp:198.51.100.2:8080)" 198.51.100.1 "which works again"

daemon_stop KILL
is "$(outside tcp:198.51.100.2:8080)" 198.51.100.1 "without the daemon"
nft flush table inet "$(cat "$SYSCT_DIR/cgroup")"
daemon_start
is "$(outside tcp:198.51.100.2:8080)" 198.51.100.1 "a new daemon makes it again"
sysct stop --force box
is "$(elements 198.51.100.2)" 0 "it ends with the instance"

sysct config device add other web proxy nat=true listen=tcp:198.51.100.2:8080 connect=tcp:0.0.0.0:80
fails -n "a port that is taken meanwhile: the start fails" sysct start box
like "$(cat "$TAP_OUTPUT")" 'port 8080 of 198.51.100.2 .tcp. is taken by proxy devices of other' "and says by whom"
is "$(instance_status box)" Stopped "it is stopped"
sysct config device remove other web
ok -n "then it starts" sysct start box
kill -KILL "$(instance_monitor_pid box)"
ok -n "a killed monitor" wait_until 10 instance_is box Stopped
is "$(elements 198.51.100.2)" 0 "leaves nothing either"
kill "${servers[@]}" 2>/dev/null || true
daemon_end
done_testing
