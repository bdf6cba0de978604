#!/bin/bash
# Pools after a restart of the daemon, after a boot of the host, and while what they are on is not there: nothing is lost, the
# rest goes on, and when it is back all works without a restart.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

inside() { sysct exec "$1" -- sh -c "$2"; }
rows() { sqlite3 "$SYSCT_DIR/sysct.db" "$1"; }
status() { sysct storage list -f csv | sed -n "s/^$1,[^,]*,\([^,]*\),.*/\1/p"; }
state() { sysct list "$1" -f csv -c s; }
pools=$SYSCT_DIR/storage-pools
all="overlaid plain file subvolumes given disk"

mkdir "$TMPDIR"/{overlay,dir,btrfs}
truncate -s 300M "$TMPDIR/btrfs.img" "$TMPDIR/given.img" "$TMPDIR/disk.img"
mkfs.btrfs -q "$TMPDIR/btrfs.img"
mount -o loop "$TMPDIR/btrfs.img" "$TMPDIR/btrfs"
mkdir "$TMPDIR/btrfs/pool"
# shellcheck disable=SC2086 # a list
stop_all() { sysct stop -f $all witness >/dev/null 2>&1 || true; }
attach() { # as a boot may, with another number
	ln -sfn "$(losetup -f --show "$TMPDIR/disk.img")" "$TMPDIR/disk"
}
detach() { losetup -d "$(readlink "$TMPDIR/disk")" && rm "$TMPDIR/disk"; }
attach

daemon_start
sysct storage create overlaid overlay source="$TMPDIR/overlay"
sysct storage create plain dir source="$TMPDIR/dir"
sysct storage create file btrfs size=300MiB
sysct storage create subvolumes btrfs source="$TMPDIR/btrfs/pool"
sysct storage create given btrfs source="$TMPDIR/given.img"
sysct storage create disk btrfs source="$TMPDIR/disk"
sysct launch busybox witness
for pool in $all; do
	sysct launch busybox "$pool" -s "$pool"
	inside "$pool" 'echo then >/root/file'
	sysct snapshot create "$pool" early
	inside "$pool" 'echo now >/root/file'
done

# Whatever happened: it starts, has its files and its snapshots, and new ones can be made.
works() { # POOL
	sysct start "$1" 2>/dev/null || [ "$(state "$1")" = RUNNING ] || { sysct start "$1"; return 1; }
	[ "$(inside "$1" 'cat /root/file')" = now ] || return
	sysct copy "$1/early" copy && sysct start copy && [ "$(inside copy 'cat /root/file')" = 'then' ] || return
	sysct delete -f copy && sysct snapshot create "$1" --reuse late
}

# --- a restart, with instances that run ---

pids() { for name in $all; do instance_init_pid "$name"; done; }
running=$(pids)
for signal in TERM KILL; do
	daemon_stop "$signal"
	daemon_start
	is "$(pids)" "$running" "after $signal instances run on"
	for pool in $all; do ok -n "after $signal: $pool is of use" sysct snapshot create "$pool" --reuse late; done
done

# --- a boot ---

mounts() { grep -c " $pools/" /proc/self/mountinfo || true; }
halt() { # nothing runs, nothing is mounted, no device is left
		stop_all
	daemon_stop
	is "$(mounts)" 0 "a daemon that ends when nothing runs leaves no mount"
	is "$(losetup -j "$SYSCT_DIR/disks/file.img")$(losetup -j "$TMPDIR/given.img")" "" "and no loop device"
	umount "$TMPDIR/btrfs"
	detach
}
boot() {
	local other
	truncate -s 1M "$TMPDIR/other.img"
	other=$(losetup -f --show "$TMPDIR/other.img")
	attach
	losetup -d "$other"
	mount -o loop "$TMPDIR/btrfs.img" "$TMPDIR/btrfs"
}
halt
boot
daemon_start
for pool in $all; do
	is "$(status "$pool")" Created "after a boot: $pool is there"
	ok -n "and works" works "$pool"
