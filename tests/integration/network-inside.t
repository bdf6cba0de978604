#!/bin/bash
# Inside, whoever looks after the network there: addresses of both families at boot, names, and a system that is well.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

addresses() { # INSTANCE 4|6: that `list` knows, without link-local ones
	sysct list "$1" -f csv -c "$2" | tr -d '"' | grep -oE '[0-9a-f:.]+ \(eth0\)' | cut -d' ' -f1
}
has_both() { [ "$(addresses "$1" 4)" ] && [ "$(addresses "$1" 6)" ]; }

daemon_start
gateway=$(sysct network get sysctbr0 ipv4.address)
gateway=${gateway%/*}
sysct launch busybox peer

# name:image
for kind in networkd:debian ifupdown:debian/ifupdown nm:debian/nm trixie:debian/13 udhcpc:busybox; do
	name=${kind%%:*}
	ok -n "$name: launch" sysct launch "${kind#*:}" "$name"
	ok -n "$name: an IPv4 and an IPv6 address" wait_until 60 has_both "$name"
	is "$(addresses "$name" 4)" "$(sysct config get "$name" volatile.eth0.ipv4.address)" "$name: the one that the daemon chose"
	[ "$name" = udhcpc ] || ok -n "$name: the boot ends well" boots "$name"
	is "$(sysct exec "$name" -- hostname)" "$name" "$name: hostname"
	named() { sysct exec "$name" -- cat /etc/resolv.conf | grep -q "^nameserver $gateway"; }
	ok -n "$name: resolv.conf" wait_until 20 named
	ok -n "$name: finds another by its bare name" wait_until 20 sysct exec "$name" -- ping -4 -c 1 -W 2 peer
	ok -n "$name: and by IPv6" wait_until 20 sysct exec "$name" -- ping -6 -c 1 -W 2 peer.sysct
	ok -n "$name: is found by it" sysct exec peer -- ping -4 -c 1 -W 2 "$name"
	ok -n "$name: by IPv6, at the address in DNS" wait_until 20 sysct exec peer -- ping -6 -c 1 -W 2 "$name"
	ok -n "$name: reaches the world" sysct exec "$name" -- ping -c 1 -W 2 203.0.113.1
	ok -n "$name: by IPv6" sysct exec "$name" -- ping -c 1 -W 2 2001:db8:2::1
	ok -n "$name: its own name is its own" sysct exec "$name" -- ping -c 1 -W 2 "$name"
	sysct stop "$name"
	ok -n "$name: starts again" sysct start "$name"
	ok -n "$name: with the same addresses" wait_until 60 has_both "$name"
	sysct delete --force "$name"
done

# Without systemd-resolved two units write what networkd has learned; however fast that changes, the last word counts.
sysct launch debian last
ok -n "another Debian" boots last
sysct exec last -- systemctl stop systemd-networkd.socket systemd-networkd.service
# shellcheck disable=SC2016 # for the shell inside
lost=$(sysct exec last -- sh -c 'lost=0
	says() { grep -qx "nameserver $1" /run/resolv.conf; }
	for round in $(seq 30); do
		for i in 1 2 3 4; do
			echo "DNS=10.0.$round.$i" >/run/systemd/netif/.new
			mv /run/systemd/netif/.new /run/systemd/netif/state
			sleep "0.0$(((round + i) % 5))"
		done
		tries=0
		until says "10.0.$round.4" || [ $tries -ge 40 ]; do sleep 0.05; tries=$((tries + 1)); done
		says "10.0.$round.4" || lost=$((lost + 1))
	done
	echo $lost')
is "$lost" 0 "resolv.conf has the last of changes that come fast"

daemon_end
done_testing
