#!/bin/bash
# Network ACLs: what instances may send and receive, between each other, the host and the outside, and how one tries to get round it.
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

settled() { # INSTANCE: both addresses are there
	wait_until 20 has_address "$1" 4 && wait_until 20 has_address "$1" 6
}

declare -A pid four six mac

know() { # INSTANCE...
	local name
	for name in "$@"; do
		settled "$name" || bail "$name has no addresses"
		pid[$name]=$(instance_init_pid "$name") four[$name]=$(address "$name" 4) six[$name]=$(address "$name" 6)
		mac[$name]=$(sysct config get "$name" volatile.eth0.hwaddr)
	done
}

place() { # INSTANCE or a name of tests/lib/probe
	echo "${pid[$1]:-$1}"
}

ask() { # ADDRESS PROTOCOL/PORT...: as tests/lib/probe has them
	printf '%s\n' "${@:2}" | sed "s,/,/$1/,"
}

# try FROM TO PROTOCOL/PORT[/SIZE]...: open, refused or silent for each, by IPv4.
try() {
	# shellcheck disable=SC2046 # words
	python3 -B "$lib/probe" "$(place "$1")" "$(place "$2")" $(ask "${four[$2]}" "${@:3}")
}

try6() {
	# shellcheck disable=SC2046 # words
	python3 -B "$lib/probe" "$(place "$1")" "$(place "$2")" $(ask "${six[$2]}" "${@:3}")
}

# spoof FROM TO KIND [ADDRESS [MAC]]: "arrived" when the frame does.
spoof() {
	python3 -B "$lib/spoof" "${pid[$1]}" "${pid[$2]}" "${@:3}" || echo "spoof failed"
}

rule() { # ACL DIRECTION FIELD=VALUE...
	sysct network acl rule add "$@"
}

nic() { # INSTANCE KEY=VALUE...
	sysct config device set "$1" eth0 "${@:2}"
}

rejects() { # TEXT CMD...: fails, and says so
	fails -n "refused: $1" "${@:2}"
	like "$(cat "$TAP_OUTPUT")" "$1" "and says why"
}

