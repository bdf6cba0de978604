#!/bin/bash
# Custom volumes by Debian's lxc.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=../lib/tap.sh
. "$here/../lib/tap.sh"
# shellcheck source=../lib/daemon.sh
. "$here/../lib/daemon.sh"
# shellcheck source=../lib/lxc.sh
. "$here/../lib/lxc.sh"

lxc_begin busybox
ok lxc launch busybox box
ok lxc storage create plain dir
ok lxc storage volume create default data user.note=x
complains '*already exists*' lxc storage volume create default data
complains '*not supported*' lxc storage volume create default block --type block
is "$(lxc storage volume list default --format csv | grep '^custom' | cut -d, -f1,2,4,5)" custom,data,filesystem,0 "list"
is "$(lxc storage volume get default data user.note)" x "get"
ok lxc storage volume set default data user.note=y
ok lxc storage volume unset default data user.note
is "$(lxc storage volume get default data user.note)" "" "set and unset"
like "$(lxc storage volume show default data)" 'type: custom' "show"
ok lxc storage volume attach default data box /data
ok lxc exec box -- sh -c 'echo one >/data/file; chown 7 /data/file'
like "$(lxc storage volume show default data)" 'used_by:.*/1.0/instances/box' "which is used"
like "$(lxc storage volume info default data)" 'Usage: ' "info"
complains '*in use by instance box*' lxc storage volume delete default data
ok lxc storage volume snapshot default data
ok lxc storage volume snapshot default data clean
complains '*already exists*' lxc storage volume snapshot default data clean
ok -n "snapshot --reuse" lxc storage volume snapshot default data clean --reuse
like "$(lxc storage volume info default data)" 'snap0' "info names snapshots"
ok lxc storage volume set default data snapshots.expiry=3d snapshots.schedule=@daily
ok lxc storage volume snapshot default data brief
ok lxc storage volume snapshot default data long --no-expiry
expiry() { lxc query "/1.0/storage-pools/default/volumes/custom/data/snapshots/$1" | jq -r '.expires_at[:10]'; }
is "$(expiry brief) $(expiry long)" "$(date -ud '+3 days' +%F) 0001-01-01" "snapshots.expiry, and --no-expiry"
complains '*not a word for a schedule*' lxc storage volume set default data snapshots.schedule=@often
ok lxc storage volume unset default data snapshots.schedule
for name in brief long; do ok lxc storage volume delete default data/$name; done
ok lxc storage volume rename default data/snap0 data/first
like "$(lxc storage volume show default data/first)" 'name: data/first' "show of a snapshot"
ok lxc exec box -- sh -c 'echo two >/data/file'
ok lxc storage volume detach default data box
ok lxc storage volume restore default data clean
ok lxc config device add box data disk pool=default source=data path=/srv/data
is "$(lxc exec box -- sh -c 'cat /srv/data/file; stat -c %u /srv/data/file' | tr '\n' ' ')" "one 7 " "restored, and attached as a device"
ok lxc config device remove box data
ok lxc storage volume copy default/data plain/copy
is "$(lxc query '/1.0/storage-pools/plain/volumes/custom/copy/snapshots' | jq length)" 2 "copy, with the snapshots"
ok lxc storage volume copy default/data/first default/old --volume-only
ok lxc storage volume rename default old older
ok lxc storage volume move plain/copy default/moved
is "$(lxc storage volume list default --format csv | grep '^custom' | cut -d, -f2 | tr '\n' ' ')" "data moved older " "renamed and moved"
ok lxc storage volume move default/older default/oldest
ok lxc profile create disked
ok lxc storage volume attach-profile default moved disked disk /moved
ok lxc profile add box disked
is "$(lxc exec box -- cat /moved/file)" one "a profile's volume"
ok lxc profile remove box disked
ok lxc storage volume detach-profile default moved disked disk
cd "$TMPDIR"
ok lxc storage volume export default data data.tar.gz
ok lxc storage volume export default data only.tar --volume-only --compression none
complains '*has no optimized format*' lxc storage volume export default data x.tar --optimized-storage
is "$(tar -tf only.tar | grep -c volume-snapshots)" 0 "export, and --volume-only"
is "$(lxc query /1.0/storage-pools/default/volumes/custom/data/backups | jq length)" 0 "a backup goes when it is downloaded"
ok lxc storage volume import default data.tar.gz imported
is "$(lxc query /1.0/storage-pools/default/volumes/custom/imported/snapshots | jq length)" 2 "import, with the snapshots"
fails lxc storage volume import default data.tar.gz
ok lxc storage volume attach default imported box /imported
is "$(lxc exec box -- sh -c 'cat /imported/file; stat -c %u /imported/file' | tr '\n' ' ')" "one 7 " "it has the files"
ok lxc storage volume detach default imported box
ok lxc storage volume delete default imported
ok lxc storage volume delete default data/first
for name in data moved oldest; do ok lxc storage volume delete default $name; done
complains '*not found*' lxc storage volume delete default data

# --- disks of the host ---

mkdir "$TMPDIR/host"
echo host >"$TMPDIR/host/file"
ok lxc config device add box host disk source="$TMPDIR/host" path=/host shift=true readonly=true
is "$(lxc exec box -- cat /host/file)" host "a directory of the host"
complains '*source *is missing*' lxc config device add box none disk source="$TMPDIR/none" path=/none
ok lxc config device remove box host
ok lxc delete box --force
ok lxc storage delete plain
daemon_end
done_testing