done

# A crash: the daemon ends first, and nobody unmounts but the kernel.
daemon_stop KILL
daemon_start
stop_all
daemon_stop KILL
for pool in $all; do umount "$pools/$pool"; done
daemon_start
for pool in $all; do ok -n "after a crash: $pool works" works "$pool"; done
stop_all
for pool in $all; do umount "$pools/$pool"; done
for pool in $all; do ok -n "unmounted by hand below the daemon: $pool works again" works "$pool"; done

# --- not there ---

gone() { # POOL WHY: what must hold while it is away
	local layers
	is "$(status "$1")" Unavailable "$1: list says so"
	complains "storage pool \"$1\" is not available: .*$2" sysct start "$1"
	is "$(sysct start "$1" 2>&1 | wc -l)" 1 "$1: in one line"
	complains "storage pool \"$1\" is not available: .*$2" sysct launch busybox new -s "$1"
	complains "storage pool \"$1\" is not available: .*$2" sysct snapshot create "$1" new
	complains "storage pool \"$1\" is not available: .*$2" sysct restore "$1" early
	complains "storage pool \"$1\" is not available: .*$2" sysct copy "$1" new
	complains "storage pool \"$1\" is not available: .*$2" sysct copy "$1/early" new
	complains "storage pool \"$1\" is not available: .*$2" sysct storage info "$1"
	complains "storage pool \"$1\" is not available: .*$2" sysct storage set "$1" user.x=y
	complains "in use by" sysct storage delete "$1"
	ok sysct storage show "$1"
	is "$(state "$1")" STOPPED "$1: its instance is listed"
	ok sysct snapshot delete "$1" lost
	layers=$(rows "select count(*) from storage_layers where pool_id = (select id from storage_pools where name = '$1') and dead")
	is "$layers" 1 "$1: a deleted snapshot's files are remembered"
	ok -n "$1: nothing is written where it was mounted" test -z "$(find "$pools/$1" -mindepth 1)"
}
returned() { # POOL
	ok -n "$1: when it is back, all works" works "$1"
	ok -n "$1: and there can be new instances" sysct launch busybox new -s "$1"
	ok sysct delete -f new
	is "$(status "$1")" Created "$1: list says so"
	ok -n "$1: what was deleted meanwhile is gone" wait_until 20 swept "$1"
}
swept() {
	[ "$(rows "select directory from storage_layers where pool_id = (select id from storage_pools where name = '$1')" | sort)" = "$(cd "$pools/$1" && find instances layers -mindepth 1 -maxdepth 1 | sort)" ]
}
for pool in $all; do
	sysct stop -f "$pool" 2>/dev/null || true
	[ "$pool" = overlaid ] && sysct start overlaid # of a stopped one its layer goes on below another
	sysct snapshot create "$pool" lost
done
sysct start witness
inside witness 'echo mine >/root/file'
stop_all
halt
mkdir "$TMPDIR/away"
mv "$TMPDIR"/{overlay,dir,btrfs,given.img,disk.img} "$TMPDIR/away"
mv "$SYSCT_DIR/disks/file.img" "$TMPDIR/away"
daemon_start
ok -n "the daemon starts without them" daemon_answers
like "$(grep -c 'level=error.*storage pool.*is not available' "$daemon_log")" '^6$' "and says in its log which"
is "$(status default)" Created "another pool is there"
ok sysct start witness
is "$(inside witness 'cat /root/file')" mine "and works"
for pool in $all; do gone "$pool" 'No such file'; done
mkdir "$TMPDIR/away/dir"/{layers,instances,images}/.new-11111111-2222-3333-4444-555555555555 "$TMPDIR/away/dir/layers/.del-half"
mv "$TMPDIR/away"/{overlay,dir,btrfs,given.img,disk.img} "$TMPDIR"
mv "$TMPDIR/away/file.img" "$SYSCT_DIR/disks"
boot
for pool in $all; do returned "$pool"; done
nothing_half() { [ -z "$(find "$TMPDIR/dir" -mindepth 2 -maxdepth 2 -name '.*')" ]; }
ok -n "what was half made or half removed in one that is back goes" wait_until 10 nothing_half

