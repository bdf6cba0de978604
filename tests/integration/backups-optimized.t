#!/bin/bash
# Backups in the format of btrfs (--optimized-storage) of instances and volumes: what goes into one comes back, snapshots share
# what they shared, and what cannot be read is refused.
set -euo pipefail
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/daemon.sh"
. "$(dirname "$0")/../lib/backup_data.sh"
cd "$TMPDIR"
command -v btrfs >/dev/null || skip_all "btrfs-progs are not installed"

names_in() { tar -tf "$1" | paste -sd ' '; }
megabytes() { sync && df --output=used -BM "$1" | tr -dc 0-9; }
no_subvolumes() { ! btrfs subvolume list -o "$SYSCT_DIR/storage-pools/fast" | grep -q '\.new-'; }

daemon_start
sysct storage create fast btrfs size=400MiB
sysct storage create other btrfs size=300MiB
sysct launch busybox plain --config user.note=kept
fill_data plain # the host cannot write into one whose ids are mapped
sysct copy plain box -s fast
sysct start box
sysct exec box -- sh -c 'head -c 20000000 /dev/urandom >/data/noise; mkdir /rootfs /data/rootfs; echo x >/rootfs/x'
then=$(data_of box)
sysct snapshot create box first
sysct exec box -- sh -c 'echo more >>/data/plain; rm -r /data/a; mkdir /data/a; echo new >/data/a/new; rm /data/fifo; mv /data/deep /data/moved; ln /data/owned /data/other; chmod 600 /data/.wh.name; dd if=/dev/urandom of=/data/noise bs=4096 seek=100 count=2 conv=notrunc 2>/dev/null; truncate -s 5 /data/sparse; ln -sf b /data/to-directory; cp /data/noise /data/copied'
sysct snapshot create box second
sysct exec box -- sh -c 'rm /data/copied; mv /data/moved/d* /data/up; chown 5:6 /data/plain'
now=$(data_of box)
layers=$(layer_count)

# --- there
ok sysct export box box.tar --optimized-storage --compression none
is "$(names_in box.tar)" "backup/index.yaml backup/optimized_header.yaml backup/snapshots/first.bin backup/snapshots/second.bin backup/container.bin" "a stream for each tree"
is "$(tar -xOf box.tar backup/index.yaml | grep '^optimized')" $'optimized: true\noptimized_header: true' "the index says so"
ok -n "nothing is left of making it" wait_until 20 nothing_left
ok -n "no subvolume either" wait_until 20 no_subvolumes
same_layers() { [ "$(layer_count)" = "$layers" ]; }
ok -n "and no layer" wait_until 20 same_layers
size() { tar -tvf box.tar "$1" | awk '{ print $3 }'; }
ok -n "the second has what differs only" test "$(size backup/snapshots/second.bin)" -lt $(($(size backup/snapshots/first.bin) / 2 + 22000000))
ok -n "and so has the instance" test "$(size backup/container.bin)" -lt 1000000
complains "driver is overlay: it has no optimized format" sysct export plain x.tar --optimized-storage

# --- and back
before=$(megabytes "$SYSCT_DIR/storage-pools/other")
ok sysct import box.tar two -s other
ok -n "nothing is left of it" wait_until 20 nothing_left
takes_less() { [ $(($(megabytes "$SYSCT_DIR/storage-pools/other") - before)) -lt 60 ]; }
ok -n "snapshots share" wait_until 60 takes_less
ok sysct start two
is "$(data_of two)" "$now" "files, links, holes, owners, attributes and lists are the same"
is "$(sysct exec two -- cat /rootfs/x)" x "a directory of the name of its root, too"
is "$(sysct exec two -- stat -c '%a %u %g' /)" "$(sysct exec box -- stat -c '%a %u %g' /)" "and the root directory"
is "$(sysct config get two user.note)" kept "the configuration"
ok sysct restore two first
is "$(data_of two)" "$then" "and the snapshot's files"
ok sysct export two two.tar.zst --optimized-storage
ok sysct delete --force two
ok -n "what was received is sent" sysct import two.tar.zst two -s fast
ok sysct start two
is "$(data_of two)" "$then" "and is the same"
ok sysct delete --force two
ok sysct export box only.tar --optimized-storage --compression none --instance-only
is "$(names_in only.tar)" "backup/index.yaml backup/optimized_header.yaml backup/container.bin" "--instance-only"
ok sysct import only.tar two -s fast
ok sysct start two
is "$(data_of two)" "$now" "is whole"
ok sysct delete --force two
complains 'format of the storage driver "btrfs".*pool default is of the driver overlay.*or name another pool' sysct import box.tar two -s default