daemon_start
table=$(cat "$SYSCT_DIR/cgroup")-acls
bridge=sysctbr0
gateway=$(sysct network get $bridge ipv4.address) gateway6=$(sysct network get $bridge ipv6.address)
four[-]=${gateway%/*} six[-]=${gateway6%/*} four[uplink]=203.0.113.1 six[uplink]=2001:db8:2::1
# The outside knows the way to the instances.
ip -n uplink route add "${gateway%.*}.0/24" via 198.51.100.2
ip -n uplink route add "$(cut -d: -f1-4 <<<"$gateway6")::/64" via 2001:db8:1::2
# The bridge alone must do it: nothing of a bridge comes to the host's IP, as on most hosts.
for call in /proc/sys/net/bridge/bridge-nf-call-{ip,ip6}tables; do [ ! -e "$call" ] || echo 0 >"$call"; done

# --- ACLs and their rules ---

ok sysct network acl create web user.team=one --description='web servers'
is "$(sysct network acl get web user.team)" one "create with a setting, get"
ok sysct network acl set web user.team=two
ok sysct network acl unset web user.team
is "$(sysct network acl list -f csv)" "web,web servers,0" "list"
rejects 'already exists' sysct network acl create web
rejects 'is no name' sysct network acl create 10
rejects 'is no name' sysct network acl create a_b
rejects 'has no key "colour"' sysct network acl set web colour=red
rejects 'no action' rule web ingress protocol=tcp
rejects 'action "accept" is not allow' rule web ingress action=accept
rejects 'allow-stateless" is not supported' rule web ingress action=allow-stateless
rejects 'state "on" is not enabled' rule web ingress action=allow state=on
rejects 'protocol "sctp" is not icmp4' rule web ingress action=allow protocol=sctp
rejects 'no field "port"' rule web ingress action=allow port=22
rejects 'destination_port needs protocol' rule web ingress action=allow destination_port=22
rejects 'source_port needs protocol' rule web ingress action=allow protocol=icmp4 source_port=22
rejects 'destination_port "70000"' rule web ingress action=allow protocol=tcp destination_port=70000
rejects 'destination_port "90-80"' rule web ingress action=allow protocol=tcp destination_port=1,90-80
rejects 'destination_port "22;drop"' rule web ingress action=allow protocol=tcp 'destination_port=22;drop'
rejects 'icmp_type needs protocol' rule web ingress action=allow protocol=tcp icmp_type=8
rejects 'icmp_type "256"' rule web ingress action=allow protocol=icmp4 icmp_type=256
rejects 'icmp_code needs icmp_type' rule web ingress action=allow protocol=icmp4 icmp_code=0
rejects 'source "10.0.0.300"' rule web ingress action=allow source=10.0.0.300
rejects 'source "10.0.0.9-10.0.0.1"' rule web ingress action=allow source=10.0.0.9-10.0.0.1
rejects 'does not go with protocol icmp4' rule web ingress action=allow protocol=icmp4 source=fd00::/8
rejects 'different families' rule web ingress action=allow source=10.0.0.0/8 destination=fd00::/8
rejects 'Network ACL not found: "nobody"' rule web ingress action=allow source=nobody
rejects 'source "@internal": only networks of type ovn' rule web ingress action=allow source=@internal
rejects 'sideways' rule web sideways action=allow
rejects 'ingress rule 2' sysct query -X PATCH -d '{"ingress": [{"action": "drop"}, {"action": "drop", "source": "x y"}]}' /1.0/network-acls/web
rejects 'must be a list' sysct query -X PATCH -d '{"ingress": {"action": "drop"}}' /1.0/network-acls/web
rejects 'is not an object' sysct query -X PATCH -d '{"ingress": ["drop"]}' /1.0/network-acls/web
rejects 'not a text' sysct query -X PATCH -d '{"ingress": [{"action": 1}]}' /1.0/network-acls/web
rejects 'not found' sysct network acl show nobody
is "$(sysct query /1.0/network-acls/web | jq -c '[.ingress, .egress]')" '[[],[]]' "nothing of these was taken"
ok rule web ingress action=allow protocol=tcp destination_port=80,443
rejects 'the same as rule 1' rule web ingress action=allow protocol=tcp destination_port=80,443
ok rule web ingress action=allow protocol=udp destination_port=53-60
rejects '2 ingress rules are like that' sysct network acl rule remove web ingress action=allow
rejects 'no ingress rule is like that' sysct network acl rule remove web ingress action=drop
ok sysct network acl rule remove --force web ingress action=allow
is "$(sysct query /1.0/network-acls/web | jq -c .ingress)" '[]' "rule remove --force removes all of them"
ok -n "edit" sh -c 'sysct network acl show web | sed "s/^description:.*/description: edited/" | sysct network acl edit web'
like "$(sysct network acl list -f csv)" '^web,edited,0$' "what was edited"
ok sysct network acl rename web www
ok sysct network acl rename www web
etag=$(sysct query --raw /1.0/network-acls/web | jq -r .metadata.name)
is "$etag" web "the API has it"
fails -n "no table is there while nobody has an ACL" nft list table bridge "$table"
fails -n "in either family" nft list table inet "$table"

# --- a NIC ---

sysct launch busybox alice
sysct launch busybox bob
sysct init busybox server -q
rule web ingress action=allow protocol=tcp destination_port=80
rule web ingress action=allow protocol=udp destination_port=80
rule web ingress action=allow protocol=icmp4 icmp_type=8
rule web ingress action=drop protocol=tcp destination_port=81
rule web ingress action=drop protocol=udp destination_port=81
rule web egress action=allow protocol=tcp destination_port=8000
rejects 'Network ACL not found: "nobody"' sysct config device override server eth0 security.acls=web,nobody
sysct config device override server eth0 security.acls=web
is "$(sysct query /1.0/network-acls/web | jq -c .used_by)" '["/1.0/instances/server"]' "used_by"
rejects 'in use by instance "server"' sysct network acl delete web
rejects 'in use by' sysct network acl rename web other
rejects 'needs "security.acls"' sysct config device override alice eth0 security.acls.default.ingress.action=drop
rejects 'not allow, drop or reject' nic server security.acls.default.ingress.action=ignore
rejects 'exclude each other' nic server vlan.tagged=5
sysct start server
know alice bob server
ok -n "with the first NIC that has one the tables come" nft list table bridge "$table"

for from in alice uplink -; do
	is "$(try $from server tcp/80 udp/80 udp/80/4000 ping/7)" "open open open open" "from $from: allowed, also in fragments"
	is "$(try $from server tcp/81 udp/81)" "silent silent" "dropped"
	is "$(try $from server tcp/82 udp/82 udp/82/4000)" "refused refused refused" "the default rejects"
	is "$(try6 $from server tcp/80 udp/80 udp/80/4000)" "open open open" "IPv6: allowed"
	is "$(try6 $from server tcp/81 udp/81)" "silent silent" "dropped"
	is "$(try6 $from server tcp/82 udp/82 ping/7)" "refused refused refused" "rejected, ping too, which is allowed for IPv4 alone"
done
for to in alice uplink -; do
	is "$(try server $to tcp/8000 tcp/8001 udp/8000 ping/7)" "open refused refused refused" "to $to: what is allowed, with its answers, and the rest"
	is "$(try6 server $to tcp/8000 tcp/8001 udp/8000 ping/7)" "open refused refused refused" "IPv6"
done
is "$(try alice bob tcp/82)" open "others are not concerned"
ok -n "DNS works" sysct exec server -- nslookup alice.sysct "${four[-]}"
ok -n "DHCP works" sysct exec server -- udhcpc -i eth0 -n -q -t 3 -T 1

# --- changes while it runs ---

rule web ingress action=allow protocol=tcp destination_port=82
is "$(try alice server tcp/82)" open "a new rule applies at once"
rule web ingress action=reject protocol=tcp destination_port=82
is "$(try alice server tcp/82)" refused "reject goes before allow"
rule web ingress action=drop protocol=tcp destination_port=82
is "$(try alice server tcp/82)" silent "drop before reject"
sysct network acl rule remove web ingress action=drop destination_port=82
sysct network acl rule remove web ingress action=reject destination_port=82
rule web ingress action=drop protocol=tcp destination_port=82 state=disabled
is "$(try alice server tcp/82)" open "a disabled rule does nothing"
sysct exec alice -- sh -c 'nc -l -p 8000 -e cat' &
listener=$!
listens() { sysct exec alice -- netstat -ltn | grep -q ':8000 '; }
wait_until 10 listens || bail "alice does not listen"
# shellcheck disable=SC2034 # the shell sets its variables
coproc talk { exec sysct exec server -- nc "${four[alice]}" 8000; }
# shellcheck disable=SC2154
talker=$talk_PID
# The shell takes its variables away when it ends.
# shellcheck disable=SC2154
exec {from}<&"${talk[0]}" {to}>&"${talk[1]}"
echo before >&"$to"
read -r -t 10 line <&"$from" || true
is "$line" before "a connection"
rule web ingress action=allow protocol=tcp destination_port=83
echo after >&"$to"
read -r -t 10 line <&"$from" || true
is "$line" after "goes on when other rules change"
nic server security.acls.default.egress.action=allow
echo again >&"$to"
read -r -t 10 line <&"$from" || true
is "$line" again "and when the NIC changes"
nic server security.acls.default.egress.action=
sysct network acl rule remove web egress destination_port=8000
echo lost >&"$to" || true
fails -n "a connection that is not allowed any more ends" read -r -t 2 line <&"$from"
rule web egress action=allow protocol=tcp destination_port=8000
nic server security.acls.default.egress.action=allow
kill "$talker" "$listener" 2>/dev/null || true
wait "$talker" "$listener" 2>/dev/null || true
exec {from}<&- {to}>&-
is "$(try server alice tcp/8001)" open "default.egress.action=allow"
nic server security.acls.default.egress.action=drop
is "$(try server alice tcp/8001)" silent "drop"
nic server security.acls.default.egress.action= security.acls.default.ingress.action=drop
is "$(try alice server tcp/84)" silent "default.ingress.action=drop"
is "$(try server alice tcp/8001)" refused "the other direction is its own"
nic server security.acls.default.ingress.action=allow
is "$(try alice server tcp/84)" open "allow"
rejects 'needs "security.acls"' nic server security.acls=
nic server security.acls= security.acls.default.ingress.action=
is "$(try alice server tcp/81)" open "without ACLs all is open"

# --- several ACLs; ACLs as sources ---

sysct network acl create clients
sysct network acl create guarded
rule guarded ingress action=allow protocol=tcp destination_port=90 source=clients
rule guarded ingress action=allow protocol=tcp destination_port=91 source=198.51.100.0/24,2001:db8:1::/64
rule guarded ingress action=allow protocol=tcp destination_port=92 "source=${four[alice]}-${four[alice]}"
rule guarded egress action=allow
rejects 'in use by network ACL "guarded"' sysct network acl delete clients
rule clients egress action=allow
rule clients ingress action=allow
nic server security.acls=guarded
is "$(try alice server tcp/90)" refused "the name of an ACL: a stranger"
sysct config device override alice eth0 security.acls=clients
is "$(try alice server tcp/90)" open "one who has it"
is "$(try6 alice server tcp/90)" open "by IPv6"
is "$(try bob server tcp/90)" refused "not another"
is "$(try uplink server tcp/91)" open "a subnet"
is "$(try6 uplink server tcp/91)" open "of IPv6 in the same list"
is "$(try alice server tcp/91)" refused "and nobody else"
is "$(try alice server tcp/92)" open "a range"
nic alice security.acls=
is "$(try alice server tcp/90)" refused "one who has it no more"
sysct init busybox carol -q
sysct config device override carol eth0 security.acls=clients
sysct start carol
know carol
is "$(try carol server tcp/90)" open "a new instance with it"
nic server security.acls=guarded,web
is "$(try alice server tcp/80)" open "two ACLs: what one of them allows"
is "$(try alice server tcp/81)" silent "and what one of them drops"
rule guarded ingress action=allow source=guarded
rejects 'in use by its own rules|in use by instance' sysct network acl rename guarded other

# --- logging ---

rule web ingress action=drop protocol=tcp destination_port=95 state=logged
is "$(try alice server tcp/95)" silent "a logged drop"
logged() { sysct network acl show-log web | jq -e "$1" >/dev/null; }
ok -n "is logged" wait_until 5 logged "select(.proto == \"tcp\" and .src == \"${four[alice]}\" and .dst == \"${four[server]}\" and .dst_port == \"95\" and .action == \"drop\")"
is "$(try6 alice server tcp/95)" silent "IPv6"
ok -n "too" wait_until 5 logged "select(.src == \"${six[alice]}\" and .dst_port == \"95\")"
is "$(try uplink server tcp/95)" silent "from outside"
ok -n "too" wait_until 5 logged "select(.src == \"198.51.100.1\" and .dst_port == \"95\")"
nic server security.acls.default.ingress.logged=true
is "$(try alice server udp/96)" refused "the default"
ok -n "is logged" wait_until 5 logged 'select(.proto == "udp" and .dst_port == "96" and .action == "reject")'
ok -n "in the log of each ACL" sh -c "sysct network acl show-log guarded | grep -q '\"dst_port\":\"96\"'"
flood() { # one who sends without end
	python3 -B - "${pid[alice]}" "${four[server]}" <<-'EOF'
		import os, ctypes, socket, sys
		ctypes.CDLL(None).setns(os.open(f"/proc/{sys.argv[1]}/ns/net", os.O_RDONLY), 0x40000000)
		sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		for i in range(20000):
		    try:
		        sock.sendto(b"x", (sys.argv[2], 97))
		    except OSError:
		        pass
	EOF
}
flood
settles() { sysct network acl show-log web | grep -c '"97"' | grep -qE '^[0-9]{2,4}$'; }
ok -n "a flood is logged in part" wait_until 5 settles
rejects 'not found' sysct network acl show-log nobody

# --- a hostile instance ---

sysct init busybox mallory -q
sysct network acl create jail
rule jail egress action=allow protocol=udp destination_port=9 "destination=${four[alice]}"
sysct config device override mallory eth0 security.acls=jail security.ipv4_filtering=true security.ipv6_filtering=true
sysct start mallory
know mallory
is "$(try mallory alice tcp/80)" refused "what is not allowed"
for kind in fragment vlan type ipv4; do
	is "$(spoof bob alice $kind "${four[bob]}" "${mac[alice]}")" arrived "without an ACL: $kind"
	is "$(spoof mallory alice $kind "${four[mallory]}" "${mac[alice]}")" "" "does not get round it: $kind"
	is "$(spoof mallory alice $kind "${four[mallory]}")" "" "nor to all: $kind"
done
is "$(spoof carol alice type "${four[carol]}" "${mac[alice]}")" arrived "one who may send everything: what is not IP"
is "$(spoof carol alice vlan "${four[carol]}" "${mac[alice]}")" "" "but no tags of VLANs, which hide what is inside"
is "$(spoof mallory server fragment "${four[mallory]}" "${mac[server]}")" "" "to a NIC with ACLs: fragment"
is "$(spoof bob server fragment "${four[bob]}" "${mac[server]}")" "" "nor from one without"
is "$(spoof bob server type "${four[bob]}" "${mac[server]}")" "" "what is not IP"
is "$(spoof bob server ipv4 "${four[bob]}")" "" "what goes to all"
is "$(spoof mallory alice mac "${four[mallory]}" "${mac[alice]}")" "" "another MAC address"
is "$(spoof mallory alice ipv4 "${four[alice]}" "${mac[alice]}")" "" "another address"
ok -n "nor by way of the gateway" test "$(sysct exec mallory -- sh -c "ip route add ${four[server]}/32 via ${four[-]}; nc -w 2 ${four[server]} 80 </dev/null 2>&1; true" | grep -c refused)" = 1
rule guarded ingress action=drop "source=${four[bob]}"
sysct exec bob -- ip route add "${four[server]}/32" via "${four[-]}"
is "$(try bob server tcp/80)" silent "one that the receiver drops, by way of the gateway"
sysct exec bob -- ip route del "${four[server]}/32"

# --- stop, start, reboot, the daemon, strangers ---

sysct restart --force server
know server
is "$(try alice server tcp/80)" open "after a restart: allowed"
is "$(try alice server tcp/81)" silent "dropped"
addressed() { has_address server 4 && has_address server 6; }
ok -n "a reboot from inside" reboots server
ok -n "brings its addresses" wait_until 20 addressed
know server
is "$(try alice server tcp/80)" open "after it: allowed"
is "$(try alice server tcp/81)" silent "dropped"
daemon_stop KILL
is "$(try alice server tcp/80)" open "without the daemon: allowed"
is "$(try alice server tcp/81)" silent "dropped"
is "$(try alice server tcp/99)" refused "rejected"
daemon_start
is "$(try alice server tcp/80)" open "with a new daemon: allowed"
is "$(try alice server tcp/81)" silent "dropped"
rule web ingress action=allow protocol=tcp destination_port=99
is "$(try alice server tcp/99)" open "and it goes on"
daemon_stop
nft delete table bridge "$table"
nft delete table inet "$table"
is "$(try alice server tcp/81)" open "what somebody deletes while no daemon runs"
daemon_start
is "$(try alice server tcp/81)" silent "the next start mends"
enforces() { [ "$(try alice server tcp/81)" = silent ]; }
nft flush ruleset
ok -n "rules that somebody flushed come back" wait_until 10 enforces
nft flush table bridge "$table"
ok -n "table by table too" wait_until 10 enforces
like "$(cat "$daemon_log")" 'somebody changed the tables' "the log tells"
is "$(try alice server tcp/82)" open "all of them"

# --- with br_netfilter all of it is the same ---

if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then
	echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
	echo 1 >/proc/sys/net/bridge/bridge-nf-call-ip6tables
	is "$(try alice server tcp/80)" open "br_netfilter: allowed"
	is "$(try alice server tcp/81)" silent "dropped"
	is "$(try6 alice server tcp/98)" refused "rejected"
	is "$(try server alice tcp/8000)" open "egress"
fi

# --- hot-plug; nothing is left ---

sysct network create second ipv4.address=192.0.2.1/29 ipv6.address=none
sysct config device add bob eth1 nic network=second ipv4.address=192.0.2.3 security.acls=web
sysct exec bob -- ip address add 192.0.2.3/29 dev eth1
sysct exec bob -- ip link set eth1 up
four[plugged]=192.0.2.3 pid[plugged]=${pid[bob]}
is "$(try - plugged tcp/80)" open "a NIC that was plugged in: allowed"
is "$(try - plugged tcp/81)" silent "dropped"
sysct config device remove bob eth1
sysct profile create walled
rejects 'Network ACL not found: "nobody"' sysct profile device add walled eth0 nic network=$bridge security.acls=nobody
sysct profile device add walled eth0 nic network=$bridge security.acls=web
like "$(sysct query /1.0/network-acls/web | jq -c .used_by)" '/1.0/profiles/walled' "used_by has profiles"
sysct profile delete walled
sysct delete --force server mallory carol
fails -n "with the last NIC that has one the tables go" nft list table bridge "$table"

# --- a network: its edge ---

rejects 'Network ACL not found' sysct network set $bridge security.acls=nobody
sysct network acl create edge
rule edge ingress action=allow protocol=tcp destination_port=80
rule edge egress action=drop protocol=tcp destination_port=81
rule edge egress action=allow
sysct network set $bridge security.acls=edge security.acls.default.ingress.logged=true
like "$(sysct query /1.0/network-acls/edge | jq -c .used_by)" '/1.0/networks/sysctbr0' "used_by has networks"
rejects 'in use by network' sysct network acl delete edge
is "$(try alice bob tcp/81)" open "ACLs of a network: inside all is open"
is "$(try alice uplink tcp/80)" open "out: allowed, with its answers"
is "$(try alice uplink tcp/81)" silent "dropped"
is "$(try6 alice uplink tcp/81)" silent "IPv6"
is "$(try uplink alice tcp/80)" open "in: allowed"
is "$(try uplink alice tcp/82)" refused "the rest is rejected"
is "$(try6 uplink alice tcp/82)" refused "IPv6"
is "$(try - alice tcp/82)" refused "from the host"
logged_at_edge() { sysct network acl show-log edge | grep -q '"dst_port":"82"'; }
ok -n "and logged" wait_until 5 logged_at_edge
ok -n "names are found" sysct exec alice -- nslookup bob.sysct "${four[-]}"
nft delete table inet "$table"
dropped() { [ "$(try alice uplink tcp/81)" = silent ]; }
ok -n "its rules come back" wait_until 10 dropped
sysct network set $bridge security.acls.default.ingress.action=drop
is "$(try uplink alice tcp/82)" silent "default.ingress.action"
sysct network set $bridge security.acls= security.acls.default.ingress.action= security.acls.default.ingress.logged=
is "$(try uplink alice tcp/82)" open "without them"
fails -n "no table is left" nft list table inet "$table"
sysct network delete second
sysct network acl delete edge guarded jail web
sysct network acl delete clients
is "$(sysct network acl list -f csv)" "" "unused ACLs are deleted"
is "$(find "$SYSCT_DIR/log/network-acls" -type f)" "" "with their logs"
daemon_end
done_testing
