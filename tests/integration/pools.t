#!/bin/bash
# Storage pools: making, changing and removing them, what is refused, and the life of instances on every driver and kind of source.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

inside() { sysct exec "$1" -- sh -c "$2"; }
names() { sysct storage list -f csv | cut -d, -f1 | paste -sd ' '; }
state() { sysct list "$1" -f csv -c s; }
pools=$SYSCT_DIR/storage-pools
no_trace() { # POOL: nothing of it on the host
	! sysct storage show "$1" 2>/dev/null && [ ! -e "$pools/$1" ] && [ ! -e "$pools/.pool-$1" ] && [ ! -e "$SYSCT_DIR/disks/$1.img" ] &&
		! grep -F "$pools/$1 " /proc/self/mountinfo && [ -z "$(losetup -j "$SYSCT_DIR/disks/$1.img")" ]
}
empty() { [ -d "$1" ] && [ -z "$(ls -A "$1")" ]; } # DIRECTORY

mkdir -m 755 "$TMPDIR"/{overlay,dir,btrfs,other,full,above,above/inner}
ln -s "$TMPDIR/other" "$TMPDIR/link"
touch "$TMPDIR/full/file"
truncate -s 300M "$TMPDIR/btrfs.img" "$TMPDIR/file.img" "$TMPDIR/device.img"
mkfs.btrfs -q "$TMPDIR/btrfs.img"
mount -o loop "$TMPDIR/btrfs.img" "$TMPDIR/btrfs"
mkdir "$TMPDIR/btrfs/pool"
device=$(losetup -f --show "$TMPDIR/device.img")

daemon_start

# --- making, showing, changing ---

ok sysct storage create overlaid overlay source="$TMPDIR/overlay" user.note=x
ok sysct storage create plain dir source="$TMPDIR/dir"
ok sysct storage create bare dir
ok sysct storage create file btrfs size=400MiB
ok sysct storage create subvolumes btrfs source="$TMPDIR/btrfs/pool"
ok sysct storage create given btrfs source="$TMPDIR/file.img"
ln -s "$device" "$TMPDIR/by-id"
ok sysct storage create disk btrfs source="$TMPDIR/by-id" btrfs.create_options='-m single' btrfs.mount_options=compress=zstd
# What is mounted here when its monitor starts must not keep a pool that is deleted.
sysct launch busybox witness
inside witness 'echo mine >/root/mark'
is "$(names)" "bare default disk file given overlaid plain subvolumes" "list"
is "$(sysct storage list -f csv | cut -d, -f2,3 | sort | uniq -c | tr -s ' ' | paste -sd ';')" " 4 btrfs,Created; 2 dir,Created; 2 overlay,Created" "with drivers and states"
is "$(sysct storage get plain source)" "$TMPDIR/dir" "get"
is "$(sysct storage get disk source)" "$TMPDIR/by-id" "a device keeps its name, which is the same after a boot"
like "$(sysct storage show overlaid)" 'config:.*source: /.*name: overlaid.*driver: overlay.*status: Created' "show"
like "$(sysct storage info file)" 'Driver: btrfs.*Space total: 400.00MiB' "info"
ok sysct storage set plain user.note=one user.more=two
is "$(sysct storage get plain user.note) $(sysct storage get overlaid user.note)" "one x" "set"
ok sysct storage unset plain user.more
is "$(sysct storage get plain user.more)" "" "unset"
ok -n "edit" sh -c "sysct storage show plain | sed 's/^description: .*/description: edited/; s/note: one/note: three/' | sysct storage edit plain"
is "$(sysct storage list -f csv | grep ^plain)" "plain,dir,Created,0,edited" "edited"
is "$(sysct storage get plain user.note)" three "also its configuration"
like "$(grep -F "$pools/disk " /proc/self/mountinfo)" 'compress=zstd' "mount options of btrfs"
ok -n "and those that it is made with" sh -c "btrfs filesystem df '$pools/disk' | grep -q 'Metadata, single'"

# --- refused ---

create() { sysct storage create new "$@"; }
complains 'driver "zfs" is not supported: .*use overlay, btrfs, lvm or dir' create zfs
if [ ! -e /dev/mapper/control ]; then # else tests/vm has what it does
	complains 'this kernel has no device mapper.*needs it, and dm-thin-pool' create lvm
	complains 'no device mapper' create lvm source="$device"
	complains 'no device mapper' create lvm source=group
	ok -n "of which nothing is left" no_trace new
