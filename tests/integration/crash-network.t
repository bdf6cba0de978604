#!/bin/bash
# kill -9 of sysctd while networks, forwards, zones and ACLs are made, changed and deleted.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"
# shellcheck source=tests/lib/crash.sh
. "$(dirname "$0")/../lib/crash.sh"

# The command that passes the point, and what must be there before it.
command_for() { # POINT
	case $1 in
	network.host-side)
		echo "launch busybox victim -d eth0,type=nic,network=sysctbr0,ipv4.routes=198.18.7.0/24"
		;;
	forward.row) echo "network forward create sysctbr0 192.0.2.9 target_address=$target" ;;
	forward.changed) echo "network forward port add sysctbr0 192.0.2.9 tcp 80 $target" ;;
	forward.deleted) echo "network forward delete sysctbr0 192.0.2.9" ;;
	zone.row) echo "network zone set victim.test dns.nameservers=a.example.org" ;;
	record.row) echo "network zone record create victim.test www" ;;
	record.changed) echo "network zone record entry add victim.test www TXT x" ;;
	record.deleted) echo "network zone record delete victim.test www" ;;
	acl.created) echo "network acl create victim-acl" ;;
	acl.row) echo "network acl rule add victim-acl ingress action=drop" ;;
	acl.deleted) echo "network acl delete victim-acl" ;;
	network.deleted) echo "network delete victim0" ;;
	network.*) echo "network create victim0" ;;
	esac
}

prepare() { # POINT: the victim as its command wants it
	case $(command_for "$1") in
	launch* | 'network create'* | *'forward create'* | 'network acl create'*) return 0 ;;
	*forward*)
		sysct network forward create sysctbr0 192.0.2.9
		sysct network forward port add sysctbr0 192.0.2.9 tcp 443 "$target"
		;;
	*zone*)
		sysct network zone create victim.test
		sysct network set sysctbr0 dns.zone.forward=victim.test
		if [ "$1" = record.row ]; then return 0; fi
		sysct network zone record create victim.test www
		sysct network zone record entry add victim.test www TXT y
		;;
	'network acl'*) sysct network acl create victim-acl ;;
	network*) sysct network create victim0 ;;
	esac
}

look() { :; }

clean() {
	sysct delete -f victim || true
	sysct network delete victim0 || true
	sysct network forward delete sysctbr0 192.0.2.9 || true
	sysct network unset sysctbr0 dns.zone.forward || true
	sysct network zone delete victim.test || true
	sysct network acl delete victim-acl || true
}

crash_begin
try_all crash-network
daemon_end
done_testing
