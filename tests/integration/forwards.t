#!/bin/bash
# Forwards of networks: an address of the world that leads to instances, for others, the host and the instances themselves.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

bridge=sysctbr0 outside=192.0.2.1 outside6=2001:db8:9::1
lib=$(dirname "$0")/../lib

has_address() { # INSTANCE COLUMN
	sysct list "$1" -f csv -c "$2" | grep -q .
}

# from WHERE URL: what a web server answers; WHERE is the outside (uplink), the host, or an instance.
from() {
	case $1 in
	uplink) ip netns exec uplink timeout 5 busybox wget -q -O - "$2" ;;
	host) timeout 5 busybox wget -q -O - "$2" ;;
	*) sysct exec "$1" -- timeout 5 wget -q -O - "$2" ;;
	esac
}

udp() { # ADDRESS PORT
	ip netns exec uplink python3 -B "$lib/ask-udp" "$@"
}

# answers INSTANCE: a program of the host that answers in its network, and is there when this returns.
answers() {
	nsenter -t "$(instance_init_pid "$1")" -n python3 -B "$lib/answer" "$1-udp" 7 5000 &
	servers+=($!)
	wait_until 20 listens "$1" || bail "nothing answers in $1"
}
listens() { nsenter -t "$(instance_init_pid "$1")" -n ss -Hltun | grep -q ':5000 '; }

table() { nft list table inet "$(cat "$SYSCT_DIR/cgroup")"; }

rules() { # how many there are, elements aside
	nft -t list table inet "$(cat "$SYSCT_DIR/cgroup")" | grep -cE 'dnat|masquerade|accept|jump'
}

forward() { sysct network forward "$@"; }

port() { # add|remove ARGUMENT...
	forward port "$1" $bridge "${@:2}"
}

# What the world sends to these addresses comes here; the host has one of them.
ip address add $outside/32 dev eth0
ip -n uplink route add 192.0.2.0/24 via 198.51.100.2
ip -n uplink route add 2001:db8:9::/64 via 2001:db8:1::2

daemon_start
servers=()
for name in box other; do
	sysct launch busybox $name
	ok -n "$name has addresses" wait_until 20 has_address $name 4
	wait_until 20 has_address $name 6 || true
	sysct exec $name -- sh -c "mkdir /www && echo $name >/www/index.html && for port in 80 8080 91 7000; do httpd -p \$port -h /www; done"
	answers $name
done
first_address() { sysct list "$1" -f csv -c "$2" | tr ' ' '\n' | grep -v '(' | head -n 1; }
four=$(first_address box 4) six=$(first_address box 6) other4=$(first_address other 4)
before=$(rules)

# --- ports ---

ok -n "create" forward create $bridge $outside user.note=hello --description "of the lab"
is "$(forward list $bridge -f csv)" "$outside,of the lab,,0" "list has it"
is "$(forward get $bridge $outside user.note)" hello "get"
fails -n "nothing is forwarded yet" from uplink http://$outside/
ok -n "port add, to another port" port add $outside tcp 80 "$four" 8080
is "$(from uplink http://$outside/)" box "the outside reaches the instance"
is "$(from host http://$outside/)" box "the host itself too"
is "$(from other http://$outside/)" box "and an instance of the same network"
# With br_netfilter, as beside Docker, such packets take another way: without it they need the host's address.
netfilter=/proc/sys/net/bridge/bridge-nf-call-iptables
for on in 0 1; do
	[ -e $netfilter ] && echo $on >$netfilter
	is "$(from other http://$outside/)" box "whatever bridge-nf-call-iptables says ($on)"
	is "$(from box http://$outside/)" box "and to the instance itself ($on)"
