#!/bin/bash
# lxc's network commands, unmodified, against sysctd.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"
# shellcheck source=tests/lib/lxc.sh
. "$(dirname "$0")/../lib/lxc.sh"
lxc_begin busybox

like "$(lxc network list --format csv)" '^sysctbr0,bridge,YES,10\.[0-9.]+/24,fd42:[0-9a-f:]+/64,.*,1,CREATED' "list"
like "$(lxc network show sysctbr0)" 'ipv4.nat: "true"' "show"
ok lxc network create lab ipv4.address=192.0.2.1/24 ipv6.address=none
is "$(lxc network get lab ipv4.address)" 192.0.2.1/24 "create, get"
ok lxc network set lab user.note=hello dns.domain=lab.test
is "$(lxc network get lab user.note) $(lxc network get lab dns.domain)" "hello lab.test" "set"
ok lxc network unset lab user.note
is "$(lxc network get lab user.note)" "" "unset"
ok -n "edit" sh -c 'lxc network show lab | sed "s/^description:.*/description: of a lab/" | lxc network edit lab'
like "$(lxc network list --format csv)" 'lab,bridge,YES,192.0.2.1/24,none,of a lab,0,CREATED' "what was edited"
ok lxc launch busybox box --network lab
like "$(lxc config show box)" 'network: lab' "launch --network"
has_address() { lxc list box --format csv -c 4 | grep -q '192\.0\.2\.'; }
ok -n "its address is listed" wait_until 20 has_address
like "$(lxc network list-leases lab --format csv)" '^box,00:16:3e:[0-9a-f:]+,192\.0\.2\.[0-9]+,DYNAMIC' "list-leases"
like "$(lxc network info lab)" 'MAC address: 00:16:3e' "info"
like "$(lxc info box)" 'Host interface: veth' "info of the instance"
ok lxc network attach sysctbr0 box eth1 eth1
ok -n "attach" lxc exec box -- test -e /sys/class/net/eth1
ok lxc network detach sysctbr0 box eth1
fails -n "detach" lxc exec box -- test -e /sys/class/net/eth1
complains "*in use by*" lxc network delete lab
ok lxc config device set box eth0 ipv4.address 192.0.2.50
is "$(lxc config device get box eth0 ipv4.address)" 192.0.2.50 "config device set"
complains "*outside of the network*" lxc config device set box eth0 ipv4.address 10.0.0.1

# --- forwards ---

ok lxc network forward create lab 198.51.100.77 user.note=hello
ok lxc network forward port add lab 198.51.100.77 tcp 80,90-92 192.0.2.50 8080,90-92
ok lxc network forward port add lab 198.51.100.77 udp 53 192.0.2.50
is "$(lxc network forward list lab --format csv)" "198.51.100.77,,,2" "forward list"
like "$(lxc network forward show lab 198.51.100.77)" 'target_port: 8080,90-92' "forward show"
is "$(lxc network forward get lab 198.51.100.77 user.note)" hello "forward get"
ok lxc network forward set lab 198.51.100.77 target_address 192.0.2.51
is "$(lxc network forward list lab --format csv)" "198.51.100.77,,192.0.2.51,2" "forward set"
ok lxc network forward unset lab 198.51.100.77 target_address
is "$(lxc network forward get lab 198.51.100.77 target_address)" "" "forward unset"
ok -n "forward edit" sh -c 'lxc network forward show lab 198.51.100.77 | sed "s/^description:.*/description: edited/" | lxc network forward edit lab 198.51.100.77'
is "$(lxc network forward list lab --format csv)" "198.51.100.77,edited,,2" "what was edited"
ok lxc network forward port remove lab 198.51.100.77 udp 53
complains "*not in a subnet*" lxc network forward port add lab 198.51.100.77 tcp 1 203.0.113.9
complains "*in the subnet*" lxc network forward create lab 192.0.2.77
complains "*already exists*" lxc network forward create lab 198.51.100.77
like "$(nft list table inet "$(cat "$SYSCT_DIR/cgroup")")" 'tcp . 198.51.100.77 . 80 : 192.0.2.50 . 8080' "the port is in the rules"
ok lxc network forward delete lab 198.51.100.77
is "$(lxc network forward list lab --format csv)" "" "forward delete"
complains "*API extension*" lxc network peer list lab

# --- zones ---

