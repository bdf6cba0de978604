#!/bin/bash
# What a hostile instance tries on its network, with and without the filters of its NIC; limits of what it moves.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"
lib=$(cd "$(dirname "$0")/../lib" && pwd)

address() { # INSTANCE 4|6
	sysct list "$1" -f csv -c "$2" | tr ' ' '\n' | grep -v '(' | head -n 1
}

has_address() {
	[ "$(address "$@")" ]
}

# spoof KIND [ADDRESS]: "arrived" when mallory's frame reaches alice.
spoof() {
	python3 -B "$lib/spoof" "$mallory" "$alice" "$@" || echo "spoof failed"
}

who() { # the processes whose network namespaces they are, also when no daemon can be asked
	alice=$(instance_init_pid alice) mallory=$(instance_init_pid mallory)
}

filter() { # KEY=VALUE...
	sysct config device set mallory eth0 "$@"
}

daemon_start
table=$(cat "$SYSCT_DIR/cgroup")
sysct launch busybox alice
sysct launch busybox mallory
sysct config device override mallory eth0 >/dev/null
for name in alice mallory; do
	wait_until 10 has_address $name 4 || bail "$name has no address"
	wait_until 10 has_address $name 6 || bail "$name has no IPv6 address"
done
who
gateway=$(sysct network get sysctbr0 ipv4.address) gateway=${gateway%/*}
gateway6=$(sysct network get sysctbr0 ipv6.address) gateway6=${gateway6%/*}

# --- without filters everything gets through: what is tried does work ---

for try in "mac" "arp $gateway" "arp-mac $gateway" "ipv4 $gateway" "ipv6 $gateway6" "na $gateway6" "ra" "dhcp $gateway" "starve"; do
	# shellcheck disable=SC2086 # words
	is "$(spoof $try)" arrived "without a filter: ${try%% *}"
done
forged=02:11:22:33:44:55
like "$(bridge fdb show br sysctbr0)" "$forged" "without a filter: the bridge learns the forged address"
ip link set sysctbr0 type bridge fdb_flush
fails -n "without a filter there is no table of filters" nft list table bridge "$table"

# --- with them, while it runs ---

filter security.mac_filtering=true
is "$(spoof mac)" "" "mac_filtering: another MAC address"
is "$(bridge fdb show br sysctbr0 | grep -c $forged)" 0 "mac_filtering: the bridge's table cannot be flooded"
is "$(spoof ipv4 "$gateway")" arrived "mac_filtering: addresses are not looked at"
filter security.mac_filtering=false security.ipv4_filtering=true
for try in "mac" "arp $gateway" "arp-mac $(address mallory 4)" "ipv4 $gateway" "dhcp $(address mallory 4)" "starve"; do
	# shellcheck disable=SC2086 # words
	is "$(spoof $try)" "" "ipv4_filtering: ${try%% *}"
done
is "$(spoof own4 "$(address mallory 4)")" arrived "ipv4_filtering: its own address"
is "$(spoof arp "$(address mallory 4)")" arrived "ipv4_filtering: its own in ARP"
is "$(spoof own-discover)" arrived "ipv4_filtering: a DHCP client for itself"
is "$(spoof ra)" arrived "ipv4_filtering: IPv6 is not looked at"
filter security.ipv6_filtering=true
for try in "ipv6 $gateway6" "na $gateway6" "na $(address alice 6)" "ra"; do
	# shellcheck disable=SC2086 # words
	is "$(spoof $try)" "" "ipv6_filtering: ${try%% *}"
done
is "$(spoof own6 "$(address mallory 6)")" arrived "ipv6_filtering: its own address"
is "$(spoof na "$(address mallory 6)")" arrived "ipv6_filtering: its own in an advertisement"
ok -n "filtered, it reaches others by IPv4" sysct exec mallory -- ping -4 -c 1 -W 5 "$(address alice 4)"
ok -n "by IPv6" sysct exec mallory -- ping -6 -c 1 -W 5 "$(address alice 6)"
ok -n "and the host" sysct exec mallory -- ping -c 1 -W 5 "$gateway"
sysct restart --force mallory
ok -n "filtered, it gets its IPv4 address" wait_until 10 has_address mallory 4
ok -n "and IPv6 address" wait_until 10 has_address mallory 6
who
is "$(spoof mac)" "" "after a restart the filters hold"
addressed() { has_address mallory 4 && has_address mallory 6; }
ok -n "after a reboot from inside" reboots mallory
ok -n "it gets its addresses" wait_until 20 addressed
who
is "$(spoof arp "$gateway")" "" "too"
rules() { nft -t list table bridge "$table" | grep -c drop; }
one=$(rules)
sysct init busybox second -q
sysct config device override second eth0 security.ipv4_filtering=true security.ipv6_filtering=true
sysct start second
is "$(rules)" "$one" "a second filtered NIC needs no further rule"
like "$(nft list set bridge "$table" macs)" "$(sysct config get second volatile.eth0.hwaddr)" "it is an element of a set"
hwaddr=$(sysct config get second volatile.eth0.hwaddr)
sysct delete --force second
is "$(nft list set bridge "$table" macs | grep -c "$hwaddr")" 0 "that goes with it"
daemon_stop KILL
is "$(spoof arp "$gateway")" "" "without the daemon they hold"
nft delete table bridge "$table"
daemon_start
is "$(spoof arp "$gateway")" "" "a new daemon puts them in force again"
filter security.ipv4_filtering=false security.ipv6_filtering=false
is "$(spoof mac)" arrived "they can be taken away"
daemon_stop
daemon_start
fails -n "a table that no NIC needs any more goes with the next start" nft list table bridge "$table"
fails -n "an unmanaged bridge has no addresses to filter by" sysct config device add mallory eth1 nic nictype=bridged parent=sysctbr0 security.ipv4_filtering=true
like "$(cat "$TAP_OUTPUT")" 'need "network"' "is told"

# --- limits ---

port=9000
received() { # INSTANCE: bytes, as its NIC counts them
	sysct query "/1.0/instances/$1/state" | jq .network.eth0.counters.bytes_received
}
# rate FROM TO: Mbit/s that arrive, over two seconds of a flood.
rate() {
	local receiver sender start bytes
	timeout 20 sysct exec "$2" -- sh -c "sleep 6 | nc -l -p $port >/dev/null" </dev/null &
	receiver=$!
	# busybox's nc ends with its input, so the receiver's lasts as long as the test; the sender tries until somebody listens.
	sysct exec "$1" -- sh -c "for i in \$(seq 50); do
		timeout 5 nc $(address "$2" 4) $port </dev/zero 2>/dev/null; [ \$? -lt 128 ] || break; sleep 0.1; done" </dev/null &
	sender=$!
	bytes=$(received "$2")
	# shellcheck disable=SC2317 # called by wait_until
	flows() { [ "$(received "$2")" -gt $((bytes + 1000000)) ]; }
	wait_until 10 flows "$@" || true
	start=${EPOCHREALTIME/[^0-9]/} bytes=$(received "$2")
	sleep 2
	bytes=$(($(received "$2") - bytes))
	echo $((bytes * 8 / (${EPOCHREALTIME/[^0-9]/} - start)))
	wait $sender $receiver || true
}
free=$(rate mallory alice) port=9001
filter limits.egress=20Mbit
limited=$(rate mallory alice) port=9002
ok -n "limits.egress=20Mbit: $limited of $free Mbit/s" test "$limited" -le 24 -a "$limited" -ge 5 -a "$free" -ge 100
free=$(rate alice mallory) port=9003
ok -n "the other way is free: $free Mbit/s" test "$free" -ge 100
sysct config device unset mallory eth0 limits.egress
filter limits.ingress=20Mbit
limited=$(rate alice mallory)
ok -n "limits.ingress=20Mbit: $limited Mbit/s" test "$limited" -le 24 -a "$limited" -ge 10
filter limits.max=1Gbit
sysct config device unset mallory eth0 limits.ingress
fails -n "a limit that is none" filter limits.egress=fast
like "$(cat "$TAP_OUTPUT")" 'not a rate' "is told"

daemon_end
is "$(nft list tables)" "" "nothing is left of filters and limits"
done_testing
