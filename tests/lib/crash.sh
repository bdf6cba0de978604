# shellcheck shell=bash disable=SC2154 # variables of tap.sh and daemon.sh
# Sourced by crash*.t, after tap.sh and daemon.sh: kill -9 of sysctd and of a monitor at every step of what they do. Afterwards
# the database, the disk, mounts, control groups and ids agree, and an instance that runs beside was never disturbed. The steps
# are the fault points in the source (lib/fault.h), so a new one is tried as soon as it is written: each belongs to one program,
# which has the functions command_for, prepare, look and clean.

# owner POINT: the program that tries it.
owner() {
	case $1 in
	network.* | forward.* | zone.* | record.* | acl.*) echo crash-network ;;
	create.* | snapshot.* | restore.* | copy.* | move.* | layers.* | merge.* | delete.* | pool.* | volume.* | backup.* | import.*) echo crash-storage ;;
	recover.*) echo recover ;;
	lvm.*) echo nobody ;; # needs a device mapper: tests/vm
	*) echo crash ;;
	esac
}

rows() { sqlite3 -readonly -separator ' ' "$SYSCT_DIR/sysct.db" "$1"; }

running() { sysct list -f csv -c ns | sed -n 's/,RUNNING$//p' | sort; }

entries() { # DIRECTORY: names below it, hidden ones too
	find "$1" -mindepth 1 -maxdepth 1 -type d ! -name .monitors -printf '%f\n' | sort
}

nothing_to_reclaim() { [ -z "$(find "$SYSCT_DIR/storage-pools" -maxdepth 3 -name '.del-*')" ]; }


# What pools have and what the database says of it.
storage_agrees() {
	local problem=0 pool
	for pool in $(rows 'select name from storage_pools'); do
		diff <(rows "select directory from storage_layers l join storage_pools p on p.id = l.pool_id where p.name = '$pool'" | sort) \
			<(cd "$SYSCT_DIR/storage-pools/$pool" && find instances layers -mindepth 1 -maxdepth 1 | sort) ||
			{ diag "rows and layers of pool $pool differ"; problem=1; }
		[ -z "$(find "$SYSCT_DIR/storage-pools/$pool/images" -mindepth 1 -maxdepth 1 -name '.*')" ] ||
			{ diag "half of an image is in pool $pool"; problem=1; }
	done
	diff <(rows 'select name from storage_pools' | sort) <(find "$SYSCT_DIR/storage-pools" -mindepth 1 -maxdepth 1 ! -name .view -printf '%f\n' | sort) ||
		{ diag "pools and their directories or notes differ"; problem=1; }
	diff <(sourced '' | cut -d' ' -f1) <(grep -oE " $SYSCT_DIR/storage-pools/[^/ ]+ " /proc/self/mountinfo | sed 's,.*/,,; s/ $//' | sort) ||
		{ diag "pools and mounts differ"; problem=1; }
	diff <(sourced "$SYSCT_DIR/disks/" | cut -d' ' -f2) <(find "$SYSCT_DIR/disks" -type f 2>/dev/null | sort) ||
		{ diag "pools and their files differ"; problem=1; }
	diff <(sourced "$SYSCT_DIR/disks/" | cut -d' ' -f2) <(losetup -n -O BACK-FILE | grep -F "$SYSCT_DIR/" | sed 's/ *$//' | sort) ||
		{ diag "pools and loop devices differ"; problem=1; }
	diff <(rows 'select file from instances_backups union select file from storage_volumes_backups' | sort) \
		<(find "$SYSCT_DIR/backups" -type f -printf '%f\n' 2>/dev/null | sort) || { diag "backups and their files differ"; problem=1; }
	return $problem
}

sourced() { # PREFIX: pools whose source begins so, with it
	rows "select p.name, c.value from storage_pools p join storage_pools_config c on c.pool_id = p.id where c.key = 'source' and c.value like '$1%'" | sort
}

agrees() {
	local base problem=0 directory
	base=$(cat "$SYSCT_DIR/cgroup")
	wait_until 20 nothing_to_reclaim || { diag "volumes are not reclaimed"; problem=1; }
	storage_agrees || problem=1
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

daemon_gone() { ! kill -0 "$daemon_pid" 2>/dev/null; }

# Fails when the command failed, or succeeded but the daemon or monitor died behind it.
cut_off() { # POINT COMMAND...
	sysct "${@:2}" && case $1 in
	start.running | stop.* | ended.* | merge.* | layers.discarded | monitor.ended | monitor.taken-down) false ;;
	esac
}


crash_begin() {
	daemon_start
	sysct launch busybox witness -d eth0,type=nic,network=sysctbr0,ipv4.routes=198.18.8.0/24
	witness_pid=$(instance_init_pid witness)
	mark=$RANDOM$RANDOM
	target=$(sysct network get sysctbr0 ipv4.address)
	target=${target%.*}.9
	sysct exec witness -- sh -c "echo $mark >/root/mark"
}

# The command is cut off there, and the daemon is started again.
crash_at() { # POINT TEXT
	local point=$1 text=$2 words
	read -ra words <<<"$(command_for "$point")"
	# A monitor keeps the environment that it was born with.
	case $point in monitor.*) ;; *) prepare "$point" ;; esac
	daemon_stop
	SYSCT_FAULT=$point daemon_start
	case $point in monitor.*) prepare "$point" ;; esac
	fails -n "$text: the command that was cut off fails or the daemon is gone" cut_off "$point" "${words[@]}"
	case $point in
	monitor.*)
		ok -n "$text: sysctd cleans up after the monitor at once" settles
		daemon_stop KILL
		;;
	*)
		ok -n "$text: sysctd was killed there" wait_until 20 daemon_gone
		wait "$daemon_pid" || true
		;;
	esac
	daemon_start
	ok -n "$text: everything agrees after the restart" settles
	ok -n "$text: the instance beside was not disturbed" witness_lives
}

# pass POINT [WHERE]
pass() {
	local text=$1${2:+ ($2)}
	crash_at "$1" "$text"
	look "$1" "$text"
	clean >/dev/null 2>&1
	ok -n "$text: the name can be used again" sysct launch busybox victim ${2:+-s "$2"}
	ok -n "$text: and deleted" sysct delete -f victim
}

# points PROGRAM: those that are its own.
points() {
	local point
	grep -rhoE 'fault_point\("[^"]+"\)' "$top/sysctd" | sed 's/.*("//; s/")//' | sort -u | while read -r point; do
		if [ "$(owner "$point")" = "$1" ]; then echo "$point"; fi
	done
}

# try_all PROGRAM
try_all() {
	local point own
	own=$(points "$1" | grep -E "${POINTS:-.}") # POINTS: a pattern, to try some by hand
	ok -n "there are fault points for each part" test "$(points "$1" | wc -l)" -ge 10
	for point in $own; do
		if [ -n "$(command_for "$point")" ]; then try "$point"; else ok -n "$point: the test knows how to reach it" false; fi
	done
}
try() { pass "$1"; } # POINT: a program may have its own
