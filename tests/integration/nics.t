#!/bin/bash
# NICs beside the plain one on a managed network: over and of interfaces of the host, routed, with routes behind them.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

# A wire from the host's lan0 to a machine outside, 192.0.2.1 and 2001:db8:3::1.
ip link add lan0 type veth peer name lan0 netns uplink
ip link set lan0 up
ip -n uplink -batch - <<-END
	link set lan0 up
	address add 192.0.2.1/24 dev lan0
	address add 2001:db8:3::1/64 dev lan0 nodad
END

inside() { # INSTANCE COMMAND...: by busybox's sh
	local name=$1
	shift
	sysct exec "$name" -- sh -c "$*"
}

outside_reaches() {
	ip netns exec uplink busybox ping -c 1 -W 1 "$1"
}

nft_table() {
	nft list table bridge "$(cat "$SYSCT_DIR/cgroup")"
}

daemon_start
prefix=$(sysct network get sysctbr0 ipv4.address)
prefix=${prefix%.1/24}

# --- macvlan ---

sysct launch busybox mac -d eth0,type=nic,nictype=macvlan,parent=lan0,hwaddr=00:16:3e:01:02:03
is "$(sysct exec mac -- cat /sys/class/net/eth0/address)" 00:16:3e:01:02:03 "a macvlan has its MAC address"
# The address is given each time: a DHCP client that starts takes it away.
reaches() { inside mac "ip addr add 192.0.2.10/24 dev eth0 2>/dev/null; ip link set eth0 up; ping -c 1 -W 1 192.0.2.1"; }
ok -n "it reaches the wire" wait_until 10 reaches
reached() { reaches && outside_reaches 192.0.2.10; }
ok -n "which reaches it" wait_until 10 reached
shows_address() { reaches && sysct info mac | grep -F 192.0.2.10; }
ok -n "info shows its address" wait_until 10 shows_address
ok -n "a reboot from inside" reboots mac
is "$(sysct exec mac -- cat /sys/class/net/eth0/address)" 00:16:3e:01:02:03 "makes it again"
sysct config device add mac eth1 nic nictype=macvlan parent=lan0 mode=private name=second mtu=1400
is "$(sysct exec mac -- cat /sys/class/net/second/mtu)" 1400 "one is plugged in while it runs"
sysct config device remove mac eth1
fails -n "and out" sysct exec mac -- test -e /sys/class/net/second
fails -n "a mode of another type" sysct config device add mac eth1 nic nictype=macvlan parent=lan0 mode=l2
like "$(cat "$TAP_OUTPUT")" 'bridge, vepa, passthru and private' "is told"
fails -n "a parent that is not there" sysct config device add mac eth1 nic nictype=macvlan parent=lan9
like "$(cat "$TAP_OUTPUT")" 'eth1.*no network interface "lan9"' "is named"
fails -n "a key that the type has not" sysct config device add mac eth1 nic nictype=macvlan parent=lan0 limits.max=1Mbit
like "$(cat "$TAP_OUTPUT")" '"macvlan" has no key "limits.max"' "is told"
is "$(sysct config device list mac | sort | tr '\n' ' ')" "eth0 " "and nothing of these is left"
fails -n "a NIC without parent" sysct init busybox none -d eth0,type=nic,nictype=macvlan
like "$(cat "$TAP_OUTPUT")" 'needs "parent"' "is told"

# What this kernel has not is refused by name; where it has it, it works.
if ip link add link lan0 name probe0 type ipvlan mode l2 2>/dev/null; then
	ip link delete probe0
	sysct launch busybox ipv -d eth0,type=nic,nictype=ipvlan,parent=lan0,ipv4.address=192.0.2.30,ipv6.address=2001:db8:3::30
	ok -n "ipvlan: reached from the wire" wait_until 10 outside_reaches 192.0.2.30
	ok -n "by IPv6" wait_until 10 outside_reaches 2001:db8:3::30
	sysct delete --force ipv
else
	fails -n "ipvlan" sysct launch busybox ipv -d eth0,type=nic,nictype=ipvlan,parent=lan0,ipv4.address=192.0.2.30
	like "$(cat "$TAP_OUTPUT")" 'no interfaces of type (ipvlan|macvlan)|in use by' "is refused by name"
	sysct delete --force ipv 2>/dev/null || true
fi
sysct delete --force mac
fails -n "an ipvlan without address" sysct init busybox ipv -d eth0,type=nic,nictype=ipvlan,parent=lan0
like "$(cat "$TAP_OUTPUT")" 'needs ipv4.address or ipv6.address' "is told"
if ip link add link lan0 name probe0 type vlan id 5 2>/dev/null; then
	ip link delete probe0
	sysct launch busybox tagged -d eth0,type=nic,nictype=macvlan,parent=lan0,vlan=5
	ok -n "a VLAN of the parent is made" test -e /sys/class/net/lan0.5
	sysct delete --force tagged
	ok -n "and goes with the instance" test ! -e /sys/class/net/lan0.5
