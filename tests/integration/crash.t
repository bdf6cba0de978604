#!/bin/bash
# kill -9 of sysctd and of a monitor at every step of launch, stop, delete and rename: afterwards the database, the
# disk, mounts, control groups and ids agree, and an instance that runs beside was never disturbed. The steps are the
# fault points in the source (lib/fault.h), so a new one is tried as soon as it is written.
set -euo pipefail
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/daemon.sh"

rows() { # the database, as the daemon would read it
	python3 - "$SYSCT_DIR/sysct.db" "$1" <<-'EOF'
		import sqlite3, sys
		db = sqlite3.connect("file:%s?mode=ro" % sys.argv[1], uri=True)
		for row in db.execute(sys.argv[2]):
		    print(*row)
	EOF
}

running() { sysct list -f csv -c ns | sed -n 's/,RUNNING$//p' | sort; }

entries() { # DIRECTORY: names below it, hidden ones too
	find "$1" -mindepth 1 -maxdepth 1 -type d ! -name .monitors -printf '%f\n' | sort
}

nothing_to_reclaim() { [ -z "$(find "$SYSCT_DIR/storage-pools" -maxdepth 3 -name '.del-*')" ]; }

agrees() {
	local base problem=0 directory
	base=$(cat "$SYSCT_DIR/cgroup")
	wait_until 20 nothing_to_reclaim || { diag "volumes are not reclaimed"; problem=1; }
	diff <(rows 'select directory from storage_layers' | sort) <(cd "$SYSCT_DIR/storage-pools/default" && find instances layers -mindepth 1 -maxdepth 1 | sort) ||
		{ diag "rows and layers differ"; problem=1; }
	[ "$(rows 'select count(*) from storage_layers where dead = 1')" = 0 ] || { diag "dead layers are left"; problem=1; }
	diff <(running) <(entries "$SYSCT_DIR/run/instances") || { diag "monitors' directories differ"; problem=1; }
	for directory in /sys/fs/cgroup/"$base" /sys/fs/cgroup/*/"$base"; do
		[ ! -d "$directory" ] || diff <(running) <(entries "$directory") ||
			{ diag "control groups in $directory differ"; problem=1; }
	done
	diff <(rows 'select id from instances' | sort) <(rows 'select instance_id from id_ranges where instance_id is not null' | sort) ||
		{ diag "id ranges and instances differ"; problem=1; }
	diff <(rows 'select name from networks' | sort) <(entries "$SYSCT_DIR/networks") ||
		{ diag "networks and their files differ"; problem=1; }
	diff <(rows 'select name from networks' | sort) <(find /sys/class/net/*/bridge -maxdepth 0 | cut -d/ -f5 | sort) ||
		{ diag "networks and bridges differ"; problem=1; }
	diff <(rows 'select name from networks' | sort) <(pgrep -af "^dnsmasq --conf-file=$SYSCT_DIR" | sed 's,.*/networks/\([^/]*\)/pid.*,\1,' | sort) ||
		{ diag "networks and dnsmasq differ"; problem=1; }
	diff <(echo 198.18.8.0/24) <(ip route show proto 115 | cut -d' ' -f1) || { diag "routes are not the witness's"; problem=1; }
	diff <(rows "select uuid from instances where name = 'witness'") <(find "$SYSCT_DIR/nics" -type f -printf '%f\n') ||
		{ diag "notes of NICs are not the witness's"; problem=1; }
	diff <(rows 'select listen_address from networks_forwards' | sort) <(forwarded | sort -u) ||
		{ diag "forwards and rules differ"; problem=1; }
	is_served "$(rows 'select entries from network_zones_records')" ||
		{ diag "records and the configuration of dnsmasq differ"; problem=1; }
	diff <(rows 'select file from instances_backups' | sort) <(ls -A "$SYSCT_DIR/backups" 2>/dev/null) ||
		{ diag "backups and their files differ"; problem=1; }
	! grep -F "$SYSCT_DIR/run/instances" /proc/self/mountinfo || { diag "mounts were left"; problem=1; }
	return $problem
}

