#!/bin/bash
# Network zones: names of instances and records in domains of the user's choice, served by the networks' dnsmasq.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

bridge=sysctbr0

dns() { # NAME-OR-ADDRESS [TYPE]: what the name server of the first network says
	python3 -B "$(dirname "$0")/../lib/dns" "$gateway" "$@" 2>/dev/null || true
}

says() { # ANSWER NAME [TYPE]
	[ "$(dns "${@:2}")" = "$1" ]
}

# answers ANSWER NAME [TYPE]: soon, since dnsmasq reads files by itself.
answers() {
	ok -n "${*:2} is ${1:-nothing}" wait_until 10 says "$@"
}

dnsmasq_pid() { pgrep -f "^dnsmasq --conf-file=$SYSCT_DIR/networks/$bridge/"; }

zone() { sysct network zone "$@"; }
record() { sysct network zone record "$@"; }
entry() { # add|remove RECORD TYPE VALUE [OPTION...]
	record entry "$1" lab.test "${@:2}"
}

daemon_start
gateway=$(sysct network get $bridge ipv4.address)
gateway=${gateway%/*}
reverse=$(awk -F. '{ print $3 "." $2 "." $1 ".in-addr.arpa" }' <<<"$gateway")
reverse6=$(python3 -c 'import ipaddress, sys; print(".".join(ipaddress.ip_address(sys.argv[1]).reverse_pointer.split(".")[16:]))' \
	"$(sysct network get $bridge ipv6.address | cut -d/ -f1)")
sysct launch busybox box
four=$(sysct config get box volatile.eth0.ipv4.address)
six() { sysct list box -f csv -c 6 | tr ' ' '\n' | grep -v '(' | head -n 1; }
has_six() { [ "$(six)" ]; }
wait_until 20 has_six || bail "no IPv6 address"

# --- zones and the networks that name them ---

complains 'no network zone "lab.test"' sysct network set $bridge dns.zone.forward=lab.test
ok -n "create" zone create lab.test user.note=hello --description "of the lab"
ok -n "of IPv4 addresses" zone create "$reverse"
ok -n "of IPv6 addresses" zone create "$reverse6"
is "$(zone list -f csv | grep lab)" "lab.test,of the lab,0" "list"
is "$(zone get lab.test user.note)" hello "get"
ok -n "a network names them" sysct network set $bridge dns.zone.forward=lab.test dns.zone.reverse.ipv4="$reverse" dns.zone.reverse.ipv6="$reverse6"
is "$(zone list -f csv | grep lab)" "lab.test,of the lab,1" "used by it"
like "$(zone show lab.test)" "/1.0/networks/$bridge" "show tells"
answers "$four" box.lab.test
answers "$(six)" box.lab.test AAAA
answers "$four" box.sysct
answers box.lab.test "$four" PTR
answers box.lab.test "$(six)" PTR
answers "$gateway" $bridge.gw.lab.test
answers '' none.lab.test
sysct launch busybox later
answers "$(sysct config get later volatile.eth0.ipv4.address)" later.lab.test
asks_it() { sysct exec later -- nslookup box.lab.test | grep "$four"; }
ok -n "an instance asks it" wait_until 10 asks_it # when it has its lease
sysct delete --force later
answers '' later.lab.test
complains 'in use by network "sysctbr0"' zone delete lab.test

# --- records that need no new start of dnsmasq ---

pid=$(dnsmasq_pid)
ok -n "record create" record create lab.test www --description site user.a=b
is "$(record get lab.test www user.a)" b "record get"
ok -n "entry add" entry add www A 192.0.2.7
ok -n "entry add" entry add www aaaa 2001:db8::7
answers 192.0.2.7 www.lab.test
answers 2001:db8::7 www.lab.test AAAA
ok -n "an address of an instance" entry add www A "$four"
answers box.lab.test "$four" PTR
ok -n "entry remove" entry remove www A 192.0.2.7
answers "$four" www.lab.test
is "$(record list lab.test -f csv)" "www,site,\"AAAA 2001:db8::7, A $four\"" "record list"
is "$(dnsmasq_pid)" "$pid" "dnsmasq was not started again"

# --- and those that do ---

ok -n "a record of the zone itself" record create lab.test @
for value in 'MX|10 mail' 'TXT|v=spf1 mx ~all' 'NS|ns1' 'CAA|0 issue "ca.example"'; do
	ok -n "entry add ${value/|/ }" entry add @ "${value%%|*}" "${value#*|}"
done
ok record create lab.test _sip._tcp
ok entry add _sip._tcp SRV '0 5 5060 box'
ok record create lab.test alias
ok entry add alias CNAME www --ttl 77
ok record create lab.test key
ok entry add key SSHFP '4 2 0123456789abcdef'
ok entry add key TXT '"two words" "and \"quotes\""'
ok record create lab.test lasting
ok entry add lasting A 192.0.2.9 --ttl 3600
ok record create "$reverse" 250
ok record entry add "$reverse" 250 PTR host.lab.test
answers '10 mail.lab.test' lab.test MX
answers 'v=spf1 mx ~all' lab.test TXT
answers ns1.lab.test lab.test NS
answers "000569737375656361$(printf %s .example | od -An -tx1 | tr -d ' \n')" lab.test 257
answers '0 5 5060 box.lab.test' _sip._tcp.lab.test SRV
answers www.lab.test alias.lab.test CNAME
answers "$four" alias.lab.test
answers 04020123456789abcdef key.lab.test 44
answers 'two words and "quotes"' key.lab.test TXT
answers 192.0.2.9 lasting.lab.test
answers host.lab.test "${gateway%.1}.250" PTR
answers "$four" box.lab.test
ok -n "edit" sh -c "sysct network zone record show lab.test lasting | sed 's/192.0.2.9/192.0.2.10/' | sysct network zone record edit lab.test lasting"
answers 192.0.2.10 lasting.lab.test
ok -n "record delete" record delete lab.test alias
answers '' alias.lab.test CNAME
ok -n "zone set" zone set lab.test dns.nameservers=a.example.org,b.example.org
is "$(grep -c "^dns-rr=lab.test,2," "$SYSCT_DIR/networks/$bridge/dnsmasq.conf")" 3 "NS records of dns.nameservers"

# --- two networks, NAT ---

sysct network create lan ipv4.address=10.97.1.1/24 ipv4.nat=false ipv6.address=none dns.zone.forward=lab.test dns.mode=none
ok -n "an instance of another network" sysct launch busybox far --network lan
far=$(sysct config get far volatile.eth0.ipv4.address)
answers "$far" far.lab.test
answers '' far.sysct
is "$(python3 -B "$(dirname "$0")/../lib/dns" 10.97.1.1 box.lab.test)" "$four" "there the names of the first one are known"
ok -n "network.nat=false" zone set lab.test network.nat=false
answers '' box.lab.test
answers "$far" far.lab.test
ok -n "and back" zone unset lab.test network.nat
answers "$four" box.lab.test
sysct delete --force far
ok sysct network delete lan

# --- restarts ---

daemon_stop KILL
pid=$(dnsmasq_pid)
daemon_start
is "$(dnsmasq_pid)" "$pid" "a new daemon goes on with the dnsmasq that runs"
answers "$four" www.lab.test
daemon_stop KILL
kill -9 "$pid"
rm "$SYSCT_DIR/networks/$bridge/records.d/records"
daemon_start
answers "$four" www.lab.test
answers '10 mail.lab.test' lab.test MX
answers "$four" box.lab.test

# --- bad input ---

for name in '' . a..b .a a. 'a b' a/b -- 'ä' 'x,y'; do
	complains . zone create -- "$name"
done
complains 'already exists' zone create lab.test
complains 'not supported' zone set lab.test peers.ns.address=192.0.2.1
complains 'not supported' zone set lab.test dns.contact=me
complains 'no key' zone set lab.test bogus=1
complains 'true or false' zone set lab.test network.nat=perhaps
complains 'not a name' zone set lab.test dns.nameservers=a..b
complains 'not found' zone show none.test
complains 'not found' record create none.test www
complains 'not found' record show lab.test none
complains 'already exists' record create lab.test www
complains 'not supported' record create lab.test '*'
complains 'not a name' record create lab.test 'a b'
complains 'no key' record create lab.test good bogus=1
for value in 'A|1.2.3' 'A|::1' 'AAAA|1.2.3.4' 'MX|mail' 'MX|10 mail more' 'TXT|"open' 'CNAME|www' 'SRV|1 2 99999 x' \
	$'TXT|a\nlocal=/x/' 'PTR|a,b' 'SSHFP|4 2 xyz' 'NS|-'; do
	complains 'entry' entry add www "${value%%|*}" "${value#*|}"
done
complains 'not supported' entry add www WKS x
complains 'ttl' entry add www TXT x --ttl 60
complains 'seconds' entry add www A 192.0.2.1 --ttl soon
complains 'has no entry' entry remove www A 192.0.2.99
ok record create lab.test one
complains 'to the outside' entry add one CNAME example.org
complains 'to itself' entry add one CNAME one
ok entry add one CNAME two
ok record create lab.test two
complains 'dnsmasq does not start' entry add two CNAME one
answers "$four" box.lab.test
is "$(record show lab.test two | grep -c CNAME)" 0 "what dnsmasq does not take is not stored"
complains 'does not end in in-addr.arpa' sysct network set $bridge dns.zone.reverse.ipv4=lab.test
complains 'does not end in ip6.arpa' sysct network set $bridge dns.zone.reverse.ipv6="$reverse"
like "$(curl -s -X POST --unix-socket "$SYSCT_DIR/unix.socket" -d '{"name":"x","entries":[{"type":"A","value":"192.0.2.1","ttl":-1}]}' http://s/1.0/network-zones/lab.test/records)" 'number of seconds' "a bad ttl"
like "$(curl -s -X PUT -H 'If-Match: wrong' --unix-socket "$SYSCT_DIR/unix.socket" -d '{}' http://s/1.0/network-zones/lab.test/records/www)" '"error_code": ?412' "a wrong ETag"

# --- the end ---

ok -n "the network names them no more" sysct network unset $bridge dns.zone.forward dns.zone.reverse.ipv4 dns.zone.reverse.ipv6
answers '' box.lab.test
answers box.sysct "$four" PTR
ok -n "delete" zone delete lab.test
is "$(zone list -f csv | grep -c lab)" 0 "with its records"
like "$(sysct query /1.0 | jq -c .api_extensions)" '"network_dns","network_dns_records"' "the API says so"
daemon_end
done_testing
