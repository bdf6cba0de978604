#!/bin/bash
# What leads to instances and what keeps from them, on this kernel: proxy devices, forwards, network ACLs, zones. Needs bb.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=tests/vm/in-guest/guest.sh
. "$(dirname "$0")/guest.sh"

get() { timeout 20 busybox wget -q -O - "http://$1/"; }
get_inside() { sysct exec "$1" -- timeout 20 wget -q -O - "http://$2/"; }
refused() { ! get_inside "$@"; }
address() { sysct config get "$1" volatile.eth0.ipv4.address; }
proxy_pid() { pgrep -f "^sysct-proxy web/$1 "; }

ip link add ext0 type dummy
ip address add 192.0.2.7/32 dev ext0
ip address add 192.0.2.8/32 dev ext0
ip link set ext0 up
mkdir -p /tmp/www
echo "the host" >/tmp/www/index.html
busybox httpd -f -p 127.0.0.1:8082 -h /tmp/www &
server=$!
sysct launch busybox web
sysct exec web -- sh -c 'mkdir -p /www && echo inside >/www/index.html && httpd -p 80 -h /www'
web=$(address web)
ok -n "the web server answers" wait_until 30 get "$web"

sysct config device add web down proxy listen=tcp:127.0.0.1:8081 connect=tcp:127.0.0.1:80 >/dev/null
is "$(get 127.0.0.1:8081)" inside "a proxy device leads from the host to the instance's loopback"
sysct config device add web up proxy bind=instance listen=tcp:127.0.0.1:82 connect=tcp:127.0.0.1:8082 >/dev/null
is "$(get_inside web 127.0.0.1:82)" "the host" "and one from the instance to the host's"
sysct config device add web sock proxy bind=instance listen=unix:/run/host.sock connect=tcp:127.0.0.1:8082 mode=0660 >/dev/null
is "$(sysct exec web -- stat -c '%F %a %U' /run/host.sock)" "socket 660 root" "a socket in the file system of the instance"
is "$(awk '/^(NoNewPrivs|CapEff|CapBnd):/ { print $2 }' "/proc/$(proxy_pid down)/status" | sort -u | paste -sd ' ')" "0000000000000000 1" \
	"its process has no capability"
is "$(stat -c %u "/proc/$(proxy_pid down)/task")" "$(stat -c %u "/proc/$(instance_init_pid web)/task")" "and runs as the instance's root"
is "$(cut -d: -f3 "/proc/$(proxy_pid down)/cgroup")" /sysct/.monitors "outside of the daemon's service"
pid=$(proxy_pid down)
systemctl restart sysctd.service
is "$(proxy_pid down) $(get 127.0.0.1:8081)" "$pid inside" "it outlives a restart of the service"
sysct config device add web nat proxy nat=true listen=tcp:192.0.2.7:8083 connect=tcp:0.0.0.0:80 >/dev/null
is "$(get_inside bb 192.0.2.7:8083)" inside "nat=true: from another instance"
is "$(get 192.0.2.7:8083)" inside "nat=true: from the host"

sysct network forward create sysctbr0 192.0.2.8 target_address="$web"
is "$(get_inside bb 192.0.2.8)" inside "a forward leads to the instance"
sysct network forward delete sysctbr0 192.0.2.8

sysct network acl create closed
sysct network acl rule add closed ingress action=reject protocol=tcp destination_port=80 state=logged
sysct network acl rule add closed ingress action=allow
sysct network acl rule add closed egress action=allow
sysct config device override web eth0 security.acls=closed >/dev/null
ok -n "an ACL keeps another instance of the bridge out" refused bb "$web"
ok -n "and the host" wait_until 5 eval "! get $web"
ok -n "what no rule forbids passes" sysct exec bb -- ping -c 1 -W 20 "$web"
logged() { sysct network acl show-log closed | jq -e 'select(.action == "reject")'; }
ok -n "with a line in its log" wait_until 20 logged
sysct config device remove web eth0
is "$(get_inside bb "$web")" inside "without it the way is open"
sysct network acl delete closed

sysct network zone create lab.test
sysct network zone record create lab.test www
sysct network zone record entry add lab.test www A 203.0.113.80
sysct network set sysctbr0 dns.zone.forward=lab.test
found() { sysct exec deb -- getent hosts "$1" | grep -q "$2"; }
ok -n "a record of a zone" wait_until 30 found www.lab.test 203.0.113.80
ok -n "an instance's name in the zone" wait_until 30 found web.lab.test .
ok -n "which the host's systemd-resolved asks for, too" wait_until 30 getent hosts web.lab.test
sysct network unset sysctbr0 dns.zone.forward
sysct network zone delete lab.test

sysct delete --force web
is "$(pgrep -f '^sysct-proxy ')$(ls /run/host.sock 2>/dev/null)" "" "proxies go with the instance"
fails -n "no table of ACLs is left" nft list table bridge sysct-acls
kill $server
ip link delete ext0
done_testing