# --- a stopped one, and one with a subvolume of its own
ok sysct stop --force box
ok sysct export box stopped.tar --optimized-storage --compression none
ok sysct import stopped.tar two -s fast
ok sysct start two
is "$(data_of two)" "$now" "a stopped one"
ok sysct delete --force two
tree=$(find "$SYSCT_DIR"/storage-pools/fast/instances -mindepth 1 -maxdepth 1)/rootfs
btrfs subvolume create "$tree/data/inside" >/dev/null
complains 'has a subvolume of its own, /data/inside: export it without' sysct export box inner.tar --optimized-storage
ok -n "nothing is left of trying" wait_until 20 nothing_left
btrfs subvolume delete "$tree/data/inside" >/dev/null

# --- volumes
sysct storage volume create fast data user.note=kept
fill_tree "$(volume_tree fast data)" 0
mkdir "$(volume_tree fast data)/rootfs"
in_volume() { "$top/tests/lib/manifest" "$(volume_tree "$1" "$2")" 0; }
then=$(in_volume fast data)
sysct storage volume snapshot fast data first
rm -r "$(volume_tree fast data)/a"
now=$(in_volume fast data)
ok sysct storage volume export fast data data.tar --optimized-storage --compression none
is "$(names_in data.tar)" "backup/index.yaml backup/optimized_header.yaml backup/volume-snapshots/first.bin backup/volume.bin" "of a volume"
ok sysct storage volume import other data.tar
is "$(in_volume other data)" "$now" "it comes back"
ok sysct storage volume restore other data first
is "$(in_volume other data)" "$then" "with its snapshot"
complains 'pool default is of the driver overlay' sysct storage volume import default data.tar
kept() { sysct query -X POST --wait /1.0/storage-pools/fast/volumes/custom/data/backups -d '{"optimized_storage": true}'; }
ok kept
is "$(sysct query /1.0/storage-pools/fast/volumes/custom/data/backups/backup0 | jq .optimized_storage)" true "one that is kept"
ok sysct query -X DELETE --wait /1.0/storage-pools/fast/volumes/custom/data/backups/backup0

# --- what is refused
spoil() { # CODE: the archive without compression with a change by Python, in what is "members": {name: bytes}
	python3 - "$1" <<-'END'
		import io, sys, tarfile
		members = {}
		with tarfile.open("box.tar") as archive:
		    for member in archive:
		        members[member.name] = archive.extractfile(member).read()
		exec(sys.argv[1])
		with tarfile.open("spoilt.tar", "w") as archive:
		    for name, data in members.items():
		        entry = tarfile.TarInfo(name)
		        entry.size = len(data)
		        archive.addfile(entry, io.BytesIO(data))
	END
}
refused() { # PATTERN CODE
	spoil "$2"
	complains "$1" sysct import spoilt.tar spoilt -s fast
	ok -n "nothing is left of it" wait_until 20 nothing_left
}
refused 'stream of a subvolume was cut off' 'members["backup/container.bin"] = members["backup/container.bin"][:-30]'
refused 'stream of a subvolume is damaged' 'd = bytearray(members["backup/container.bin"]); d[60] ^= 1; members["backup/container.bin"] = bytes(d)'
refused 'no stream of a btrfs subvolume' 'members["backup/container.bin"] = b"x" * 1000'
refused 'of version 7' 'd = bytearray(members["backup/container.bin"]); d[13] = 7; members["backup/container.bin"] = bytes(d)'
refused 'needs another one, which is not before it' 'del members["backup/snapshots/second.bin"]'
refused 'not whole: it has no backup/container' 'del members["backup/container.bin"]'
refused 'does not know snapshots/third.bin' 'members["backup/snapshots/third.bin"] = b""'
refused 'has a subvolume of its own, /rootfs/x' 'members["backup/optimized_header.yaml"] = b"subvolumes: [{path: /rootfs/x, snapshot: first}]"'
refused 'format of the storage driver "zfs"' 'members["backup/index.yaml"] = members["backup/index.yaml"].replace(b"backend: btrfs", b"backend: zfs")'
daemon_end
done_testing
