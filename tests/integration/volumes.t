#!/bin/bash
# Custom volumes: made, given to instances that run, copied, moved, kept by snapshots, and deleted; in an overlay pool and one of
# plain directories; what a hostile instance can do to a path below one, and what a killed daemon leaves.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

volume() { sysct storage volume "$@"; }
inside() { sysct exec "$1" -- sh -c "$2"; } # INSTANCE COMMAND
trees() { find "$SYSCT_DIR/storage-pools/$1/layers" -mindepth 1 -maxdepth 1 -not -name '.del-*' | wc -l; }
swept() { [ -z "$(find "$SYSCT_DIR"/storage-pools/*/layers -mindepth 1 -maxdepth 1 -name '.*')" ]; }
used_by() { sysct query "/1.0/storage-pools/$1/volumes/custom/$2" | jq -c .used_by; }

daemon_start
sysct launch busybox box
sysct launch busybox two
sysct storage create plain dir

# --- making ---

ok volume create default data --description 'of both' user.owner=me
is "$(volume list default -f csv | grep '^custom')" "custom,data,of both,filesystem,0" "list"
is "$(volume get default data user.owner)" me "its configuration"
like "$(volume show default data)" 'content_type: filesystem' "show"
complains 'already exists in pool default' volume create default data
complains 'not a name for a volume' volume create default .x
complains 'not a name for a volume' volume create default 'a b'
complains 'key "size"' volume create default x size=1GX
complains 'has no key "nonsense"' volume create default x nonsense=1
complains 'block.* not supported' volume create default x --type block
complains 'not found' volume create nowhere x
ok volume set default data user.owner=you user.more=x
is "$(volume get default data user.owner)$(volume get default data user.more)" youx "set"
ok volume unset default data user.more
is "$(volume get default data user.more)" "" "unset"
complains 'security.shifted=false' volume set default data security.shifted=false
is "$(trees default)" 1 "it has a directory"

# --- the API ---

url=http://sysct/1.0/storage-pools/default/volumes
ask() { curl -sS --unix-socket "$SYSCT_DIR/unix.socket" -o "$TMPDIR/answer" -w '%{http_code}' -H 'Content-Type: application/json' "$@"; }
etag=$(curl -sS --unix-socket "$SYSCT_DIR/unix.socket" -o /dev/null -D - "$url/custom/data" | tr -d '\r' | sed -n 's/^ETag: //Ip')
is "$(ask -X PATCH -H "If-Match: $etag" -d '{"config":{"user.seen":"1"}}' "$url/custom/data")" 200 "a change of what was read"
is "$(ask -X PATCH -H "If-Match: $etag" -d '{"config":{"user.seen":"2"}}' "$url/custom/data")" 412 "and of what has changed since"
is "$(volume get default data user.owner)$(volume get default data user.seen)" you1 "a patch leaves the rest"
is "$(ask -X POST -d '{"name":"made","type":"custom","content_type":"filesystem","config":{},"source":{"name":"","type":""}}' "$url")" 201 "made as LXD's client does"
is "$(ask -X DELETE "$url/custom/made")" 200 "deleted"
is "$(ask -X POST -d '{"name":"box"}' "$url/container")" 400 "instances' volumes are not made here"
is "$(ask -X DELETE "$url/container/box")" 400 "nor deleted"
is "$(ask -X POST -d '{"name":"x","nonsense":1}' "$url/custom")" 400 "an unknown field"
is "$(ask "$url/custom/none/snapshots")" 404 "snapshots of none"
is "$(ask -X POST -d '{"name":"a","expires_at":"soon"}' "$url/custom/data/snapshots")" 400 "a time that is none"

# --- instances that run ---

