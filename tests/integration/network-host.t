#!/bin/bash
# Beside what else looks after a host's network: firewalld, ufw, systemd-resolved. They run from a root file system of
# their own, but on this test host's network and system bus.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

# --- their root ---

services=$SYSCT_DIR/services
mkdir "$services"
tar -x -p -f "$SYSCT_TEST_IMAGES/host-services/rootfs.tar" -C "$services"
for directory in dev proc sys run; do
	mount --rbind "/$directory" "$services/$directory"
done
install -D -m 644 "$top/etc/firewalld/sysct.xml" "$services/usr/lib/firewalld/zones/sysct.xml"
pids=()
run_service() { # COMMAND...: in the background until stop_services
	chroot "$services" "$@" >>"$SYSCT_DIR/services.log" 2>&1 &
	pids+=($!)
}
stop_service() { # SIGNAL: the one that was started last
	kill "-$1" "${pids[-1]}" 2>/dev/null || true
	wait "${pids[-1]}" || true
	unset 'pids[-1]'
}
on_bus() { # NAME: somebody owns it
	chroot "$services" busctl --system list --acquired --no-legend | grep -q "^$1 "
}
start_firewalld() {
	run_service /usr/sbin/firewalld --nofork --nopid
	wait_until 30 firewall-cmd --state
}
start_resolved() {
	mkdir -p /run/systemd/resolve
	chroot "$services" chown systemd-resolve: /run/systemd/resolve
	run_service /lib/systemd/systemd-resolved
	wait_until 20 on_bus org.freedesktop.resolve1
}
firewall-cmd() { chroot "$services" firewall-cmd "$@"; }
resolvectl() { chroot "$services" resolvectl --no-pager "$@"; }
ufw() { chroot "$services" ufw "$@"; }

mkdir -p /run/dbus
run_service dbus-daemon --system --nofork --nopidfile
wait_until 20 test -S /run/dbus/system_bus_socket
chroot "$services" busctl --system status >/dev/null || bail "no system bus"