fi
complains 'lvm.use_thinpool.*every volume is a thin one' create lvm lvm.use_thinpool=false
complains 'block.filesystem.*"btrfs" is not supported.*use ext4 or xfs' create lvm volume.block.filesystem=btrfs
complains 'neither ext4 nor xfs' create lvm volume.block.filesystem=vfat
complains 'lvm.stripes.*is not supported: of LVM the volume group' create lvm lvm.stripes=2
complains 'is for the driver btrfs, and this one is lvm' create lvm btrfs.mount_options=x
complains 'is for the driver lvm, and this one is dir' create dir lvm.vg_name=group
complains 'driver "ceph" is not supported' create ceph
complains 'no storage driver "tape"' create tape
for name in '' . .. .hidden -x a/b 'a b' 'a,b' ü "$(printf 'x%.0s' {1..64})"; do
	body=$(jq -n --arg name "$name" '{name: $name, driver: "dir"}')
	complains 'is no name for a storage pool' sysct query -X POST -d "$body" /1.0/storage-pools
done
complains 'already exists' sysct storage create plain dir
complains 'is no absolute path' create dir source=relative
complains 'No such file' create dir source="$TMPDIR/nothing"
is "$(create dir source="$TMPDIR/nothing" 2>&1 | wc -l)" 1 "that is all it says"
complains 'not empty \(it has "file"\)' create dir source="$TMPDIR/full"
complains 'is no directory' create dir source="$TMPDIR/full/file"
complains 'is no directory' create overlay source=/dev/null
complains 'neither a directory, nor a file' create btrfs source=/dev/null
complains 'is not on btrfs' create btrfs source="$TMPDIR/other"
complains 'in each other' create dir source="$TMPDIR/dir"
complains 'in each other' create overlay source="$TMPDIR/overlay/images"
complains 'in each other' create dir source="$TMPDIR"
complains 'in each other' create btrfs source="$TMPDIR/file.img"
complains 'in each other' create btrfs source="$device" source.wipe=true
complains 'in each other' create dir source="$SYSCT_DIR"
complains 'in each other' create dir source="$pools"
mkdir "$SYSCT_DIR/mine"
complains "sysct's own" create dir source="$SYSCT_DIR/mine"
rmdir "$SYSCT_DIR/mine"
ok sysct storage create above dir source="$TMPDIR/above/inner"
complains 'in each other' create dir source="$TMPDIR/above"
ok sysct storage delete above
complains 'no key "sizes"' create dir sizes=1
complains 'key "size" is not for the driver dir' create dir size=1GiB
complains 'key "source.wipe" is not for the driver overlay' create overlay source.wipe=true
complains 'is for pools in a file' create btrfs source="$TMPDIR/btrfs/pool" size=1GiB
complains 'key "size"' create btrfs size=much
complains 'source.wipe.*neither true nor false' create btrfs source.wipe=perhaps
complains 'for the driver lvm' create dir lvm.vg_name=x
complains 'for the driver zfs' create dir zfs.pool_name=x
complains 'nothing is copied by rsync' create dir rsync.bwlimit=1
complains 'mounting|making' create btrfs size=200MiB btrfs.mount_options=nonsense
complains 'making a file system' create btrfs size=1MiB
complains 'making a file system' create btrfs size=200MiB btrfs.create_options=--nonsense
mkfs.ext4 -q "$TMPDIR/extra.img" 200M
complains 'source.wipe=true' create btrfs source="$TMPDIR/extra.img"
ok -n "what was there is not touched" e2fsck -fn "$TMPDIR/extra.img"
ok create btrfs source="$TMPDIR/extra.img" source.wipe=true
is "$(sysct storage get new source.wipe)" "" "that was meant once"
ok sysct storage delete new
mount --bind "$TMPDIR/other" "$TMPDIR/other"
mount -o remount,bind,ro "$TMPDIR/other"
complains 'Read-only file system' create dir source="$TMPDIR/other"
complains 'Read-only file system' create overlay source="$TMPDIR/other"
umount "$TMPDIR/other"
ok -n "of all that was refused nothing is left" no_trace new
ok -n "a source that is refused stays" test -f "$TMPDIR/full/file" -a -d "$TMPDIR/other"
complains 'cannot be changed' sysct storage set plain source="$TMPDIR/other"
complains 'cannot be changed' sysct storage unset plain source
complains 'is not for the driver' sysct storage set plain size=1GiB
complains 'no key "sizes"' sysct storage set plain sizes=1
complains 'is for pools in a file' sysct storage set given size=1GiB
complains 'not found' sysct storage show nothing
complains 'not found' sysct storage set nothing user.x=y
complains 'not found' sysct storage delete nothing
complains 'not found' sysct launch busybox -s nothing nobody
ok create dir source="$TMPDIR/link/"
is "$(sysct storage get new source)" "$TMPDIR/other" "links are followed when it is made"
ok sysct storage delete new
ok -n "an empty directory stays when its pool goes" empty "$TMPDIR/other"