ok -n "attached while it runs" volume attach default data box /data
inside box 'echo box >/data/file; chown 5:6 /data/file; chmod 4711 /data/file'
ok volume attach default data two store /srv/store
is "$(inside two 'cat /srv/store/file; stat -c "%u %g %a" /srv/store/file' | tr '\n' ' ')" "box 5 6 4711 " "two instances see the same ids"
inside two 'echo two >/srv/store/from'
is "$(inside box 'cat /data/from')" two "and each other's files"
is "$(inside box 'stat -c "%u %g %a" /data')" "0 0 755" "its root is the instance's root's"
files=$(find "$SYSCT_DIR/storage-pools/default/layers" -name from)
is "$(stat -c '%u %g' "$files")" "0 0" "on the disk ids count from 0"
is "$(used_by default data)" '["/1.0/instances/box","/1.0/instances/two"]' "it says who uses it"
like "$(volume info default data)" 'Used by:.*/1.0/instances/box' "info, too"
like "$(sysct storage info default)" 'volumes/custom/data' "and the pool that it does"
is "$(sysct config device get box data source)" data "the device is called like the volume"
complains 'in use by instance box, instance two: detach it first' volume delete default data
complains 'in use by' volume rename default data other
complains 'in use by' volume move default/data plain/data
complains 'both at /data' volume attach default data box again /data
complains 'has a device "data" already' volume attach default data box /elsewhere
complains 'not found' volume attach default none box /none
complains 'has no "path"' sysct config device add box x disk pool=default source=data
complains 'has no "recursive"' sysct config device add box x disk pool=default source=data path=/x recursive=true

# --- a part of it ---

inside box 'mkdir -p /data/sub/dir; echo part >/data/sub/dir/file; ln -s /etc /data/link; ln -s ../../.. /data/up'
ok volume attach default data/sub/dir two part /part
is "$(inside two 'cat /part/file')" part "a part of a volume"
complains 'missing' volume attach default data/nothing two p /p
complains 'symbolic link' volume attach default data/link two p /p
complains 'symbolic link' volume attach default data/up two p /p
complains 'neither VOLUME' volume attach default data/../.. two p /p
complains 'name the device' volume detach default data two
ok volume detach default data two part
is "$(inside two 'grep -c " /part " /proc/self/mountinfo' || true)" 0 "detached while it runs"
ok -n "read-only for one" sysct config device set two store readonly=true
fails -n "it cannot write" inside two 'echo x >/srv/store/x'
ok -n "the other can" inside box 'echo x >/data/x'

# --- snapshots ---

is "$(volume snapshot default data)" snap0 "a snapshot has a name"
ok volume snapshot default data clean --description 'as it was'
complains 'already exists' volume snapshot default data clean
inside box 'echo changed >/data/file; rm /data/from'
ok volume snapshot default data clean --reuse
like "$(volume show default data/clean)" 'name: data/clean' "show of one"
like "$(volume info default data)" 'Snapshots:.*snap0.*clean' "info names them"
ok volume rename default data/clean data/later
complains 'stays with its volume' volume rename default data/later other/later
complains 'in use by instance box, instance two: stop it first' volume restore default data snap0
ok sysct stop -f box two
ok volume restore default data snap0
ok sysct start box two
is "$(inside box 'cat /data/file /data/from; stat -c %a /data/file' | tr '\n' ' ')" "box two 4711 " "restored"
complains 'not found' volume restore default data none

# --- copies ---

ok volume copy default/data default/copy
is "$(sysct query '/1.0/storage-pools/default/volumes/custom/copy/snapshots?recursion=1' | jq -c '[.[].name]')" '["copy/snap0","copy/later"]' "a copy has the snapshots"
ok volume copy default/data/later plain/part --volume-only
ok volume copy default/data plain/all
ok volume attach plain all box /all
is "$(inside box 'cat /all/file; stat -c "%u %g %a" /all/file' | tr '\n' ' ')" "box 5 6 4711 " "in another pool, while the source is used"
ok volume attach plain part box /old
is "$(inside box 'cat /old/file')" changed "of a snapshot"
inside box 'echo mine >/all/file'
is "$(inside box 'cat /data/file')" box "what is written to a copy is its own"
complains 'already exists' volume copy default/data plain/all
complains 'not found' volume copy default/nothing plain/x
ok volume detach plain all box
ok volume move plain/all default/moved
is "$(volume list plain -f csv | grep -c ',all,' || true)" 0 "moved away"
is "$(sysct query '/1.0/storage-pools/default/volumes/custom/moved/snapshots' | jq length)" 2 "with its snapshots"
ok volume attach default moved box /moved
is "$(inside box 'cat /moved/file')" mine "and its files"
sysct monitor --type lifecycle >"$TMPDIR/events" &
monitor=$!
told() { grep -q "\"action\":\"storage-volume-$1\".*/1.0/storage-pools/default/volumes/custom/$2\"" "$TMPDIR/events"; }
ticks() { volume set default copy user.tick=$((RANDOM)) && told updated copy; }
ok -n "events tell of changes" wait_until 20 ticks
ok volume rename default copy renamed
ok -n "and of other names" wait_until 10 told renamed renamed
kill "$monitor"
wait "$monitor" 2>/dev/null || true
complains 'in pool default' volume show default copy
ok volume delete default renamed/later
is "$(sysct query '/1.0/storage-pools/default/volumes/custom/moved/snapshots' | jq length)" 2 "a snapshot of one is not that of its copy"

