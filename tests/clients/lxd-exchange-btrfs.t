#!/bin/bash
# Debian's lxd with a pool of btrfs: what it exports in the format of btrfs is imported here, and what is exported here so it
# imports, of instances and volumes with their snapshots.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=../lib/tap.sh
. "$here/../lib/tap.sh"
# shellcheck source=../lib/daemon.sh
. "$here/../lib/daemon.sh"
# shellcheck source=../lib/backup_data.sh
. "$here/../lib/backup_data.sh"
# shellcheck source=../lib/lxd.sh
. "$here/../lib/lxd.sh"
command -v btrfs >/dev/null || skip_all "btrfs-progs are not installed"

cd "$TMPDIR"
lxd_begin
their_image
their lxc storage create fast btrfs size=300MiB >/dev/null
their lxc profile device set default root pool=fast
daemon_start
sysct storage create fast btrfs size=300MiB

pool=$lxd_directory/storage-pools/fast
their_data() { # NAME: what /data is in theirs
	"$top/tests/lib/manifest" "$pool/containers/$1/rootfs/data" "$(stat -c %u "$pool/containers/$1/rootfs")"
}
their_volume() { # NAME BASE
	"$top/tests/lib/manifest" "$pool/custom/default_$1" "$2"
}
our_volume() { "$top/tests/lib/manifest" "$(volume_tree fast "$1")" 0; }
of_root() { sed "/^b'\\.' /d" <<<"$1"; } # LXD gives the root directory of a volume a mode of its own

# --- from here to there
sysct launch busybox plain
fill_data plain
sysct copy plain ours -s fast --config user.note=ours
sysct start ours
then=$(data_of ours)
sysct snapshot create ours first
sysct exec ours -- sh -c 'echo more >>/data/plain; rm -r /data/a; mv /data/owned /data/other'
sysct snapshot create ours second
sysct exec ours -- sh -c 'mkdir /data/last; ln /data/plain /data/last/hard'
now=$(data_of ours)
ok sysct export ours ours.tar.gz --optimized-storage --compression gzip
ok -n "lxd imports it" their lxc import ours.tar.gz
is "$(their_data ours)" "$now" "the files are the same, holes and access control lists among them"
is "$(their lxc config get ours user.note)" ours "the configuration, too"
is "$(their lxc query '/1.0/instances/ours/snapshots?recursion=1' | jq -r '.[].name' | paste -sd ' ')" "first second" "and the snapshots"
ok -n "it starts there" their lxc start ours
is "$(their_data ours)" "$now" "whose files got the ids of lxd's containers"
is "$(their lxc exec ours -- stat -c '%u %g' /data/other)" "1000 65535" "and the same inside"
ok their lxc stop --force ours
ok -n "it goes back to a snapshot" their lxc restore ours first
is "$(their_data ours)" "$then" "which has its files"
ok their lxc delete ours

# --- from there to here
ok -n "an instance of lxd" their lxc launch busybox theirs -c user.note=theirs
their lxc exec theirs -- sh -c 'mkdir -p /data/deep/er; echo one >/data/file; ln /data/file /data/hard; chown 1000:100 /data/file; mkfifo /data/fifo; ln -s /x /data/link; head -c 3000000 /dev/urandom >/data/noise'
tree=$pool/containers/theirs/rootfs
base=$(stat -c %u "$tree")
fails -n "lxd has shifted its files" test "$base" = 0
python3 - "$tree/data" "$base" <<-'END'
	import os, struct, sys
	top, base = sys.argv[1], int(sys.argv[2])
	open(top + "/capable", "w").close()
	os.chown(top + "/capable", base, base)
	os.setxattr(top + "/capable", "security.capability", struct.pack("<IIIIII", 0x03000001, 1 << 13, 0, 0, 0, base))
	os.setxattr(top, "user.note", b"hello")
	none = 0xFFFFFFFF
	entries = (1, 7, none), (2, 5, base + 1234), (4, 5, none), (16, 7, none), (32, 0, none)
	os.setxattr(top + "/deep", "system.posix_acl_access", struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries))
END
then=$(their_data theirs)
ok their lxc snapshot theirs early
their lxc exec theirs -- sh -c 'echo two >/data/file; rm /data/fifo; mv /data/deep /data/moved; cp /data/noise /data/copied'
ok their lxc snapshot theirs late
their lxc exec theirs -- sh -c 'rm /data/hard; echo three >/data/three'
now=$(their_data theirs)
ok -n "lxd exports it while it runs" their lxc export theirs theirs.tar.gz --optimized-storage
ok sysct import theirs.tar.gz -s fast
is "$(sysct config get theirs user.note)" theirs "its configuration"
ok sysct start theirs
is "$(data_of theirs)" "$now" "its files are the same, access control lists among them"
is "$(sysct exec theirs -- ls /)" "$(their lxc exec theirs -- ls /)" "nothing of lxd's own is in its root"
ok sysct restore theirs early
is "$(data_of theirs)" "$then" "and those of the snapshot"
# LXD 5.0.2 sometimes waits for ever when it takes a stream out of an archive that zstd has compressed.
ok -n "there and back again" sysct export theirs back.tar.gz --compression gzip --optimized-storage
ok their lxc delete --force theirs
ok -n "lxd imports its own" their lxc import back.tar.gz
is "$(their_data theirs)" "$then" "with the same files"
ok their lxc delete theirs

# --- volumes
sysct storage volume create fast data user.note=ours
fill_tree "$(volume_tree fast data)" 0
then=$(our_volume data)
sysct storage volume snapshot fast data first
rm -r "$(volume_tree fast data)/a"
now=$(our_volume data)
ok sysct storage volume export fast data data.tar.gz --compression gzip --optimized-storage
ok -n "lxd imports a volume" their lxc storage volume import fast data.tar.gz
is "$(of_root "$(their_volume data 0)")" "$(of_root "$now")" "the files are the same"
is "$(their lxc query '/1.0/storage-pools/fast/volumes/custom/data/snapshots' | jq -r '.[] | sub(".*/"; "")')" first "and the snapshot is there"
ok their lxc launch busybox user
ok their lxc storage volume attach fast data user /data
is "$(their lxc exec user -- stat -c '%u %g' /data/owned)" "1000 65535" "a container there sees its owners"
ok their lxc exec user -- sh -c 'echo theirs >/data/theirs; chown 7:8 /data/theirs'
now=$(their_volume data 100000)
ok their lxc storage volume snapshot fast data second
ok their lxc storage volume export fast data theirs-data.tar.gz --optimized-storage
ok sysct storage volume import fast theirs-data.tar.gz back
is "$(our_volume back)" "$now" "what lxd exports then is the same here"
ok sysct storage volume restore fast back first
is "$(of_root "$(our_volume back)")" "$(of_root "$then")" "and so is its first snapshot"
ok their lxc delete --force user
lxd_end
daemon_end
done_testing