# --- instances ---

# shellcheck disable=SC2016 # for the shell inside
fill() {
	inside "$1" 'cd /root; mkdir -p kept/deep gone; echo one >file; echo same >kept/deep/file; ln file hard; ln -s file soft; mkfifo fifo
		dd if=/dev/zero of=holes bs=1 count=1 seek=1M 2>/dev/null; chmod 4755 file; chown 1:2 kept; rm -f /etc/shells; mkdir /etc/new; chmod 751 /'
}
# shellcheck disable=SC2016 # for the shell inside
picture() { # all that can be seen of it
	inside "$1" 'cd /; stat -c "%a %u %g" .; find root etc -xdev ! -name hostname ! -name hosts ! -name resolv.conf | sort | while read -r path; do
			[ -d "$path" ] && format="%n %F %a %u %g" || format="%n %F %a %u %g %s %h"
			stat -c "$format" "$path"; [ ! -f "$path" ] || md5sum "$path"; [ ! -L "$path" ] || readlink "$path"; done'
}
spoil() { inside "$1" 'rm -rf /root/* /etc/new; echo other >/root/file; chmod 755 /; touch /etc/spoiled'; }
volumes() { find "$pools/$1/"{instances,layers} -mindepth 1 -maxdepth 1 | wc -l; }
unused() { [ "$(volumes "$1")" = 0 ]; }

life() { # POOL
	local pool=$1 picture
	ok sysct launch busybox box -s "$pool"
	ok sysct launch busybox second -s "$pool"
	is "$(volumes "$pool")" 2 "$pool: that is where they are"
	fill box
	picture=$(picture box)
	ok sysct snapshot create box running
	is "$(picture box)" "$picture" "$pool: a snapshot changes nothing"
	spoil box
	ok sysct copy box spoiled
	ok sysct stop -f box
	ok sysct snapshot create box stopped
	ok sysct restore box running
	ok sysct copy box of-stopped
	ok sysct start box
	is "$(picture box)" "$picture" "$pool: restored, all is as it was"
	ok sysct restore box stopped
	is "$(inside box 'cat /root/file; ls /root')" $'other\nfile' "$pool: the other way, while it runs"
	ok sysct copy box/running of-snapshot
	ok sysct start of-stopped of-snapshot spoiled
	is "$(picture of-stopped)" "$picture" "$pool: copy of a stopped one"
	is "$(picture of-snapshot)" "$picture" "$pool: copy of a snapshot"
	is "$(inside spoiled 'cat /root/file; ls /root /etc/spoiled')" $'other\n/etc/spoiled\n\n/root:\nfile' "$pool: copy of one that ran"
	inside of-snapshot 'echo own >/root/file'
	is "$(inside box 'cat /root/file') $(inside of-stopped 'cat /root/file')" "other one" "$pool: none sees what another writes"
	ok -n "$pool: nor does the second one of the image" inside second '[ ! -e /root/file ] && [ -e /etc/shells ] && [ ! -e /etc/new ]'
	ok -n "$pool: it reboots itself" reboots box
	is "$(inside box 'cat /root/file')" other "$pool: and has its files"
	complains 'in use by' sysct storage delete "$pool"
	like "$(sysct storage show "$pool")" '/1.0/instances/box' "$pool: used by"
	ok sysct snapshot delete box running
	ok sysct delete -f second spoiled of-stopped
	ok sysct restart -f box
	is "$(inside box 'cat /root/file') $(inside of-snapshot 'cat /root/file')" "other own" "$pool: what the rest needs stays"
	ok sysct delete -f box of-snapshot
	ok -n "$pool: all is gone" wait_until 20 unused "$pool"
}
for pool in overlaid plain bare file subvolumes given disk; do life "$pool"; done