forwarded() { # addresses in the maps of nftables
	nft list table inet "$(cat "$SYSCT_DIR/cgroup")" | grep -oE '192\.0\.2\.[0-9]+' || true
}

is_served() { # ENTRIES: as many as dnsmasq was told
	[ "$(grep -o '"type"' <<<"$1" | wc -l)" = "$(grep -c '^dns-rr=.*,16,' "$SYSCT_DIR/networks/sysctbr0/dnsmasq.conf")" ]
}

settles() { wait_until 20 agrees || agrees; }

witness_lives() {
	[ "$(instance_init_pid witness)" = "$witness_pid" ] && [ "$(sysct exec witness -- cat /root/mark)" = "$mark" ]
}

# The command that passes the point, and what must be there before it.
command_for() { # POINT
	case $1 in
	create.* | start.* | monitor.detached | monitor.c* | monitor.nics | monitor.rootfs | monitor.go | monitor.started)
		echo "launch busybox victim" ;;
	stop.signalled) echo "stop victim" ;;
	stop.* | ended.* | monitor.ended | monitor.taken-down) echo "stop -f victim" ;;
	delete.*) echo "delete -f victim" ;;
	rename.*) echo "rename victim renamed" ;;
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
	copy.*) echo "copy victim renamed" ;;
	backup.deleted) echo "query -X DELETE --wait /1.0/instances/victim/backups/kept" ;;
	backup.*) echo "query -X POST --wait /1.0/instances/victim/backups -d {}" ;;
	import.*) echo "import $TMPDIR/victim.tar renamed" ;;
	snapshot.deleted | layers.discarded) echo "snapshot delete victim kept" ;;
	snapshot.*) echo "snapshot create victim shot" ;;
	restore.*) echo "restore victim kept" ;;
	merge.*) echo "snapshot delete victim below" ;;
	monitor.proxies | proxies.changed)
		echo "config device add victim p proxy listen=unix:@$SYSCT_DIR/victim connect=tcp:127.0.0.1:1"
		;;
	volume.deleted) echo "storage volume delete default victim" ;;
	volume.*) echo "storage volume create default victim" ;;
	monitor.disks | disks.changed) echo "config device add victim d disk source=$SYSCT_TEST_IMAGES path=/srv/d" ;;
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
	rename*) sysct init busybox victim ;;
	'storage volume delete'*) sysct storage volume create default victim ;;
	'storage volume create'*) return 0 ;;
	*below) # whose layer is merged with that of the other snapshot
		sysct launch busybox victim
		sysct exec victim -- sh -c 'mkdir /root/dir; echo below >/root/dir/file; echo then >/root/state'
		sysct stop -f victim
		sysct snapshot create victim below
		sysct start victim
		sysct exec victim -- mv /root/dir /root/moved
		sysct stop -f victim
		sysct snapshot create victim kept
		sysct start victim
		sysct exec victim -- sh -c 'echo now >/root/state'
		sysct stop -f victim
		;;
	snapshot* | restore* | copy*)
		sysct launch busybox victim
		sysct exec victim -- sh -c 'echo then >/root/state'
		sysct snapshot create victim kept
		sysct exec victim -- sh -c 'echo now >/root/state'
		;;
	query*backups*)
		sysct launch busybox victim
		sysct query -X POST --wait /1.0/instances/victim/backups -d '{"name": "kept"}' >/dev/null
		;;
	import*)
		sysct launch busybox victim
		sysct exec victim -- sh -c 'echo now >/root/state'
		[ -e "$TMPDIR/victim.tar" ] || sysct export victim "$TMPDIR/victim.tar" --compression none
		;;
	*) sysct launch busybox victim ;;
	esac
}

daemon_gone() { ! kill -0 "$daemon_pid" 2>/dev/null; }

is_in() { [ "$(sysct exec "$1" -- cat /root/state)" = "$2" ]; } # INSTANCE TEXT

has_snapshot() { sysct snapshot show victim "$1" >/dev/null 2>&1; }