done
ok -n "port add, a range" port add $outside tcp 90-99 "$other4"
is "$(from uplink http://$outside:91/)" other "a range keeps its ports"
is "$(from host http://$outside:91/)" other "from the host"
is "$(from box http://$outside:91/)" other "and from the network"
fails -n "a port beside the range is not forwarded" from uplink http://$outside:7000/
ok -n "port add, many to one" port add $outside tcp 2000,2100-2101 "$other4" 7000
is "$(from uplink http://$outside:2101/)" other "many ports lead to one"
ok -n "port add, shifted" port add $outside tcp 3000-3001 "$four" 7000,91
is "$(from uplink http://$outside:3000/) $(from uplink http://$outside:3001/)" "box box" "each to its own"
ok -n "port add, udp" port add $outside udp 53 "$four" 5000 --description resolver
is "$(udp $outside 53)" box-udp "udp is forwarded"
ok -n "tcp and udp have ports of their own" port add $outside udp 80 "$other4" 5000
is "$(udp $outside 80) $(from uplink http://$outside/)" "other-udp box" "and lead to different instances"
like "$(forward show $bridge $outside)" 'description: resolver' "show has the description"
is "$(rules)" "$before" "there are as many rules as before"
like "$(sysct network list-allocations -f csv)" "/1.0/networks/$bridge/forwards/$outside,$outside/32,network-forward" "list-allocations has it"
etag=$(curl -sD - -o /dev/null --unix-socket "$SYSCT_DIR/unix.socket" http://s/1.0/networks/$bridge/forwards/$outside | sed -n 's/^[Ee][Tt]ag: \(.*\)\r$/\1/p')
like "$(curl -s -X PATCH -H "If-Match: wrong" --unix-socket "$SYSCT_DIR/unix.socket" -d '{"description":"x"}' http://s/1.0/networks/$bridge/forwards/$outside)" '"error_code": ?412' "a wrong ETag is refused"
ok -n "a right one not" curl -sf -X PATCH -H "If-Match: $etag" --unix-socket "$SYSCT_DIR/unix.socket" -d '{"description":"changed"}' http://s/1.0/networks/$bridge/forwards/$outside
is "$(forward list $bridge -f csv)" "$outside,changed,,6" "PATCH keeps ports and configuration"
is "$(sysct query "/1.0/networks/$bridge/forwards/$outside" | jq -r '.location + .config["user.note"]')" hello "as LXD has it"

kill "${servers[0]}"
sysct restart -f box
ok -n "box has addresses again" wait_until 20 has_address box 4
sysct exec box -- sh -c "for port in 80 8080 91 7000; do httpd -p \$port -h /www; done"
answers box
is "$(from box http://$outside/)" box "after a restart the instance reaches itself too"

# --- a change while connections run ---

say() { # WORD: through the connection and back
	echo "$1" >&"${CLIENT[1]}" && read -rt 5 -u "${CLIENT[0]}" answer && [ "$answer" = "$1" ]
}
ok port add $outside tcp 7 "$four"
coproc CLIENT { exec ip netns exec uplink busybox nc $outside 7; }
client=$CLIENT_PID
ok -n "a connection" say one
ok -n "its port leads elsewhere" sh -c "sysct network forward show $bridge $outside | sed '/listen_port: \"7\"/,/target_address/s/$four/$other4/' | sysct network forward edit $bridge $outside"
like "$(table)" "tcp . $outside . 7 : $other4 . 7" "new ones go there"
ok -n "the old one goes on" say two
daemon_stop KILL
daemon_start
ok -n "also while the daemon is killed and started" say three
is "$(from uplink http://$outside/)$(from uplink http://$outside:91/)" boxother "what was forwarded still is"
kill "$client"
wait "$client" 2>/dev/null || true

# --- whole addresses, IPv6 ---

ok -n "create with a target for everything" forward create $bridge $outside6 target_address="$six"
is "$(from uplink "http://[$outside6]/")" box "IPv6: the outside reaches it"
is "$(from host "http://[$outside6]:8080/")" box "the host too, although it has not the address"
is "$(from other "http://[$outside6]/")" box "and another instance"
ok -n "ping is forwarded too" ip netns exec uplink busybox ping -6 -c 1 -W 5 $outside6
is "$(udp $outside6 5000)" box-udp "udp too"
ok -n "a port of its own goes elsewhere" port add $outside6 tcp 80 "$(first_address other 6)"
is "$(from uplink "http://[$outside6]/") $(from uplink "http://[$outside6]:8080/")" "other box" "the rest not"
ok -n "set, IPv4" forward set $bridge $outside target_address="$other4"
is "$(from uplink http://$outside:7000/)" other "everything else goes to the target"
is "$(from uplink http://$outside/)" box "ports go where they went"
ok -n "unset" forward unset $bridge $outside target_address
fails -n "then they are all" from uplink http://$outside:7000/

# --- what others do to the rules ---

nft flush ruleset
forwards_again() { table | grep -q "$outside6 : $six" && table | grep -q "tcp . $outside . 90-99 : $other4"; }
ok -n "somebody flushes all tables: everything is there again" wait_until 10 forwards_again
is "$(from uplink http://$outside/)$(from uplink http://$outside:91/)" boxother "and forwards"
daemon_stop
nft delete table inet "$(cat "$SYSCT_DIR/cgroup")"
daemon_start
is "$(from uplink http://$outside/)" box "a new daemon writes what is missing"

# --- bad input ---

complains 'already exists' forward create $bridge $outside
complains 'in the subnet of the network' forward create $bridge "$four"
for address in 0.0.0.0 127.0.0.1 224.0.0.1 ::1 fe80::1 ff02::1 :: ::ffff:192.0.2.1 192.0.2.1/24 192.0.2 example.org '' '1.2.3.4 '; do
	complains 'is not an address' forward create $bridge "$address"
done
complains 'no managed network' forward create none 192.0.2.2
complains 'not found' forward show $bridge 192.0.2.2
complains 'not in a subnet' forward create $bridge 192.0.2.2 target_address=203.0.113.9
complains 'not an IPv4 address' forward create $bridge 192.0.2.2 target_address="$six"
complains 'no key' forward create $bridge 192.0.2.2 bogus=1
complains 'is taken by' port add $outside tcp 95 "$four"
complains 'is taken by' port add $outside tcp 70-90 "$four"
complains 'not tcp or udp' port add $outside sctp 95 "$four"
complains 'not in a subnet' port add $outside tcp 500 203.0.113.9
complains 'must be one port, or 5' port add $outside tcp 500-504 "$four" 1-4
for ports in 0 65536 9-8 '80,' ',80' x 1- 0-5 '80 81' '1;2'; do
	complains 'is not a list of ports' port add $outside tcp "$ports" "$four"
done
complains 'no such port' port remove $outside tcp 444
complains '7 ports fit' port remove $outside
refused() { # PATTERN BODY
	like "$(curl -s -X POST --unix-socket "$SYSCT_DIR/unix.socket" -d "$2" http://s/1.0/networks/$bridge/forwards)" "$1" "refused: $2"
}
refused 'unknown field' '{"listen_address":"192.0.2.2","bogus":1}'
refused 'must be a list' '{"listen_address":"192.0.2.2","ports":{}}'
refused 'must be an object' '{"listen_address":"192.0.2.2","ports":[1]}'
refused 'unknown field' '{"listen_address":"192.0.2.2","ports":[{"bogus":1}]}'
refused 'snat' "{\"listen_address\":\"192.0.2.2\",\"ports\":[{\"snat\":true,\"protocol\":\"tcp\",\"listen_port\":\"1\",\"target_address\":\"$four\"}]}"
refused 'must be a text' '{"listen_address":["192.0.2.2"]}'
is "$(forward list $bridge -f csv | wc -l)" 2 "nothing of that is there"
complains 'not in a subnet' sysct network set $bridge ipv4.address=10.99.0.1/24
complains 'which a forward' sysct network create lan ipv4.address=192.0.2.9/24 ipv6.address=none
for path in load-balancers load-balancers/192.0.2.1 peers; do
	complains 'OVN networks' sysct query "/1.0/networks/$bridge/$path"
done
for type in ovn macvlan sriov physical; do
	complains "\"$type\" are not supported" sysct network create lan --type $type
done

# --- ports and forwards go ---

ok -n "port remove" port remove $outside tcp 80
fails -n "it is forwarded no more" from uplink http://$outside/
is "$(udp $outside 80)" other-udp "but that of udp is"
ok -n "port remove --force" port remove $outside udp --force
ok -n "delete" forward delete $bridge $outside
fails -n "nothing is forwarded any more" from uplink http://$outside:91/
is "$(table | grep -c "$outside ")" 0 "no element is left"

# --- other networks ---

sysct network create lan ipv4.address=10.98.7.1/24 ipv6.address=none
ok -n "a forward of another network" forward create lan 192.0.2.3 target_address=10.98.7.9
complains 'not in a subnet' forward create lan 192.0.2.4 target_address="$four"
complains 'already exists' forward create $bridge 192.0.2.3
ok -n "rename of the network" sysct network rename lan den
is "$(forward list den -f csv)" "192.0.2.3,,10.98.7.9,0" "keeps it"
like "$(table)" '192.0.2.3 : 10.98.7.9' "in the rules too"
ok -n "delete of the network" sysct network delete den
is "$(table | grep -c 192.0.2.3)" 0 "takes it along"
ok -n "the address is free again" forward create $bridge 192.0.2.3

like "$(sysct query /1.0 | jq -c .api_extensions)" '"network_forward"' "the API says so"
kill "${servers[@]}" 2>/dev/null || true
daemon_end
done_testing