else
	fails -n "a VLAN of the parent" sysct launch busybox tagged -d eth0,type=nic,nictype=macvlan,parent=lan0,vlan=5
	like "$(cat "$TAP_OUTPUT")" 'no interfaces of type vlan' "is refused by name"
	sysct delete --force tagged 2>/dev/null || true
fi

# --- routed ---

sysct launch busybox routed -d eth0,type=nic,nictype=routed,parent=lan0,ipv4.address=192.0.2.20,ipv6.address=2001:db8:3::20
ip -batch - <<-END
	address add 192.0.2.2/24 dev lan0
	address add 2001:db8:3::2/64 dev lan0 nodad
END
like "$(inside routed 'ip -4 addr show eth0; ip route')" '192\.0\.2\.20/32.*default via 169\.254\.0\.1' "a routed NIC has its address and a gateway"
ok -n "the host reaches it" wait_until 10 busybox ping -c 1 -W 1 192.0.2.20
ok -n "and by IPv6" wait_until 10 busybox ping -c 1 -W 1 2001:db8:3::20
ok -n "so does the wire, for which the host answers" wait_until 10 outside_reaches 192.0.2.20
ok -n "by IPv6" wait_until 10 outside_reaches 2001:db8:3::20
like "$(sysct info routed)" '192\.0\.2\.20' "info shows it"
ok -n "a reboot from inside" reboots routed
ok -n "keeps it" wait_until 20 outside_reaches 192.0.2.20
like "$(ip neighbour show proxy dev lan0)" '192\.0\.2\.20' "the host answers by proxy entries"
sysct stop --force routed
is "$(ip neighbour show proxy dev lan0)" "" "which go with the instance"
is "$(find "$SYSCT_DIR/nics" -type f | wc -l)" 0 "and its notes"
sysct start routed
daemon_stop KILL
kill -KILL "$(pgrep -f "sysct-monitor .*$SYSCT_DIR")"
daemon_start
wait_until 10 instance_is routed Stopped || true
is "$(ip neighbour show proxy dev lan0)" "" "also when daemon and monitor were killed"
sysct delete --force routed
sysct launch debian routed -d eth0,type=nic,nictype=routed,parent=lan0,ipv4.address=192.0.2.20,ipv6.address=2001:db8:3::20
boots routed || true
ok -n "networkd, too, keeps the address of a routed NIC" outside_reaches 192.0.2.20
ok -n "by IPv6" outside_reaches 2001:db8:3::20
sysct delete --force routed
fails -n "a routed NIC without address" sysct init busybox routed -d eth0,type=nic,nictype=routed
like "$(cat "$TAP_OUTPUT")" 'needs ipv4.address or ipv6.address' "is told"
sysct launch busybox table -d eth0,type=nic,nictype=routed,ipv4.address=192.0.2.21,ipv4.gateway=none,ipv4.host_table=100,ipv4.routes=198.18.0.0/24
like "$(ip route show table 100)" '192\.0\.2\.21' "ipv4.host_table"
is "$(inside table ip route)" "" "ipv4.gateway=none"
like "$(ip route)" '198\.18\.0\.0/24 dev veth' "ipv4.routes"
sysct delete --force table

# --- an interface of the host itself ---

ip link add phys0 type veth peer name phys1
ip link set phys0 address 02:00:00:00:00:01 mtu 1450
sysct launch busybox owner -d eth0,type=nic,nictype=physical,parent=phys0,name=port,mtu=1300,hwaddr=02:00:00:00:00:02
ok -n "a physical NIC leaves the host" test ! -e /sys/class/net/phys0
is "$(inside owner cat /sys/class/net/port/address /sys/class/net/port/mtu | tr '\n' ' ')" "02:00:00:00:00:02 1300 " "for the instance"
fails -n "another cannot have it" sysct launch busybox thief -d eth0,type=nic,nictype=physical,parent=phys0
like "$(cat "$TAP_OUTPUT")" 'another running instance has the interface "phys0"' "and is told"
sysct delete --force thief 2>/dev/null || true
ok -n "a reboot from inside" reboots owner
ok -n "keeps it" inside owner "test -e /sys/class/net/port"
inside owner "ip link set port down; ip link set port name renamed"
sysct config set owner user.note=1
sysct stop --force owner
ok -n "it returns under its name" wait_until 10 test -e /sys/class/net/phys0
is "$(cat /sys/class/net/phys0/address /sys/class/net/phys0/mtu 2>&1 | tr '\n' ' ')" "02:00:00:00:00:01 1450 " "as it was"
sysct start owner
sysct config device remove owner eth0
ok -n "it returns when it is unplugged" test -e /sys/class/net/phys0
sysct config device add owner eth0 nic nictype=physical parent=phys0
ok -n "and is plugged in again" sysct exec owner -- test -e /sys/class/net/eth0
# Something of the instance's own by that name must not come to the host in its place.
inside owner "ip link set eth0 name mine; ip link add eth0 type dummy; ip link set eth0 address 02:00:00:00:00:09" || true
sysct delete --force owner
ok -n "it returns also when it came later" wait_until 10 test -e /sys/class/net/phys0
is "$(cat /sys/class/net/phys0/address)" "02:00:00:00:00:01" "and is the right one"
ip link delete phys0