ok lxc network zone create lab.example user.note=hello
ok lxc network set lab dns.zone.forward lab.example
is "$(lxc network zone list --format csv)" "lab.example,,1" "zone list"
is "$(lxc network zone get lab.example user.note)" hello "zone get"
ok lxc network zone set lab.example network.nat=true
ok lxc network zone unset lab.example user.note
like "$(lxc network zone show lab.example)" '/1.0/networks/lab' "zone show"
ok -n "zone edit" sh -c 'lxc network zone show lab.example | sed "s/^description:.*/description: edited/" | lxc network zone edit lab.example'
ok lxc network zone record create lab.example www user.a=b
ok lxc network zone record entry add lab.example www A 192.0.2.50 --ttl 300
ok lxc network zone record entry add lab.example www TXT 'some text'
like "$(lxc network zone record list lab.example --format csv)" 'A 192.0.2.50' "record list"
like "$(lxc network zone record show lab.example www)" 'value: some text' "record show"
is "$(lxc network zone record get lab.example www user.a)" b "record get"
ok lxc network zone record set lab.example www user.a=c
ok lxc network zone record unset lab.example www user.a
ok -n "record edit" sh -c 'lxc network zone record show lab.example www | sed "s/some text/other/" | lxc network zone record edit lab.example www'
is "$(python3 -B "$(dirname "$0")/../lib/dns" 192.0.2.1 www.lab.example TXT)" other "it is served"
is "$(python3 -B "$(dirname "$0")/../lib/dns" 192.0.2.1 box.lab.example)" 192.0.2.50 "and the name of the instance"
ok lxc network zone record entry remove lab.example www TXT other
complains "*not supported*" lxc network zone record entry add lab.example www WKS x
complains "*not supported*" lxc network zone set lab.example peers.a.address=192.0.2.9
ok lxc network zone record delete lab.example www
complains "*in use by*" lxc network zone delete lab.example
ok lxc network unset lab dns.zone.forward
ok lxc network zone delete lab.example

# --- proxy devices ---

ok lxc config device add box web proxy listen=tcp:127.0.0.1:8080 connect=tcp:127.0.0.1:80
ok -n "a proxy device listens" bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080'
complains "*Address already in use*" lxc config device add box twin proxy listen=tcp:127.0.0.1:8080 connect=tcp:127.0.0.1:80
complains "*not an IP address*" lxc config device add box twin proxy listen=tcp:localhost:1 connect=tcp:127.0.0.1:80
ok lxc config device set box web listen tcp:127.0.0.1:8081
ok -n "and changes" bash -c 'exec 3<>/dev/tcp/127.0.0.1/8081'
ok lxc config device remove box web
fails -n "and goes" bash -c 'exec 3<>/dev/tcp/127.0.0.1/8081'
ok lxc delete --force box
ok lxc network rename lab lab2
ok lxc network delete lab2
complains "*not supported*" lxc network create ovn --type=ovn
complains "*overlaps*" lxc network create twin "ipv4.address=$(lxc network get sysctbr0 ipv4.address)"

# --- network ACLs ---

ok lxc network acl create web user.team=one
is "$(lxc network acl list --format csv)" "web,,0" "acl list"
is "$(lxc network acl get web user.team)" one "acl get"
ok lxc network acl set web user.team=two
ok lxc network acl unset web user.team
ok lxc network acl rule add web ingress action=allow protocol=tcp destination_port=22 source=10.0.0.0/8 state=logged
ok lxc network acl rule add web ingress action=allow protocol=tcp destination_port=80
ok lxc network acl rule add web egress action=allow
like "$(lxc network acl show web)" 'destination_port: "22"' "acl show"
complains "*rule*" lxc network acl rule add web ingress action=accept
fails -n "acl rule remove of several" lxc network acl rule remove web ingress action=allow
ok lxc network acl rule remove web ingress destination_port=80
is "$(lxc query /1.0/network-acls/web | jq -c '[.ingress[].destination_port]')" '["22"]' "acl rule remove"
ok -n "acl edit" sh -c 'lxc network acl show web | sed "s/^description:.*/description: edited/" | lxc network acl edit web'
is "$(lxc network acl list --format csv)" "web,edited,0" "what was edited"
ok lxc init busybox box
ok lxc config device override box eth0 security.acls=web security.acls.default.ingress.action=drop
ok lxc start box
is "$(lxc network acl list --format csv)" "web,edited,1" "a NIC uses it"
complains "*in use*" lxc network acl delete web
complains "*in use*" lxc network acl rename web www
ok lxc network acl show-log web
ok lxc network set sysctbr0 security.acls=web
ok lxc network unset sysctbr0 security.acls
ok lxc delete --force box
ok lxc network acl rename web www
ok lxc network acl delete www
daemon_end
done_testing