# --- who may look ---

sysct launch busybox box -s plain
inside box 'cp /bin/busybox /set-uid; chmod 4755 /set-uid; mknod /root/null c 1 3 2>/dev/null || true'
ok -n "the file is there, for root" test -u "$TMPDIR/dir/instances/$(sysct config get box volatile.uuid)/rootfs/set-uid"
is "$(stat -c %a "$TMPDIR/dir")" 755 "though all may enter the source"
for directory in instances layers images; do
	fails -n "no user of the host may enter $directory" setpriv --reuid 65534 --clear-groups ls "$TMPDIR/dir/$directory"
done
fails -n "nor read what the pool is" setpriv --reuid 65534 --clear-groups cat "$TMPDIR/dir/pool.json"
fails -n "nor run set-uid files" setpriv --reuid 65534 --clear-groups "$TMPDIR/dir/instances/$(sysct config get box volatile.uuid)/rootfs/set-uid" true

# --- sizes ---

sysct launch busybox sized -s file
size_inside() { inside sized 'df -m / | tail -n 1' | tr -s ' ' | cut -d' ' -f2; }
is "$(size_inside)" 400 "df inside"
ok sysct storage set file size=500MiB
is "$(size_inside) $(stat -c %s "$SYSCT_DIR/disks/file.img")" "500 $((500 << 20))" "a larger one is seen inside at once"
complains 'cannot be made smaller' sysct storage set file size=400MiB
complains '"size"' sysct storage unset file size
is "$(size_inside) $(sysct storage get file size)" "500 500MiB" "which changes nothing"

ok create btrfs
like "$(sysct storage get new size)" '^([5-9]|[12][0-9]|30)GiB$' "without a size one is chosen"
ok sysct storage delete new

# --- deleting ---

complains 'in use by instance "box"' sysct storage delete plain
ok sysct delete -f box sized
sysct profile create user
sysct profile device add user root disk path=/ pool=plain
complains 'in use by profile "user"' sysct storage delete plain
ok sysct profile delete user
is "$(sysct storage list -f csv | grep ^plain)" "plain,dir,Created,0,edited" "nobody uses it any more"
mkdir "$TMPDIR/dir/layers/somebodys"
complains 'has layers/somebodys, which no instance' sysct storage delete plain
ok -n "it stays" test -d "$TMPDIR/dir/layers/somebodys"
rmdir "$TMPDIR/dir/layers/somebodys"
image=$(sysct image list -f json | jq -r '.[0].fingerprint')
ok -n "the pool has a copy of the image" test -d "$pools/overlaid/images/$image"
complains 'in use|where images are kept' sysct storage delete default
ok sysct storage delete overlaid plain bare file subvolumes given disk
for pool in overlaid plain bare file subvolumes given disk; do ok -n "nothing is left of $pool" no_trace "$pool"; done
for directory in overlay dir btrfs/pool; do ok -n "the directory $directory stays, empty" empty "$TMPDIR/$directory"; done
ok -n "a file that was given stays" test -f "$TMPDIR/file.img"
ok -n "and can be used again, when that is said" create btrfs source="$TMPDIR/file.img" source.wipe=true
ok sysct storage delete new
is "$(names)" default "the first one is left"
is "$(inside witness 'cat /root/mark')" mine "the instance beside was not disturbed"

# An image that is deleted goes from every pool.
ok sysct storage create file btrfs size=300MiB
ok sysct init busybox box -s file
ok sysct delete -f box witness
ok sysct image delete busybox
images_gone() { [ -z "$(find "$pools"/*/images -mindepth 1)" ]; }
ok -n "an image that is deleted goes from every pool" wait_until 20 images_gone
ok sysct storage delete file
complains 'in use by profile' sysct storage delete default
daemon_end
umount "$TMPDIR/btrfs"
losetup -d "$device"
done_testing