# --- another one in its place ---

sysct storage create twin dir source="$(mktemp -d "$TMPDIR/twin.XXX")"
twin=$(sysct storage get twin source)
for pool in $all; do
	sysct stop -f "$pool" 2>/dev/null || true
	[ "$pool" = overlaid ] && sysct start overlaid
	sysct snapshot create "$pool" lost
done
stop_all
daemon_stop
umount "$TMPDIR/btrfs"
mkdir "$TMPDIR/btrfs/pool"
mv "$TMPDIR"/{overlay,dir} "$TMPDIR/away"
mkdir "$TMPDIR/overlay"
mv "$twin" "$TMPDIR/dir"
mv "$TMPDIR/given.img" "$TMPDIR/away"
truncate -s 300M "$TMPDIR/given.img"
mkfs.btrfs -q "$TMPDIR/given.img"
daemon_start
gone overlaid 'is not this pool'
gone subvolumes 'is not this pool'
gone given 'is not this pool'
gone plain 'is not this pool'
is "$(mounts)" 2 "what is not the pool is not mounted"
ok -n "nothing is written to another's disk" test -z "$(ls -A "$TMPDIR/overlay")$(ls -A "$TMPDIR/btrfs/pool")"
is "$(jq -r .name "$TMPDIR/dir/pool.json")" twin "nor to another pool"
mv "$TMPDIR/dir" "$twin"
rmdir "$TMPDIR/overlay" "$TMPDIR/btrfs/pool"
mv "$TMPDIR/away"/{overlay,dir,given.img} "$TMPDIR"
mount "$TMPDIR/btrfs.img" "$TMPDIR/btrfs"
for pool in overlaid subvolumes given plain twin; do
	[ "$pool" = twin ] || returned "$pool"
done
ok sysct storage info twin

# --- deleting one that is away ---

away() { # its directory, while nothing of it is mounted
	stop_all
	daemon_stop
	umount "$pools/plain" 2>/dev/null || true
	mv "$TMPDIR/dir" "$TMPDIR/away"
	daemon_start
}
away
ok -n "an instance on a pool that is away can be deleted" sysct delete plain
mv "$TMPDIR/away/dir" "$TMPDIR"
ok -n "when it is back the pool can be deleted" sysct storage delete plain
ok -n "which leaves the directory empty" test -z "$(ls -A "$TMPDIR/dir")"
sysct storage create plain dir source="$TMPDIR/dir"
sysct launch busybox plain -s plain
away
sysct delete plain
ok -n "one that never comes back can be deleted, too" sysct storage delete plain
mv "$TMPDIR/away/dir" "$TMPDIR"
ok -n "what is on its disk stays" test -e "$TMPDIR/dir/pool.json"
complains 'is not empty' sysct storage create plain dir source="$TMPDIR/dir"

# --- read-only ---

sysct stop -f overlaid 2>/dev/null || true
daemon_stop
umount "$pools/overlaid" 2>/dev/null || true
mount --bind "$TMPDIR/overlay" "$TMPDIR/overlay"
mount -o remount,bind,ro "$TMPDIR/overlay"
daemon_start
complains 'Read-only file system' sysct launch busybox new -s overlaid
complains 'Read-only file system' sysct snapshot create overlaid new
is "$(sysct launch busybox new -s overlaid 2>&1 | wc -l)" 1 "a pool that became read-only: one line says so"
fails -n "and nothing of it stays" sysct config show new
daemon_stop
umount "$pools/overlaid" 2>/dev/null || true
umount "$TMPDIR/overlay"
daemon_start
ok -n "when it can be written again all works" works overlaid

# shellcheck disable=SC2046
sysct delete -f $(sysct list -f csv -c n)
ok sysct storage delete overlaid file subvolumes given disk twin
daemon_end
umount "$TMPDIR/btrfs"
detach
done_testing
