#!/bin/bash
# Networks: the managed bridge, addresses and names of instances, what leads out, and what goes wrong.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

bridge=sysctbr0

dnsmasq_pid() { # [NETWORK]
	pgrep -f "^dnsmasq --conf-file=$SYSCT_DIR/networks/${1:-$bridge}/"
}

# dns NAME-OR-ADDRESS [TYPE]: what the network's name server says to the host.
dns() {
	python3 -B "$(dirname "$0")/../lib/dns" "$gateway" "$@"
}

address() { # INSTANCE [4|6] [DEVICE]: as list shows it
	sysct list "$1" -f csv -c "${2:-4}" | tr ' ' '\n' | grep -v '(' | head -n 1
}

has_address() {
	[ "$(address "$@")" ]
}

volatile() { # INSTANCE KEY
	sysct config get "$1" "volatile.eth0.$2"
}

host_end() { # INSTANCE: the host's end of its eth0
	sysct query "/1.0/instances/$1/state" | jq -r .network.eth0.host_name
}

leases() { # NETWORK: "name address type" lines
	sysct network list-leases "$1" -f csv
}

# --- the network of the first start ---

daemon_start
is "$(sysct network list -f csv | grep "^$bridge," | cut -d, -f1-3)" "$bridge,bridge,YES" "the first start makes a network"
ipv4=$(sysct network get $bridge ipv4.address) ipv6=$(sysct network get $bridge ipv6.address)
like "$ipv4" '^10\.[0-9]+\.[0-9]+\.1/24$' "with a private IPv4 subnet"
like "$ipv6" '^fd42:.*::1/64$' "and a private IPv6 subnet"
gateway=${ipv4%/*} gateway6=${ipv6%/*} prefix=${ipv4%.1/24}
like "$(ip -br address show $bridge)" "$ipv4.*$ipv6" "the bridge has both addresses"
is "$(cat /proc/sys/net/ipv4/ip_forward) $(cat /proc/sys/net/ipv6/conf/all/forwarding)" "1 1" "the host forwards"
is "$(ps -o user= -p "$(dnsmasq_pid)")" dnsmasq "dnsmasq has a user of its own"
is "$(sysct profile show default | grep -c "network: $bridge")" 1 "the default profile has a NIC in it"
like "$(nft list table inet "$(cat "$SYSCT_DIR/cgroup")")" "masquerade" "one table of nftables has its rules"

# --- instances in it ---

sysct launch busybox box
sysct launch busybox other
ok -n "an instance has an IPv4 address" wait_until 10 has_address box 4
ok -n "and an IPv6 address" wait_until 10 has_address box 6
wait_until 10 has_address other 6 || true
four=$(address box 4) six=$(address box 6)
like "$four" "^${prefix//./\\.}\." "from the network's subnet"
is "$four" "$(volatile box ipv4.address)" "the one that is kept for it"
is "$(sysct exec box -- cat /sys/class/net/eth0/address)" "$(volatile box hwaddr)" "its MAC address is kept too"
like "$(volatile box hwaddr)" '^00:16:3e:' "it begins as those of LXD's instances"
like "$(sysct exec box -- cat /etc/resolv.conf)" "nameserver $gateway" "the bridge is its name server"
like "$(sysct exec box -- cat /etc/resolv.conf)" 'search sysct' "the domain is searched"
like "$(sysct exec box -- ip route)" "default via $gateway" "the bridge is its gateway"
like "$(sysct exec box -- ip -6 route)" 'default via fe80::' "for IPv6 too"
ok -n "it reaches another by its bare name" sysct exec box -- ping -4 -c 1 -W 5 other
ok -n "by IPv6" sysct exec box -- ping -6 -c 1 -W 5 other
ok -n "and by its full name" sysct exec box -- ping -c 1 -W 5 other.sysct
is "$(dns box.sysct A)" "$four" "the host can ask for its name"
is "$(dns box.sysct AAAA)" "$six" "both families"
is "$(dns "$four" PTR)" "box.sysct" "and back"
is "$(dns "$six" PTR)" "box.sysct" "for both"
ok -n "the host reaches it" busybox ping -c 1 -W 5 "$four"
ok -n "by IPv6" busybox ping -c 1 -W 5 "$six"
like "$(leases $bridge)" "box,$(volatile box hwaddr),$four,DYNAMIC" "list-leases has it"
like "$(leases $bridge)" "$bridge.gw,,$gateway,GATEWAY" "and the gateway"
like "$(sysct network list-allocations -f csv)" "/1.0/instances/box,$four/32,instance,YES" "list-allocations has it"
like "$(sysct network info $bridge)" "$(host_end box)" "network info tells the ports"
like "$(sysct info box)" "Host interface: $(host_end box)" "info tells the host's end"
like "$(sysct info box)" "MAC address: $(volatile box hwaddr)" "and the MAC address"
before=$(sysct query /1.0/instances/box/state | jq .network.eth0.counters.bytes_sent)
sysct exec box -- ping -c 2 -s 1000 "$gateway" >/dev/null
ok -n "counters count" test "$(sysct query /1.0/instances/box/state | jq .network.eth0.counters.bytes_sent)" -gt $((before + 2000))

# --- what leads out ---

ip netns exec uplink python3 -B "$(dirname "$0")/../lib/tell-peer" 203.0.113.1 8080 &
four_server=$!
ip netns exec uplink python3 -B "$(dirname "$0")/../lib/tell-peer" 2001:db8:2::1 8080 &
six_server=$!
serving() { ip netns exec uplink ss -Hltn 'sport = 8080' | wc -l | grep -qx 2; }
wait_until 10 serving || bail "the servers of the fake internet do not start"
is "$(timeout 20 sysct exec box -- wget -q -O - http://203.0.113.1:8080/)" 198.51.100.2 "the internet sees the host's IPv4 address"
is "$(timeout 20 sysct exec box -- wget -q -O - 'http://[2001:db8:2::1]:8080/')" 2001:db8:1::2 "and its IPv6 address"
nft add table inet docker
nft add chain inet docker forward '{ type filter hook forward priority 0; policy accept; }'
# as Docker does
for tables in iptables-nft ip6tables-nft; do
	$tables -N DOCKER-USER
	$tables -A DOCKER-USER -j RETURN
	$tables -A FORWARD -j DOCKER-USER
	$tables -P FORWARD DROP
done
docker_lets() { iptables-nft -S DOCKER-USER | grep -q "^-A DOCKER-USER -i $bridge .*-j ACCEPT" && ip6tables-nft -S DOCKER-USER | grep -q -- "-o $bridge .*-j ACCEPT"; }
ok -n "beside Docker, which drops what is forwarded, a rule is put where it wants it" wait_until 5 docker_lets
is "$(timeout 20 sysct exec box -- wget -q -O - http://203.0.113.1:8080/)" 198.51.100.2 "and the internet is reached by IPv4"
is "$(timeout 20 sysct exec box -- wget -q -O - 'http://[2001:db8:2::1]:8080/')" 2001:db8:1::2 "and by IPv6"
sysct network set $bridge ipv4.routing=false
fails -n "ipv4.routing=false: nothing leads out" timeout 3 sysct exec box -- wget -q -O - http://203.0.113.1:8080/
ok -n "but to the others" sysct exec box -- ping -4 -c 1 -W 5 other
sysct network unset $bridge ipv4.routing
sysct network set $bridge ipv4.nat=false
fails -n "ipv4.nat=false: no answer finds the way back" timeout 3 sysct exec box -- wget -q -O - http://203.0.113.1:8080/
sysct network set $bridge ipv4.nat=true ipv4.nat.address=198.51.100.2
is "$(timeout 20 sysct exec box -- wget -q -O - http://203.0.113.1:8080/)" 198.51.100.2 "ipv4.nat.address"
sysct network unset $bridge ipv4.nat.address
kill $four_server $six_server
like "$(nft list table inet docker)" 'chain forward' "rules of others are left alone"
nft delete table inet docker

# --- stop, start, rename, reboot ---

sysct restart --force box
ok -n "after a restart" wait_until 10 has_address box 4
is "$(address box 4)" "$four" "it has the same address"
ok -n "a reboot from inside" reboots box
ok -n "after it" wait_until 20 has_address box 4
is "$(address box 4)" "$four" "too"
sysct stop --force box
unknown() { [ ! "$(dns "$1" A)" ]; }
ok -n "the name of a stopped instance is gone" wait_until 5 unknown box.sysct
ok -n "others have theirs" test "$(dns other.sysct A)"
gone() { [ ! -e "/sys/class/net/$1" ]; }
sysct start box
end=$(host_end box)
sysct delete --force box
ok -n "a deleted instance leaves no interface" wait_until 5 gone "$end"
ok -n "and no name" wait_until 5 unknown box.sysct
is "$(find "$SYSCT_DIR/networks" -path '*.d/*' | grep -c .)" 2 "nor a file"

# --- dnsmasq dies; the daemon dies ---

pid=$(dnsmasq_pid)
kill -9 "$pid"
another() { [ "$(dnsmasq_pid)" ] && [ "$(dnsmasq_pid)" != "$pid" ]; }
ok -n "a killed dnsmasq is started again" wait_until 10 another
answers() { [ "$(dns other.sysct A)" ]; }
ok -n "and knows the names" wait_until 5 answers
pid=$(dnsmasq_pid)
daemon_stop KILL
ok -n "without the daemon names are answered" answers
daemon_start
is "$(dnsmasq_pid)" "$pid" "a new daemon goes on with the dnsmasq that runs"
ok -n "instances are not disturbed" sysct exec other -- ping -c 1 -W 5 "$gateway"
daemon_stop
ip link delete $bridge
nft delete table inet "$(cat "$SYSCT_DIR/cgroup")"
daemon_start
like "$(ip -br address show $bridge)" "$ipv4" "a bridge that somebody deleted is made again by the next start"
like "$(nft list table inet "$(cat "$SYSCT_DIR/cgroup")")" "masquerade" "and the rules"
ok -n "and its ports" wait_until 5 sysct exec other -- ping -c 1 -W 1 "$gateway"
ip link delete $bridge
reaches() { sysct exec other -- ping -c 1 -W 1 "$gateway"; }
ok -n "one that is deleted while the daemon runs is mended at once" wait_until 5 reaches
ok -n "with its name server" wait_until 5 answers
like "$(cat "$daemon_log")" "level=warning network $bridge: somebody deleted the bridge" "the log tells"
masquerades() { nft list table inet "$(cat "$SYSCT_DIR/cgroup")" | grep -q masquerade; }
nft delete table inet "$(cat "$SYSCT_DIR/cgroup")"
ok -n "so are rules that somebody flushed" wait_until 5 masquerades
nft flush table inet "$(cat "$SYSCT_DIR/cgroup")"
ok -n "table by table too" wait_until 5 masquerades
like "$(cat "$daemon_log")" 'level=warning somebody changed the table' "the log tells"

# --- NICs ---

sysct delete --force other
sysct init busybox box -q
sysct config device override box eth0 ipv4.address="$prefix.77" hwaddr=00:16:3e:77:77:77 mtu=1400
sysct start box
is "$(sysct exec box -- cat /sys/class/net/eth0/address)" 00:16:3e:77:77:77 "hwaddr"
is "$(sysct exec box -- cat /sys/class/net/eth0/mtu)" 1400 "mtu"
ok -n "ipv4.address" wait_until 10 has_address box 4
is "$(address box 4)" "$prefix.77" "is the one that was asked for"
like "$(leases $bridge)" "box,00:16:3e:77:77:77,$prefix.77,STATIC" "a static lease"
sysct init busybox twin -q
fails -n "an address that is taken" sysct config device override twin eth0 ipv4.address="$prefix.77"
like "$(cat "$TAP_OUTPUT")" 'taken by another' "is told"
fails -n "a MAC address that is taken" sysct config device override twin eth0 hwaddr=00:16:3e:77:77:77
like "$(cat "$TAP_OUTPUT")" 'taken by another' "is told"
fails -n "an address outside of the network" sysct config device override twin eth0 ipv4.address=192.0.2.1
like "$(cat "$TAP_OUTPUT")" 'outside of the network' "is told"
fails -n "the bridge's address" sysct config device override twin eth0 ipv4.address="$gateway"
fails -n "a name that is too long" sysct config device override twin eth0 name=interface-of-16-
like "$(cat "$TAP_OUTPUT")" '15' "is told"
fails -n "an unknown network" sysct config device add twin eth9 nic network=nowhere
like "$(cat "$TAP_OUTPUT")" 'nowhere' "is told"
fails -n "a nictype that is not supported" sysct config device add twin eth9 nic nictype=ovn parent=eth0
like "$(cat "$TAP_OUTPUT")" '"ovn" are not supported' "is named"
sysct delete twin

# hot-plug
sysct network create second ipv4.address=192.0.2.1/29 ipv4.nat=true ipv6.address=none dns.domain=lab.test
sysct network attach second box eth1 lan0
ok -n "a NIC is plugged in while it runs" sysct exec box -- test -e /sys/class/net/lan0
sysct exec box -- sh -c 'ip link set lan0 up; udhcpc -i lan0 -n -q' >/dev/null 2>&1 || true
like "$(sysct exec box -- ip -4 address show lan0)" '192\.0\.2\.[0-9]' "and gets an address"
is "$(sysct query /1.0/instances/box/state | jq -r '.network.lan0.type')" broadcast "state has it"
sysct network detach second box eth1
fails -n "and unplugged" sysct exec box -- test -e /sys/class/net/lan0
ok -n "the other goes on" sysct exec box -- ping -c 1 -W 5 "$gateway"
sysct config device add box p2p0 nic nictype=p2p name=link0 host_name=hostlink
ok -n "a p2p NIC has a host's end of the wanted name" test -e /sys/class/net/hostlink
ok -n "that is in no bridge" test ! -e /sys/class/net/hostlink/master
ok -n "and another in the instance" sysct exec box -- test -e /sys/class/net/link0
sysct config device remove box p2p0
ip link add name hostbr type bridge
ip link set hostbr up
sysct config device add box eth2 nic nictype=bridged parent=hostbr
like "$(ip -br link show master hostbr)" 'veth' "a NIC in a bridge of the host"
like "$(sysct network list -f csv)" 'hostbr,bridge,NO' "network list shows such a bridge"
sysct config device remove box eth2
fails -n "a bridge that is not there" sysct config device add box eth2 nic nictype=bridged parent=nobr
ip link delete hostbr

# port isolation
for name in one two; do
	sysct init busybox $name -q
	sysct config device override $name eth0 security.port_isolation=true
	sysct start $name
done
wait_until 10 has_address one 4 || true
wait_until 10 has_address two 4 || true
fails -n "isolated NICs do not reach each other" sysct exec one -- ping -4 -c 1 -W 1 "$(address two 4)"
ok -n "but the host" sysct exec one -- ping -4 -c 1 -W 5 "$gateway"
ok -n "and others" sysct exec one -- ping -4 -c 1 -W 5 "$prefix.77"
sysct delete --force one two

# --- networks ---

fails -n "a subnet that overlaps" sysct network create third ipv4.address="$prefix.129/25" ipv6.address=none
like "$(cat "$TAP_OUTPUT")" "overlaps that of network \"$bridge\"" "is told"
fails -n "a name of an interface of the host" sysct network create eth0
like "$(cat "$TAP_OUTPUT")" 'interface "eth0"' "is told"
fails -n "a name that is too long" sysct network create network-of-16-by
fails -n "an unknown key" sysct network create third ipv4.adress=10.0.0.1/24
like "$(cat "$TAP_OUTPUT")" 'ipv4.adress' "is named"
fails -n "an address that is none" sysct network create third ipv4.address=10.0.0.300/24
fails -n "the address of the subnet itself" sysct network create third ipv4.address=10.0.0.0/24
fails -n "ranges outside of the network" sysct network create third ipv4.address=10.0.0.1/24 ipv4.dhcp.ranges=10.0.1.1-10.0.1.9
fails -n "a driver that is not there" sysct network create third bridge.driver=openvswitch
fails -n "a type that is not supported" sysct network create third --type=ovn
is "$(sysct network list -f csv | grep -c '^third,')" 0 "nothing of these is left"
ok -n "nor an interface" test ! -e /sys/class/net/third
fails -n "dnsmasq that refuses its configuration" sysct network create third raw.dnsmasq=no-such-option
like "$(cat "$TAP_OUTPUT")" 'dnsmasq does not start' "is told"
ok -n "and nothing of it is left" test ! -e /sys/class/net/third -a ! -e "$SYSCT_DIR/networks/third"
fails -n "a network in use is not deleted" sysct network delete $bridge
like "$(cat "$TAP_OUTPUT")" 'in use by' "it names the users"
fails -n "nor renamed" sysct network rename $bridge other0
sysct network rename second lab
ok -n "an unused one is renamed" test -e /sys/class/net/lab -a ! -e /sys/class/net/second
sysct network set lab bridge.mtu=1280 user.note=kept
is "$(cat /sys/class/net/lab/mtu)" 1280 "bridge.mtu"
is "$(sysct network get lab user.note)" kept "user.*"
sysct network set lab ipv4.address=192.0.2.9/29
like "$(ip -br -4 address show lab)" '192\.0\.2\.9/29 *$' "an address is changed"

# --- a subnet that is full: six hosts, one of them the bridge ---

for i in 1 2 3 4 5; do
	sysct init busybox "full$i" -q -n lab
done
is "$(for i in 1 2 3 4 5; do sysct config get "full$i" volatile.eth0.ipv4.address; done | sort -u | wc -l)" 5 "every address is given once"
sysct start full1 full2 full3 full4
sysct init busybox sixth -q -n lab
ok -n "a sixth takes over that of a stopped one" sysct start sixth
fails -n "which finds none any more" sysct start full5
like "$(cat "$TAP_OUTPUT")" 'no free IPv4 address' "and is told so"
sysct delete --force full1
ok -n "until one is free" sysct start full5
sysct delete --force full2 full3 full4 full5 sixth
pid=$(dnsmasq_pid lab)
sysct network delete lab
ok -n "a deleted network's bridge is gone" test ! -e /sys/class/net/lab
ok -n "and its dnsmasq" test ! -e "/proc/$pid/exe"
ok -n "and its files" test ! -e "$SYSCT_DIR/networks/lab"

# --- Debian ---

sysct launch debian deb
boots deb || bail "Debian does not boot"
ok -n "Debian has an IPv4 address" wait_until 10 has_address deb 4
ok -n "and an IPv6 address" wait_until 10 has_address deb 6
resolves() { sysct exec deb -- getent hosts box.sysct; }
ok -n "and names" wait_until 10 resolves
is "$(sysct exec deb -- hostname)" deb "its host name is its own"
ok -n "which it finds" sysct exec deb -- getent hosts deb
is "$(sysct exec deb -- systemctl is-system-running)" running "no unit failed"

sysct delete --force deb

# --- addresses by DHCPv6, an interface of the host in the bridge ---

ip link add ext0 type veth peer name ext1
sysct network create st ipv4.address=192.0.2.1/24 ipv6.address=fd42:1:2:3::1/64 ipv6.dhcp.stateful=true \
	bridge.external_interfaces=ext0 dns.nameservers=192.0.2.53 dns.search=a.test,b.test ipv4.dhcp.ranges=192.0.2.100-192.0.2.110
like "$(ip -br link show master st)" '^ext0' "bridge.external_interfaces"
sysct launch debian given -n st -d eth0,type=nic,ipv6.address=fd42:1:2:3::77
sysct launch debian free -n st
for name in given free; do
	ok -n "DHCPv6: $name has an address" wait_until 30 has_address $name 6
	wait_until 30 has_address $name 4 || true
done
is "$(address given 6)" fd42:1:2:3::77 "the one that was asked for"
gateway=192.0.2.1
is "$(dns free.sysct AAAA)" "$(address free 6)" "the name of the other is of the address that it has"
like "$(address free 4)" '^192\.0\.2\.1(0[0-9]|10)$' "ipv4.dhcp.ranges"
told() { sysct exec free -- grep -A 9 nameserver /etc/resolv.conf; }
ok -n "it has its name servers" wait_until 10 told
like "$(told)" 'nameserver 192\.0\.2\.53.*search .*a\.test b\.test' "dns.nameservers and dns.search"
sysct network unset st bridge.external_interfaces
is "$(ip -br link show master st | grep -c '^ext0')" 0 "an interface that is no longer named leaves the bridge"
ip link delete ext0

daemon_end
ok -n "a daemon that ends without instances takes its networks down" test ! -e /sys/class/net/$bridge
is "$(nft list tables | grep -v filter)" "" "and its rules"
is "$(iptables-nft -S DOCKER-USER | paste -sd ' ')" "-N DOCKER-USER -A DOCKER-USER -j RETURN" "those beside Docker's too"
fails -n "and dnsmasq" dnsmasq_pid
done_testing
