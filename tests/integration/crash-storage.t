#!/bin/bash
# kill -9 of sysctd while disks of instances, volumes, backups and pools are made, copied and deleted, in pools of every driver.
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
	create.*) echo "launch busybox victim -s $pool" ;;
	delete.*) echo "delete -f victim" ;;
	copy.across) echo "copy victim renamed -s $elsewhere" ;;
	copy.refreshed) echo "copy victim renamed --refresh" ;;
	copy.*) echo "copy victim renamed" ;;
	move.*) echo "move victim -s $elsewhere" ;;
	snapshot.deleted | layers.discarded) echo "snapshot delete victim kept" ;;
	snapshot.*) echo "snapshot create victim shot" ;;
	restore.*) echo "restore victim kept" ;;
	merge.*) echo "snapshot delete victim below" ;;
	volume.deleted) echo "storage volume delete $pool victim" ;;
	volume.resized) echo "storage volume set $pool victim size=40MiB" ;;
	volume.*) echo "storage volume create $pool victim" ;;
	backup.deleted) echo "query --wait -X DELETE /1.0/instances/victim/backups/b" ;;
	backup.volume) echo "query --wait -X POST -d {\"name\":\"b\"} /1.0/storage-pools/$pool/volumes/custom/victim/backups" ;;
	backup.frozen) echo "query --wait -X POST -d {\"name\":\"b\",\"optimized_storage\":true} /1.0/instances/victim/backups" ;;
	backup.*) echo "query --wait -X POST -d {\"name\":\"b\"} /1.0/instances/victim/backups" ;;
	import.*) echo "import $TMPDIR/victim.tar.zst renamed -s $pool" ;;
	pool.leaving | pool.deleted) echo "storage delete victim" ;;
	pool.*) echo "storage create victim $(source_of "$pool")" ;;
	esac
}

source_of() { # POOL: the same kind for another one
	case $1 in
	btrfs) echo "btrfs size=200MiB" ;;
	plain) echo "dir source=$TMPDIR/victim" ;;
	*) echo "overlay source=$TMPDIR/victim" ;;
	esac
}

prepare() { # POINT: the victim as its command wants it
	case $1 in
	create.* | volume.layer | volume.committed | pool.noted | pool.made | pool.up) return 0 ;;
	volume.deleted) sysct storage volume create "$pool" victim ;;
	volume.resized) sysct storage volume create "$pool" victim size=20MiB ;;
	merge.*) # the layer of one snapshot with that of another one
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
	pool.*)
		# shellcheck disable=SC2046 # a list
		sysct storage create victim $(source_of "$pool")
		sysct init busybox victim -s victim
		sysct delete victim
		;;
	*)
		sysct launch busybox victim -s "$pool"
		sysct exec victim -- sh -c 'echo then >/root/state'
		sysct snapshot create victim kept
		sysct exec victim -- sh -c 'echo now >/root/state'
		case $1 in
		copy.refreshed) sysct copy victim renamed ;;
		move.*) sysct stop -f victim ;;
		backup.volume) sysct storage volume create "$pool" victim ;;
		backup.deleted) sysct query --wait -X POST -d '{"name":"b"}' /1.0/instances/victim/backups ;;
		import.*) sysct export -q victim "$TMPDIR/victim.tar.zst" && sysct delete -f victim ;;
		esac
		;;
	esac
}

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

source_is_free() { [ ! -d "$TMPDIR/victim" ] || [ -z "$(ls -A "$TMPDIR/victim")" ] || sysct storage show victim; }

# Quota groups of btrfs: the limit that the row says.
is_limited() {
	[ "$(sysct storage volume get "$pool" victim size)" = 20MiB ] &&
		[ "$(btrfs qgroup show -r --raw "$SYSCT_DIR/storage-pools/$pool" | grep -cw 20971520)" = 1 ]
}

look() { # POINT TEXT
	case $1 in volume.resized) ok -n "$2: the limit is the row's" is_limited ;; esac
	case $1 in copy.* | import.*) ok -n "$2: the copy is whole, or there is none" copy_is_whole ;; esac
	case $1 in
	merge.*)
		ok -n "$2: the layers are merged" wait_until 20 is_merged
		ok -n "$2: and mean what they did" has_moved
		;;
	esac
	case $1 in snapshot.* | restore.* | layers.* | merge.* | copy.* | move.* | backup.*) ok -n "$2: nothing is lost" keeps_all "$1" ;; esac
	case $1 in
	pool.*)
		ok -n "$2: a directory that was given is empty again" source_is_free
		sysct storage delete victim >/dev/null 2>&1 || true
		# shellcheck disable=SC2046 # a list
		ok -n "$2: the pool can be made" sysct storage create victim $(source_of "$pool")
		ok -n "$2: and deleted" sysct storage delete victim
		;;
	esac
}

clean() {
	sysct delete -f victim || true
	sysct delete -f renamed || true
	sysct storage volume delete "$pool" victim || true
	rm -f "$TMPDIR/victim.tar.zst"
}

# What drivers do differently is tried with each of them; the rest with one after another.
pools_for() { # POINT
	case $1 in
	snapshot.copied | snapshot.layer) echo default plain ;; # of btrfs it is done at once
	pool.*) echo btrfs plain ;;
	backup.frozen) echo btrfs ;;
	merge.*) echo default ;;
	volume.resized) echo btrfs ;;
	volume.* | backup.* | import.* | move.* | copy.across) echo "${turn[0]}" ;;
	*) echo default btrfs plain ;;
	esac
}

try() { # POINT
	turn=("${turn[@]:1}" "${turn[0]}")
	for pool in $(pools_for "$1"); do
		elsewhere=plain
		[ "$pool" != plain ] || elsewhere=btrfs
		pass "$1" "$pool"
	done
}

mkdir "$TMPDIR/plain" "$TMPDIR/victim"
pool=default elsewhere=plain turn=(default btrfs plain)
crash_begin
sysct storage create btrfs btrfs size=300MiB
sysct storage create plain dir source="$TMPDIR/plain"
try_all crash-storage
sysct storage delete btrfs plain
daemon_end
done_testing
