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
daemon_end
done_testing