# --- routes behind a NIC of a managed network ---

sysct launch busybox router -d eth0,type=nic,network=sysctbr0,ipv4.routes=198.18.1.0/24,security.ipv4_filtering=true,limits.priority=5
via=$(sysct config get router volatile.eth0.ipv4.address)
like "$(ip route show 198.18.1.0/24)" "via $via dev sysctbr0" "ipv4.routes of a bridged NIC"
like "$(nft_table)" "\"veth[0-9a-f]*\" : 0:5" "limits.priority"
inside router "ip addr add 198.18.1.1/32 dev lo"
wait_until 10 inside router "ip -4 addr show eth0 | grep -q inet" || true
ok -n "the host reaches what is behind" wait_until 10 busybox ping -c 1 -W 1 198.18.1.1
ok -n "which the filter lets pass" inside router "ping -c 1 -W 5 -I 198.18.1.1 $prefix.1"
inside router "ip addr add 198.18.2.1/32 dev lo"
fails -n "but no other address" inside router "ping -c 1 -W 1 -I 198.18.2.1 $prefix.1"
sysct config device set router eth0 ipv4.routes=198.18.3.0/24
is "$(ip route show 198.18.1.0/24)" "" "they change while it runs"
like "$(ip route show 198.18.3.0/24)" "via $via" "at once"
ip link delete sysctbr0
back() { [ "$(ip route show 198.18.3.0/24 2>/dev/null)" ]; }
ok -n "and come back with a bridge that was deleted" wait_until 10 back
sysct config device set router eth0 connected=false
off() { [ "$(sysct exec router -- cat /sys/class/net/eth0/carrier)" = 0 ]; }
ok -n "connected=false pulls the cable" wait_until 10 off
sysct config device set router eth0 connected=true
ok -n "connected=true puts it back" wait_until 10 inside router "ping -c 1 -W 1 $prefix.1"
sysct config device set router eth0 attached=false
fails -n "attached=false takes the NIC away" sysct exec router -- test -e /sys/class/net/eth0
is "$(ip route show 198.18.3.0/24)" "" "and its routes"
sysct config device set router eth0 attached=true
ok -n "attached=true brings it back" sysct exec router -- test -e /sys/class/net/eth0
sysct delete --force router
is "$(ip route show proto 115)" "" "routes go with the instance"

sysct network create far ipv4.address=192.0.2.129/25 ipv6.address=none ipv4.routes=198.18.4.0/24 ipv4.dhcp.routes=198.18.5.0/24,192.0.2.200
like "$(ip route)" '198\.18\.4\.0/24 dev far' "ipv4.routes of a network"
sysct network set far ipv4.routes=198.18.6.0/24
like "$(ip route | grep far)" '198\.18\.6\.0/24' "they change"
is "$(ip route show 198.18.4.0/24)" "" "and the old ones go"
fails -n "a route that is none" sysct network set far ipv4.routes=nonsense
fails -n "a pair without gateway" sysct network set far ipv4.dhcp.routes=198.18.5.0/24
sysct launch debian dhcp -n far
boots dhcp || true
told() { sysct exec dhcp -- ip route | grep -q '198.18.5.0/24 via 192.0.2.200'; }
ok -n "ipv4.dhcp.routes are told" wait_until 20 told
sysct delete --force dhcp

# --- order, queues, VLANs ---

sysct launch busybox order -d a,type=nic,network=sysctbr0 -d b,type=nic,nictype=p2p,boot.priority=9,queue.tx.length=77 -d eth0,type=none
is "$(inside order 'cat /sys/class/net/eth0/tx_queue_len')" 77 "boot.priority gives the first name, queue.tx.length its length"
sysct delete --force order
ip link add probe0 type bridge
if ip link set probe0 type bridge vlan_filtering 1 2>/dev/null; then
	sysct launch busybox v1 -d eth0,type=nic,network=far,vlan=7
	like "$(bridge vlan show)" 'veth[0-9a-f]* *7 PVID Egress Untagged' "a VLAN of a bridge's port"
	sysct delete --force v1
else
	fails -n "VLANs of a bridge" sysct launch busybox v1 -d eth0,type=nic,network=far,vlan=7
	like "$(cat "$TAP_OUTPUT")" 'CONFIG_BRIDGE_VLAN_FILTERING' "are refused by the kernel option's name"
	sysct delete --force v1 2>/dev/null || true
fi
fails -n "a VLAN ID that is none" sysct init busybox v1 -d eth0,type=nic,network=far,vlan=4095
fails -n "a list of them that is none" sysct init busybox v1 -d eth0,type=nic,network=far,vlan.tagged=5-3
ip link set probe0 type bridge vlan_filtering 0 2>/dev/null || true
fails -n "a bridge that does not look at VLANs" sysct launch busybox v1 -d eth0,type=nic,nictype=bridged,parent=probe0,vlan.tagged=5
ip link delete probe0
sysct delete --force v1 2>/dev/null || true
is "$(find "$SYSCT_DIR/nics" -type f | wc -l)" 0 "no note of an ended instance is left"

daemon_end
done_testing
