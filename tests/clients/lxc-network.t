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
