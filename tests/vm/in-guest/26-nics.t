#!/bin/bash
# NICs that need modules which the kernel of the other tests has not: ipvlan, VLANs. And macvlan and routed ones beside
# systemd-networkd. Needs bb's image.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=tests/vm/in-guest/guest.sh
. "$(dirname "$0")/guest.sh"

# A wire to a machine outside, 192.0.2.1, which is in VLAN 5 too, as 198.18.5.1.
ip netns add outside
ip link add lan0 type veth peer name lan0 netns outside
ip link set lan0 up
ip address add 192.0.2.2/24 dev lan0
ip address add 2001:db8:3::2/64 dev lan0 nodad
ip -n outside -batch - <<-END
	link set lan0 up
	address add 192.0.2.1/24 dev lan0
	address add 2001:db8:3::1/64 dev lan0 nodad
	link add link lan0 name lan0.5 type vlan id 5
	link set lan0.5 up
	address add 198.18.5.1/24 dev lan0.5
END
outside_reaches() { ip netns exec outside busybox ping -c 1 -W 5 "$1"; }
inside() { sysct exec "$1" -- sh -c "$2"; }
# Its address is given each time: a DHCP client that starts takes it away.
reaches() { # INSTANCE ADDRESS TARGET
	inside "$1" "ip addr add $2/24 dev eth0 2>/dev/null; ip link set eth0 up; ping -c 1 -W 5 $3"
}

sysct launch busybox ipv -d eth0,type=nic,nictype=ipvlan,parent=lan0,ipv4.address=192.0.2.30,ipv6.address=2001:db8:3::30
ok -n "ipvlan: reached from the wire" wait_until 30 outside_reaches 192.0.2.30
ok -n "ipvlan: by IPv6" wait_until 30 outside_reaches 2001:db8:3::30
ok -n "ipvlan: reaches the wire" inside ipv "ping -c 1 -W 5 192.0.2.1"
ok -n "ipvlan: leaves without a trace" sysct delete --force ipv
is "$(ip neighbour show proxy)$(ip route show proto 115)" "" "ipvlan: no route, no proxy entry"

sysct launch busybox mac -d eth0,type=nic,nictype=macvlan,parent=lan0
ok -n "macvlan: reaches the wire" wait_until 30 reaches mac 192.0.2.10 192.0.2.1
sysct delete --force mac

sysct launch busybox tagged -d eth0,type=nic,nictype=macvlan,parent=lan0,vlan=5
ok -n "a VLAN of the parent is made and carries" wait_until 30 reaches tagged 198.18.5.2 198.18.5.1
sysct delete --force tagged
ok -n "and goes with the instance" test ! -e /sys/class/net/lan0.5
sysct launch busybox vlan -d eth0,type=nic,nictype=physical,parent=lan0,vlan=5
ok -n "physical with a VLAN has that VLAN" wait_until 30 reaches vlan 198.18.5.3 198.18.5.1
sysct delete --force vlan

sysct network create vl ipv4.address=198.18.7.1/24 ipv6.address=none ipv4.dhcp=false
sysct launch busybox v7 -d eth0,type=nic,network=vl,vlan=7
sysct launch busybox v7too -d eth0,type=nic,network=vl,vlan=7
sysct launch busybox v8 -d eth0,type=nic,network=vl,vlan=8
sysct launch busybox trunk -d eth0,type=nic,network=vl,vlan=none,vlan.tagged=7-8
both_reach() { # and each is up: it reaches itself
	reaches v7too 198.18.9.11 198.18.9.11 && reaches v8 198.18.9.12 198.18.9.12 && reaches v7 198.18.9.10 198.18.9.11
}
ok -n "VLANs of a bridge: the same one is reached" wait_until 30 both_reach
fails -n "VLANs of a bridge: another is not" reaches v7 198.18.9.10 198.18.9.12
like "$(bridge vlan show dev "$(sysct query /1.0/instances/trunk/state | jq -r .network.eth0.host_name)" | tr -s ' \n' ' ')" \
	'7 8 $' "vlan.tagged and no untagged one"
sysct delete --force v7 v7too v8 trunk
sysct network delete vl

sysct launch busybox routed -d eth0,type=nic,nictype=routed,parent=lan0,ipv4.address=192.0.2.20,ipv6.address=2001:db8:3::20
ok -n "routed: reached from the wire" wait_until 30 outside_reaches 192.0.2.20
ok -n "routed: by IPv6" wait_until 30 outside_reaches 2001:db8:3::20
sysct delete --force routed
is "$(ip neighbour show proxy)" "" "routed: no proxy entry is left"

ip link delete lan0
ip netns delete outside
umount /run/netns
done_testing