# --- on btrfs, while an instance that began before the pool runs on ---

ok sysct storage create tree btrfs size=300MiB
ok volume copy default/data tree/data
ok volume attach tree data box intree /tree
is "$(inside box 'cat /tree/file; stat -c "%u %g %a" /tree/file' | tr '\n' ' ')" "box 5 6 4711 " "a copy on btrfs"
inside box 'echo btrfs >/tree/file'
ok volume snapshot tree data kept
inside box 'echo later >/tree/file; head -c 3000000 /dev/urandom >/tree/big; sync'
ok volume copy tree/data/kept tree/old
ok volume copy tree/data/kept plain/old
ok volume attach tree old box old1 /old1
ok volume attach plain old box old2 /old2
is "$(inside box 'cat /old1/file /old2/file' | tr '\n' ' ')" "btrfs btrfs " "of a snapshot, inside the pool and into another"
like "$(volume info tree data)" 'Usage: [23]\.' "info counts"
for device in data old; do volume detach tree $device box; done
ok volume detach plain old box
ok volume restore tree data kept
ok volume delete tree data old
ok volume delete plain old
ok sysct storage delete tree

# --- profiles, restarts ---

sysct profile create shared
ok volume attach-profile default renamed shared /shared
sysct profile add box shared
is "$(inside box 'cat /shared/file')" box "a profile's volume"
is "$(used_by default renamed)" '["/1.0/instances/box","/1.0/profiles/shared"]' "used by both"
complains 'in use by instance box, profile shared' volume delete default renamed
sysct profile remove box shared
ok volume detach-profile default renamed shared
ok -n "a reboot from inside" reboots box
is "$(inside box 'cat /data/file')" box "has the volume"
daemon_stop
daemon_start
is "$(inside box 'cat /moved/file')" mine "so has a restart of the daemon"
sysct restart -f box
is "$(inside box 'cat /data/file')" box "and a restart"
sysct copy box clone
is "$(used_by default data)" '["/1.0/instances/box","/1.0/instances/clone","/1.0/instances/two"]' "a copy of an instance uses it, too"
sysct delete clone
complains 'has volumes \(part\)' sysct storage delete plain

# --- crashes ---

volume detach default renamed box 2>/dev/null || true
for point in volume.layer volume.committed volume.deleted; do
	case $point in volume.deleted) words=(delete default victim) ;; *) words=(copy default/renamed default/victim) ;; esac
	if [ $point = volume.deleted ]; then volume create default victim; fi
	daemon_stop
	SYSCT_FAULT=$point daemon_start
	fails -n "$point: the daemon dies" volume "${words[@]}"
	wait "$daemon_pid" || true
	daemon_start
	case $point in
	volume.committed) ok -n "$point: the copy is whole" test "$(sysct query /1.0/storage-pools/default/volumes/custom/victim/snapshots | jq length)" = 1 && volume delete default victim ;;
	*) complains 'not found' volume show default victim ;;
	esac
	ok -n "$point: nothing half made is left" wait_until 10 swept
	is "$(inside box 'cat /data/file')" box "$point: others were not disturbed"
done
ok -n "no directory without a row" test "$(grep -c 'belongs to nothing' "$daemon_log")" = 0

# --- deleting ---

sysct delete -f box two
is "$(volume list default -f csv | grep '^custom' | cut -d, -f2 | tr '\n' ' ')" "data moved renamed " "volumes outlive instances"
ok volume delete default data moved renamed
ok volume delete plain part
complains 'not found' volume delete default data
gone() { [ "$(trees default)$(trees plain)" = 00 ] && swept; }
ok -n "their files go" wait_until 10 gone
ok sysct storage delete plain
daemon_end
done_testing
