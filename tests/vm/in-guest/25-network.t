#!/bin/bash
# The managed network on this kernel, with systemd as the host's init: addresses, names, what leads out. Needs bb and deb.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=tests/vm/in-guest/guest.sh
. "$(dirname "$0")/guest.sh"

address() { # INSTANCE 4|6
	sysct list "$1" -f csv -c "$2" | tr ' ' '\n' | grep -v '(' | head -n 1
}
has_address() { [ "$(address "$@")" ]; }
dnsmasq_pid() { pgrep -f "^dnsmasq --conf-file=$state/networks/sysctbr0/"; }

like "$(sysct network list -f csv)" '^sysctbr0,bridge,YES,10\..*,CREATED' "the first start made a network"
gateway=$(sysct network get sysctbr0 ipv4.address) gateway=${gateway%/*}
like "$(ip -br address show sysctbr0)" "$gateway/24.*fd42:" "the bridge has its addresses"
ok -n "dnsmasq runs" dnsmasq_pid
is "$(ps -o user= -p "$(dnsmasq_pid)")" dnsmasq "under its own user"
is "$(cut -d: -f3 "/proc/$(dnsmasq_pid)/cgroup")" /sysct/.monitors "outside of the daemon's service"
for name in bb deb; do
	ok -n "$name has an IPv4 address" wait_until 60 has_address $name 4
	ok -n "$name has an IPv6 address" wait_until 60 has_address $name 6
done
ok -n "one reaches the other by name" sysct exec bb -- ping -4 -c 1 -W 20 deb
ok -n "by IPv6" sysct exec bb -- ping -6 -c 1 -W 20 deb.sysct
resolves() { sysct exec deb -- getent hosts bb.sysct; }
ok -n "a Debian finds names" wait_until 60 resolves
like "$(busybox nslookup bb.sysct "$gateway" 2>&1)" "$(address bb 4)" "the host can ask for names"
is "$(systemctl is-active systemd-networkd systemd-resolved | paste -sd ' ')" "active active" "the host has systemd-networkd and systemd-resolved"
found() { getent hosts bb.sysct | grep -q "^$(address bb 6)"; }
ok -n "the host finds an instance by name" wait_until 30 found
like "$(resolvectl --no-pager query "$(address bb 4)" 2>&1)" 'bb\.sysct' "and its name by its address"
ok -n "the host reaches an instance" busybox ping -c 1 -W 20 "$(address bb 4)"

# An uplink of the machine's own: nothing leads out of it.
ip netns add uplink
ip link add up0 type veth peer name up1 netns uplink
ip address add 198.51.100.2/24 dev up0
ip link set up0 up
ip -n uplink address add 198.51.100.1/24 dev up1
ip -n uplink link set up1 up
ip route add 203.0.113.0/24 via 198.51.100.1
ip -n uplink address add 203.0.113.1/32 dev up1
mkdir -p /tmp/www
echo "from outside" >/tmp/www/index.html
ip netns exec uplink busybox httpd -f -p 203.0.113.1:80 -h /tmp/www &
server=$!
outside() { sysct exec bb -- timeout 20 wget -q -O - http://203.0.113.1/ | grep -q 'from outside'; }
ok -n "what an instance sends gets out and back" wait_until 30 outside
kill $server
ip netns delete uplink
umount /run/netns

sysct config device override bb eth0 security.ipv4_filtering=true >/dev/null
ok -n "filters of a NIC" nft list set bridge sysct macs
ok -n "let its own through" sysct exec bb -- ping -c 1 -W 20 "$gateway"
sysct config device set bb eth0 limits.ingress=10Mbit
like "$(tc qdisc show dev "$(sysct query /1.0/instances/bb/state | jq -r .network.eth0.host_name)")" 'tbf' "a limit of what it receives"
sysct config device remove bb eth0
pid=$(dnsmasq_pid)
systemctl restart sysctd.service
is "$(dnsmasq_pid)" "$pid" "dnsmasq outlives a restart of the service"
ok -n "and instances their network" sysct exec deb -- getent hosts bb.sysct

done_testing
