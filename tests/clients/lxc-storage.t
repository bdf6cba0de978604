#!/bin/bash
# Storage pools by Debian's lxc.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=../lib/tap.sh
. "$here/../lib/tap.sh"
# shellcheck source=../lib/daemon.sh
. "$here/../lib/daemon.sh"
# shellcheck source=../lib/lxc.sh
. "$here/../lib/lxc.sh"

edit_description() { lxc storage show plain | sed "s/^description: .*/description: edited/" | lxc storage edit plain; }

mkdir "$TMPDIR"/{plain,overlaid}
lxc_begin busybox
ok lxc storage create plain dir source="$TMPDIR/plain" user.note=x
ok lxc storage create small btrfs size=300MiB
ok lxc storage create overlaid overlay source="$TMPDIR/overlaid"
complains '*already exists*' lxc storage create plain dir
complains '*not supported*' lxc storage create other zfs
complains '*no storage driver*' lxc storage create other nonsense
complains '*not empty*' lxc storage create other dir source=/etc
complains '*no key*' lxc storage create other dir wrong=key
is "$(lxc storage list --format csv | cut -d, -f1,2 | sort | paste -sd ' ')" "default,overlay overlaid,overlay plain,dir small,btrfs" "list"
is "$(lxc storage list --format json | jq -r '.[].status' | sort -u)" Created "all are there"
is "$(lxc storage get plain source)" "$TMPDIR/plain" "get"
ok lxc storage set plain user.note=y
is "$(lxc storage get plain user.note)" y "set"
ok lxc storage set plain user.old style
is "$(lxc storage get plain user.old)" style "set in the old way"
ok lxc storage unset plain user.old
is "$(lxc storage get plain user.old)" "" "unset"
like "$(lxc storage show plain)" 'user.note: "?y"?.*name: plain.*driver: dir' "show"
ok -n "edit" edit_description
like "$(lxc storage show plain)" 'description: edited' "edited"
like "$(lxc storage info small)" 'driver: btrfs.*space used:.*total space: 300.00MiB' "info"
for pool in plain small overlaid; do
	ok lxc launch busybox "$pool" -s "$pool"
	is "$(lxc config device get "$pool" root pool)" "$pool" "its root disk is there"
	ok lxc exec "$pool" -- sh -c 'echo one >/root/file'
	ok lxc snapshot "$pool" clean
	ok lxc exec "$pool" -- sh -c 'echo two >/root/file'
	ok lxc copy "$pool" copy
	ok lxc restore "$pool" clean
	is "$(lxc exec "$pool" -- cat /root/file)" one "restored"
	ok lxc start copy
	is "$(lxc exec copy -- cat /root/file)" two "copied"
	like "$(lxc storage show "$pool")" "/1.0/instances/$pool" "used by"
	complains '*in use*' lxc storage delete "$pool"
	ok lxc delete -f copy "$pool"
done
# --- sizes of disks and volumes ---
write() { lxc exec "$1" -- sh -c "dd if=/dev/zero of=$2 bs=1M count=$3 && sync"; }
ok lxc launch busybox small -s small -d root,size=20MiB
fails -n "a root disk is kept to its size" write small /root/file 30
ok lxc config device set small root size 50MiB
ok -n "and gets a larger one" write small /root/file 30
complains '*are used already*' lxc config device set small root size 10MiB
complains '*cannot keep anything to a "size"*' lxc storage volume create plain data size=20MiB
ok lxc storage set small volume.size 20MiB
ok lxc storage volume create small data
is "$(lxc storage volume get small data size)" 20MiB "a volume has the pool's size"
ok lxc storage volume attach small data small data /data
fails -n "and is kept to it" write small /data/file 30
ok lxc storage volume set small data size 40MiB
ok -n "also to a larger one" write small /data/file 30
ok lxc storage unset small volume.size
ok lxc delete -f small
ok lxc storage volume delete small data

complains '*cannot be made smaller*' lxc storage set small size=200MiB
ok lxc storage set small size=400MiB
is "$(lxc query /1.0/storage-pools/small/resources | jq .space.total)" $((400 << 20)) "larger"
complains '*cannot be changed*' lxc storage set plain source=/srv
for pool in plain small overlaid; do ok lxc storage delete "$pool"; done
complains '*not found*' lxc storage show plain
is "$(lxc storage list --format csv | cut -d, -f1)" default "the first one is left"
daemon_end
done_testing
