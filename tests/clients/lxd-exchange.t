#!/bin/bash
# Debian's lxd itself: what it exports is imported here, and what is exported here it imports; what is in the instances,
# the volumes and their snapshots is the same.
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

cd "$TMPDIR"
lxd_begin
their_image
daemon_start
sysct launch busybox ours --config user.note=ours
fill_data ours
# GNU tar, by which LXD unpacks, makes another name of one that is no UTF-8, and device nodes are not for containers.
rm -f "$(inside ours)"/data/no* "$(inside ours)/data/link"
then=$(data_of ours)
sysct snapshot create ours first
sysct exec ours -- sh -c 'echo more >>/data/plain; rm -r /data/a'
now=$(data_of ours)

their_tree() { echo "$lxd_directory/storage-pools/default/containers/$1/rootfs"; }
their_data() { # NAME: what /data is in theirs
	"$top/tests/lib/manifest" "$(their_tree "$1")/data" "$(stat -c %u "$(their_tree "$1")")"
}

# --- from here to there
for compression in zstd gzip xz none; do
	ok sysct export ours "ours.$compression" --compression "$compression"
	ok -n "lxd imports $compression" their lxc import "ours.$compression"
	is "$(their_data ours)" "$now" "the files are the same"
	[ $compression = none ] || their lxc delete ours
done
is "$(their lxc config get ours user.note)" ours "the configuration, too"
is "$(their lxc config get ours volatile.eth0.hwaddr)" "$(sysct config get ours volatile.eth0.hwaddr)" "and the MAC address"
is "$(their lxc query '/1.0/instances/ours/snapshots?recursion=1' | jq -r '.[].name')" first "and the snapshot"
ok -n "it starts there" their lxc start ours
is "$(their_data ours)" "$now" "whose files got the ids of lxd's containers"
is "$(their lxc exec ours -- stat -c '%u %g' /data/owned)" "1000 65535" "and the same inside"
ok their lxc stop --force ours
ok -n "it goes back to the snapshot" their lxc restore ours first
is "$(their_data ours)" "$then" "which has its files"
ok their lxc delete ours

# --- from there to here
whole_seconds() { # LXD rounds times
	find "$(their_tree theirs)/data" ! -type l -exec touch -h -d @1600000000 {} +
}
ok -n "an instance of lxd" their lxc launch busybox theirs -c user.note=theirs
ok -n "writes" their lxc exec theirs -- sh -c 'mkdir /data; echo one >/data/file; ln /data/file /data/hard; chown 1000:100 /data/file; mkfifo /data/fifo'
setfattr -n user.note -v hello "$(their_tree theirs)/data"
tree=$(their_tree theirs)
base=$(stat -c %u "$tree")
fails -n "lxd has shifted its files" test "$base" = 0
# Access control lists are not in what LXD 5.0.2 exports: it writes their bytes where the format has a text.
python3 - "$tree/data" "$base" <<-'END'
	import os, struct, sys
	top, base = sys.argv[1], int(sys.argv[2])
	open(top + "/capable", "w").close()
	os.chown(top + "/capable", base, base)
	os.setxattr(top + "/capable", "security.capability", struct.pack("<IIIIII", 0x03000001, 1 << 13, 0, 0, 0, base))
END
whole_seconds
then=$(their_data theirs)
ok their lxc snapshot theirs early
their lxc exec theirs -- sh -c 'echo two >/data/file; rm /data/fifo'
whole_seconds
now=$(their_data theirs)
ok -n "lxd exports it while it runs" their lxc export theirs theirs.tar.gz
ok sysct import theirs.tar.gz
is "$(sysct config get theirs user.note) $(sysct config get theirs volatile.last_state.idmap)" "theirs " "its configuration, without what is lxd's own"
ok sysct start theirs
is "$(data_of theirs)" "$now" "its files are the same"
ok sysct restore theirs early
is "$(data_of theirs)" "$then" "and those of the snapshot"
ok their lxc config device add theirs data unix-char source=/dev/null path=/dev/data
ok their lxc export theirs disk.tar --compression none --instance-only
fails sysct import disk.tar again
like "$(cat "$TAP_OUTPUT")" '"data".*type=none' "a device that is not supported is named"
ok sysct import disk.tar again --device data,type=none
ok -n "there and back again" sysct export theirs back.tar.zst
ok their lxc delete --force theirs
ok -n "lxd imports its own" their lxc import back.tar.zst
is "$(their_data theirs)" "$then" "with the same files"
ok their lxc delete theirs

# --- volumes from here to there
their_volume() { # NAME BASE: what it has there
	"$top/tests/lib/manifest" "$lxd_directory/storage-pools/default/custom/default_$1" "$2"
}
# LXD 5.0.2 gives the root directory of a volume a mode of its own, loses access control lists and holes, and rounds times.
plain() { sed -E "/^b'(\.|a\/b)' /d; s/ [0-9]{10} / TIME /; s/ (True|False) / /" <<<"$1"; }
our_volume() { "$top/tests/lib/manifest" "$(volume_tree default "$1")" 0; }
sysct storage volume create default data user.note=ours snapshots.expiry=3d --description 'our data'
fill_tree "$(volume_tree default data)" 0
rm -f "$(volume_tree default data)"/no* "$(volume_tree default data)/link"
then=$(our_volume data)
sysct storage volume snapshot default data first
rm -r "$(volume_tree default data)/a"
echo more >>"$(volume_tree default data)/plain"
now=$(our_volume data)
ok sysct storage volume export default data data.tar.gz --compression gzip
ok -n "lxd imports a volume" their lxc storage volume import default data.tar.gz
is "$(plain "$(their_volume data 0)")" "$(plain "$now")" "the files are the same"
is "$(their lxc storage volume get default data user.note) $(their lxc query /1.0/storage-pools/default/volumes/custom/data | jq -r .description)" "ours our data" "the configuration, too"
is "$(their lxc query '/1.0/storage-pools/default/volumes/custom/data/snapshots' | jq -r '.[] | sub(".*/"; "")')" first "and the snapshot"
ok their lxc launch busybox user
ok their lxc storage volume attach default data user /data
is "$(their lxc exec user -- stat -c '%u %g' /data/owned)" "1000 65535" "a container there sees its owners"

# --- and from there to here, whose files lxd has shifted for that container
ok their lxc exec user -- sh -c 'echo theirs >/data/theirs; chown 7:8 /data/theirs'
now=$(their_volume data 100000)
fails -n "it has shifted them" test "$(stat -c %u "$lxd_directory/storage-pools/default/custom/default_data")" = 0
ok their lxc storage volume snapshot default data second
ok their lxc storage volume export default data theirs-data.tar.gz
ok sysct storage volume import default theirs-data.tar.gz back
is "$(plain "$(our_volume back)")" "$(plain "$now")" "its files are the same"
is "$(sysct query /1.0/storage-pools/default/volumes/custom/back/snapshots | jq -r '.[] | sub(".*/"; "")' | paste -sd ' ')" "first second" "it has the snapshots"
is "$(sysct storage volume show default back | grep -c volatile)" 0 "without what is lxd's own"
is "$(sysct storage volume show default back/first | grep -c "expires_at: '\?0001")" 0 "the snapshot's expiry"
ok sysct storage volume restore default back first
is "$(plain "$(our_volume back)")" "$(plain "$then")" "and those of the first are"
ok their lxc delete --force user
lxd_end
daemon_end
done_testing