# An uplink with a server: what instances reach when they reach the world.
mkdir "$SYSCT_DIR/www"
echo world >"$SYSCT_DIR/www/index.html"
ip netns exec uplink busybox httpd -f -p 203.0.113.1:80 -h "$SYSCT_DIR/www" &
pids=($! "${pids[@]}")
reaches_world() { sysct exec one -- timeout 10 wget -q -O - http://203.0.113.1/ | grep -q world; }
has_address() { sysct list one -f csv -c 4 | grep -q '^[0-9]'; }
# Something listens there on all addresses of the host.
reaches_host() { sysct exec one -- timeout 2 nc -w 1 "$gateway" 7777 </dev/null; }
new_address() { # as at a boot: with DHCP
	sysct restart --force one && wait_until 20 has_address
}

# --- firewalld, there before the daemon ---

start_firewalld || bail "firewalld does not start: $(tail -n 5 "$SYSCT_DIR/services.log")"
daemon_start
gateway=$(sysct network get sysctbr0 ipv4.address)
gateway=${gateway%/*}
busybox nc -ll -p 7777 -e /bin/true &
pids=($! "${pids[@]}")
in_zone() { [ "$(firewall-cmd --get-zone-of-interface=sysctbr0 2>/dev/null)" = "$1" ]; }
ok -n "firewalld has the bridge in the zone sysct" wait_until 10 in_zone sysct
sysct launch busybox one
ok -n "through which DHCP passes" wait_until 20 has_address
ok -n "and what is for the world" reaches_world
ok -n "names are answered" sysct exec one -- nslookup one.sysct "$gateway"
ok -n "the host can be pinged" sysct exec one -- ping -c 1 -W 2 "$gateway"
fails -n "but is closed otherwise" reaches_host
firewall-cmd --reload >/dev/null
ok -n "that holds after a reload" wait_until 10 in_zone sysct
sysct network create second ipv4.address=192.0.2.1/24 ipv6.address=none
in_second() { firewall-cmd --zone=sysct --list-interfaces | grep -qw second; }
ok -n "a new network goes there too" wait_until 10 in_second
sysct network delete second
out_second() { ! in_second; }
ok -n "a deleted one goes" wait_until 10 out_second
firewall-cmd --zone=sysct --remove-interface=sysctbr0 >/dev/null
firewall-cmd --zone=trusted --add-interface=sysctbr0 >/dev/null
daemon_stop KILL
daemon_start
ok -n "a zone that the administrator has chosen stays" in_zone trusted
ok -n "and lets through" reaches_world
ok -n "to the host too" reaches_host
firewall-cmd --zone=trusted --remove-interface=sysctbr0 >/dev/null
stop_service TERM
ok -n "it ends and nothing is missed" reaches_world
start_firewalld
ok -n "it starts again and is told" wait_until 10 in_zone sysct
ok -n "the instance can do what it could" reaches_world
mv "$services/usr/lib/firewalld/zones/sysct.xml" "$services/root/"
firewall-cmd --reload >/dev/null
log_says() { grep -q 'does not know the zone sysct' "$daemon_log"; }
ok -n "a firewalld without the zone is told of in the log" wait_until 10 log_says
stop_service TERM

# --- systemd-resolved ---

start_resolved || bail "systemd-resolved does not start: $(tail -n 5 "$SYSCT_DIR/services.log")"
domains() { resolvectl domain sysctbr0; }
told() { domains | grep -q '~sysct'; }
ok -n "systemd-resolved that comes later is told the domain" wait_until 10 told
told_all() { [ "$(resolvectl default-route sysctbr0 | sed 's/.*: //')" = no ]; } # it is told last
wait_until 10 told_all || true
like "$(domains)" "~$(awk -F. '{ print $3 "\\." $2 "\\." $1 }' <<<"$gateway")\.in-addr\.arpa.*ip6\.arpa" "and the reverse ones"
like "$(resolvectl dns sysctbr0)" "$gateway fd42:" "and whom to ask"
finds() { resolvectl query one.sysct | grep -q "$(sysct list one -f csv -c 4 | cut -d' ' -f1)"; }
ok -n "the host finds an instance by its name" wait_until 10 finds
like "$(resolvectl query "$(sysct list one -f csv -c 4 | cut -d' ' -f1)" 2>&1)" 'one\.sysct' "and its name by its address"
is "$(resolvectl default-route sysctbr0 | sed 's/.*: //')" no "other names are not asked there"
sysct network set sysctbr0 dns.domain=lab.test
renamed() { domains | grep -q '~lab.test'; }
ok -n "a changed domain is told" wait_until 10 renamed
sysct network zone create zone.test
sysct network set sysctbr0 dns.zone.forward=zone.test
told_zone() { domains | grep '~lab.test' | grep -q '~zone.test'; }
ok -n "a zone that the network serves is told, too" wait_until 10 told_zone
finds_in_zone() { resolvectl query one.zone.test | grep -q "$(sysct list one -f csv -c 4 | cut -d' ' -f1)"; }
ok -n "the host finds an instance by its name in the zone" wait_until 10 finds_in_zone
sysct network unset sysctbr0 dns.zone.forward
sysct network set sysctbr0 dns.mode=none
reverted() { ! domains | grep -q '~'; }
ok -n "dns.mode=none takes it back" wait_until 10 reverted
sysct network unset sysctbr0 dns.mode
ok -n "and another mode gives it again" wait_until 10 renamed
ip link delete sysctbr0
ok -n "a bridge that was made again is told of" wait_until 20 renamed
stop_service TERM
start_resolved
ok -n "systemd-resolved that was started again is told again" wait_until 10 renamed
stop_service TERM

# --- ufw ---

ok -n "ufw is enabled" ufw --force enable
is "$(chroot "$services" iptables -S | head -n 2 | paste -sd ' ')" "-P INPUT DROP -P FORWARD DROP" "and drops"
admitted() { chroot "$services" iptables -S INPUT | grep -q -- "-i sysctbr0 -p udp .*--dport 67 .*ACCEPT"; }
ok -n "rules let our networks in" wait_until 10 admitted
ok -n "an instance gets its address" new_address
ok -n "and reaches the world" reaches_world
ok -n "names are answered" sysct exec one -- nslookup one.lab.test "$gateway"
fails -n "the host stays closed otherwise" reaches_host
ok -n "iptables can still read all of it" chroot "$services" iptables -S
ok -n "ufw reloads" ufw reload
ok -n "after which the rules are there" wait_until 10 admitted
ok -n "and the world" reaches_world
sysct network set sysctbr0 ipv4.firewall=false
sysct delete --force one
sysct profile device remove default eth0
sysct network delete sysctbr0
is "$(chroot "$services" iptables -S | grep -c sysctbr0)" 0 "the rules go with the network"
ufw --force disable >/dev/null

daemon_end
while [ ${#pids[@]} -gt 0 ]; do stop_service TERM; done
umount -R "$services/run" "$services/sys" "$services/proc" "$services/dev"
done_testing