# It has what it had, or after a restore what that was for, and every snapshot that there is can be brought back.
keeps_all() { # POINT
	sysct start victim 2>/dev/null || true
	if [ "$1" = restore.committed ]; then is_in victim 'then'; else is_in victim now; fi || return 1
	if has_snapshot shot; then sysct restore victim shot && is_in victim now || return 1; fi
	if has_snapshot kept; then sysct restore victim kept && is_in victim 'then'; fi
}

# The victim's two layers and the witness's; what was not merged yet is by the next daemon.
is_merged() { [ "$(rows 'select count(*) from storage_layers')" = 3 ]; }

has_moved() { sysct start victim && [ "$(sysct exec victim -- cat /root/moved/file)" = below ]; }

copy_is_whole() {
	! sysct config get renamed user.x >/dev/null 2>&1 || { sysct start renamed && is_in renamed now; }
}

pass() { # POINT
	local point=$1 words
	read -ra words <<<"$(command_for "$point")"
	# A monitor keeps the environment that it was born with.
	case $point in monitor.*) ;; *) prepare "$point" ;; esac
	daemon_stop
	SYSCT_FAULT=$point daemon_start
	case $point in monitor.*) prepare "$point" ;; esac
	fails -n "$point: the command that was cut off fails or the daemon is gone" cut_off "$point" "${words[@]}"
	case $point in
	monitor.*)
		ok -n "$point: sysctd cleans up after the monitor at once" settles
		daemon_stop KILL
		;;
	*)
		ok -n "$point: sysctd was killed there" wait_until 20 daemon_gone
		wait "$daemon_pid" || true
		;;
	esac
	daemon_start
	ok -n "$point: everything agrees after the restart" settles
	ok -n "$point: the instance beside was not disturbed" witness_lives
	case $point in copy.* | import.*) ok -n "$point: the copy is whole, or there is none" copy_is_whole ;; esac
	case $point in
	merge.*)
		ok -n "$point: the layers are merged" wait_until 20 is_merged
		ok -n "$point: and mean what they did" has_moved
		;;
	esac
	case $point in snapshot.* | restore.* | layers.* | merge.* | copy.*) ok -n "$point: nothing is lost" keeps_all "$point" ;; esac
	sysct delete -f victim >/dev/null 2>&1 || true
	sysct delete -f renamed >/dev/null 2>&1 || true
	sysct network delete victim0 >/dev/null 2>&1 || true
	sysct network forward delete sysctbr0 192.0.2.9 >/dev/null 2>&1 || true
	sysct network unset sysctbr0 dns.zone.forward
	sysct network zone delete victim.test >/dev/null 2>&1 || true
	sysct network acl delete victim-acl >/dev/null 2>&1 || true
	sysct storage volume delete default victim >/dev/null 2>&1 || true
	ok -n "$point: the name can be used again" sysct launch busybox victim
	ok -n "$point: and deleted" sysct delete -f victim
}

# Fails when the command failed, or succeeded but the daemon or monitor died behind it.
cut_off() { # POINT COMMAND...
	sysct "${@:2}" && case $1 in
	start.running | stop.* | ended.* | merge.* | monitor.ended | monitor.taken-down) false ;;
	esac
}

daemon_start
sysct launch busybox witness -d eth0,type=nic,network=sysctbr0,ipv4.routes=198.18.8.0/24
witness_pid=$(instance_init_pid witness)
mark=$RANDOM$RANDOM
target=$(sysct network get sysctbr0 ipv4.address)
target=${target%.*}.9
sysct exec witness -- sh -c "echo $mark >/root/mark"

points=$(grep -rhoE 'fault_point\("[^"]+"\)' "$top/sysctd" | sed 's/.*("//; s/")//' | sort -u)
ok -n "there are fault points for each part" test "$(wc -l <<<"$points")" -ge 20
# POINTS: a pattern, to try some by hand.
for point in $(grep -E "${POINTS:-.}" <<<"$points"); do
	[ -n "$(command_for "$point")" ] || { ok -n "$point: the test knows how to reach it" false; continue; }
	pass "$point"
done
daemon_end
done_testing
