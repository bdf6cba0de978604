#!/bin/bash
# Backups: what goes into one comes back from it, on every driver; everything that can be wrong with one is refused, and leaves
# nothing; the daemon may be killed at any time (its steps are tried in crash.t).
set -euo pipefail
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/daemon.sh"
. "$(dirname "$0")/../lib/backup_data.sh"
cd "$TMPDIR"

first_names() { # FILE COUNT
	names_in "$1" | sed -n "1,$2p" | paste -sd ' '
}
names_in() { tar -tf "$1" 2>/dev/null | sed 's,/$,,'; }
index_of() { tar -xOf "$1" backup/index.yaml; }
snapshots_of() { sysct query "/1.0/instances/$1/snapshots?recursion=1" | jq -r '.[].name' | paste -sd ' '; }

daemon_start
sysct launch busybox box --description 'a box' --config user.note=kept --config snapshots.expiry=3d
fill_data box
then=$(data_of box)
sysct snapshot create box first --description 'the first'
sysct exec box -- sh -c 'echo more >>/data/plain; rm -r /data/a; mkdir /data/a; echo new >/data/a/new; rm /data/fifo'
now=$(data_of box)
layers=$(layer_count)

# --- there
ok sysct export box
ok -n "nothing is left of making it" wait_until 20 nothing_left
is "$(layer_count)" "$layers" "and no layer"
is "$(first_names box.tar.zst 1)" backup/index.yaml "the index comes first"
is "$(stat -c %a box.tar.zst)" 600 "nobody else can read it"
is "$(tar --numeric-owner -tvf box.tar.zst 2>/dev/null | awk '$2 ~ /[0-9]+\/[0-9]+/ { print $2 }' | sort -u | paste -sd ' ')" "0/0 1000/65535" "ids count from 0"
is "$(names_in box.tar.zst | grep -c '/socket$')" 0 "sockets are left out"
fails sysct export box
is "$tap_status" 4 "a file that is there is not overwritten"
fails sysct export nobody
is "$tap_status $(ls nobody* 2>/dev/null)" "3 " "an instance that is not there leaves no file"
fails sysct export box /nowhere/file
fails sysct export box other.tar --compression brotli
like "$(cat "$TAP_OUTPUT")" 'zstd, none, gzip, bzip2, xz, lz4' "compressions are named"
fails sysct export box other.tar --optimized-storage
like "$(cat "$TAP_OUTPUT")" "the pool's driver is overlay: it has no optimized format" "optimized ones are refused"
for compression in gzip:1f8b bzip2:425a xz:fd37 lz4:0422 none:6261; do
	ok -n "--compression ${compression%:*}" sysct export box "box.${compression%:*}" --compression "${compression%:*}" --instance-only
	is "$(head -c 2 "box.${compression%:*}" | od -An -tx1 | tr -d ' \n')" "${compression#*:}" "is that"
done
is "$(names_in box.none | grep -c ^backup/snapshots)" 0 "--instance-only"
ok -n "to standard output" eval 'sysct export box - --instance-only >piped'
is "$(names_in piped)" "$(names_in box.none)" "has the same files"

# --- and back
ok sysct import box.tar.zst two
ok -n "nothing is left of it" wait_until 20 nothing_left
ok sysct start two
is "$(data_of two)" "$now" "files, links, holes, owners, attributes and lists are the same"
is "$(snapshots_of two)" first "it has the snapshot"
like "$(sysct snapshot show two first)" 'description: the first' "with its description"
is "$(sysct snapshot show two first | grep ^expires)" "$(sysct snapshot show box first | grep ^expires)" "and expiry"
is "$(sysct config get two user.note) $(sysct query /1.0/instances/two | jq -r '.description, .created_at')" \
	"kept $(sysct query /1.0/instances/box | jq -r '.description, .created_at')" "configuration, description and time of creation"
fails -n "its MAC address is another: both are here" test "$(sysct config get two volatile.eth0.hwaddr)" = "$(sysct config get box volatile.eth0.hwaddr)"
ok sysct restore two first
is "$(data_of two)" "$then" "the snapshot's files come back"
ok sysct exec two -- sh -c 'rm -r /data; mkdir /data; echo x >/data/x'
ok sysct copy two three
ok -n "a copy of it starts" sysct start three
ok sysct export two
ok -n "exported again" sysct import two.tar.zst four
ok sysct start four
is "$(sysct exec four -- find /data)" $'/data\n/data/x' "it has what that had written"
ok sysct restore four first
is "$(data_of four)" "$then" "and its snapshots"
ok sysct delete --force two three four
ok -n "nothing is left of all these" wait_until 20 nothing_left

# --- the same on whole trees
whole_trees() { # DRIVER [OPTION...]
	ok sysct storage create whole "$@"
	ok -n "$1: import" sysct import box.tar.zst two --storage whole
	ok sysct start two
	is "$(data_of two)" "$now" "$1: the same files"
	is "$(snapshots_of two)" first "$1: the snapshot"
	ok -n "$1: exported from there while it runs" sysct export two whole.tar.zst
	ok sysct delete --force two
	ok -n "$1: nothing is left there" wait_until 20 nothing_left
	ok -n "$1: into another pool" sysct import whole.tar.zst two --storage default
	ok sysct start two
	is "$(data_of two)" "$now" "$1: has the same files"
	ok sysct restore two first
	is "$(data_of two)" "$then" "$1: and those of the snapshot"
	ok sysct delete --force two
	rm whole.tar.zst
	ok sysct storage delete whole
}
whole_trees dir
whole_trees btrfs size=300MiB

# --- what snapshots share
data_in_snapshot() { # NAME SNAPSHOT: what /data is in it
	ok sysct copy "$1/$2" looked-at
	ok sysct start looked-at
	data=$(data_of looked-at)
	ok sysct delete --force looked-at
}
megabytes() { sync && df --output=used -BM "$1" | tr -dc 0-9; }
# shared POOL OPTION...: an instance with 20 MB and three snapshots, of which none takes that again. One file has another
# content with the same size and, in archives that LXD makes, the same time.
shared() {
	local kind all
	ok sysct storage create shared "$@"
	sysct launch busybox many -s shared
	sysct exec many -- sh -c 'mkdir /data; head -c 20000000 /dev/urandom >/data/noise; touch -d "2020-01-01 00:00:00" /data/noise'
	for kind in one two six; do
		sysct exec many -- sh -c "echo $kind >/data/kind; echo $kind >/data/$kind; touch -d '2020-01-01 00:00:00' /data/kind"
		sysct snapshot many $kind
	done
	sysct exec many -- sh -c 'rm /data/one; ln /data/two /data/other'
	all=$(data_of many)
	data_in_snapshot many two
	local two=$data before
	ok sysct export many many.tar --compression none
	ok sysct delete --force many
	ok -n "$1: nothing is left" wait_until 20 nothing_left
	before=$(megabytes "$SYSCT_DIR/storage-pools/shared")
	ok -n "$1: import with snapshots" sysct import many.tar -s shared
	ok -n "$1: nothing is left" wait_until 20 nothing_left
	takes_less() { [ $(($(megabytes "$SYSCT_DIR/storage-pools/shared") - before)) -lt 34 ]; }
	ok -n "$1: it takes less than 34 MB, for 4 trees with 20 MB each" wait_until 60 takes_less # btrfs frees later
	ok sysct start many
	is "$(data_of many)" "$all" "$1: it has its files"
	data_in_snapshot many two
	is "$data" "$two" "$1: and a snapshot those of then"
	ok sysct delete --force many
	ok -n "$1: all goes" wait_until 20 nothing_left
	ok sysct storage delete shared
	rm many.tar
}
mkdir on-disk
truncate -s 400M disk && mkfs.ext4 -q disk && mount -o loop disk on-disk
shared overlay "source=$PWD/on-disk"
umount on-disk
rm disk
shared btrfs size=400MiB

# --- while others work on it
ok sysct stop --force box
layers=$(layer_count)
ok sysct export box stopped.tar.zst
is "$(layer_count)" "$layers" "a stopped one has no more layers after"
mkfifo slow
sysct export box - --compression none >slow 2>/dev/null &
exporter=$!
exec 5<slow
head -c 1000 <&5 >begun
ok -n "it starts while it is exported" sysct start box
ok -n "its snapshot is deleted meanwhile" sysct snapshot delete box first
sysct exec box -- sh -c 'rm -r /data/a'
cat <&5 >>begun
exec 5<&-
ok -n "the export goes on" wait $exporter
ok sysct import begun two
ok sysct start two
is "$(data_of two)" "$now" "it has what was there when it began"
ok sysct restore two first
is "$(data_of two)" "$then" "the snapshot, too"
ok sysct delete --force two
mac=$(sysct config get box volatile.eth0.hwaddr)
ok sysct delete --force box
ok -n "nothing is left of the layers that were held" wait_until 20 nothing_left
ok sysct import box.tar.zst
is "$(sysct config get box volatile.eth0.hwaddr)" "$mac" "the MAC address is the same when nobody has it"

# --- kept backups
backups() { sysct query /1.0/instances/box/backups | jq -r '.[]' | sed 's,.*/,,' | paste -sd ' '; }
make_backup() { sysct query -X POST --wait /1.0/instances/box/backups -d "$1"; }
files() { find "$SYSCT_DIR/backups" -type f | wc -l; }
ok make_backup '{}'
ok make_backup '{"name": "", "instance_only": true}'
is "$(backups) $(files)" "backup0 backup1 2" "kept backups get numbers"
fails make_backup '{"name": "backup1"}'
like "$(cat "$TAP_OUTPUT")" 'already exists' "a name is used once"
fails make_backup '{"name": "a/b"}'
fails make_backup '{"name": "x", "compression_algorithm": "brotli"}'
ok sysct query -X POST --wait /1.0/instances/box/backups/backup1 -d '{"name": "renamed"}'
is "$(sysct query /1.0/instances/box/backups/renamed | jq -c '[.name, .instance_only, .expires_at]')" '["renamed",true,"0001-01-01T00:00:00Z"]' "renamed"
curl -s --unix-socket "$SYSCT_DIR/unix.socket" -o kept.tar.zst "http://x/1.0/instances/box/backups/backup0/export"
ok -n "one is downloaded, and imported" sysct import kept.tar.zst two
ok sysct query -X DELETE --wait /1.0/instances/box/backups/renamed
is "$(backups) $(files)" "backup0 1" "deleted"
ok make_backup "{\"expires_at\": \"$(date -u -d '+1 second' +%FT%TZ)\"}"
ok -n "one expires" wait_until 20 eval '[ "$(backups) $(files)" = "backup0 1" ]'
daemon_stop
touch "$SYSCT_DIR/backups/.new-left" "$SYSCT_DIR/backups/left"
daemon_start
is "$(files)" 1 "files that no backup has go at the start"
ok sysct delete --force box two
is "$(files)" 0 "backups go with their instance"

# --- what is refused
refused() { # KIND PATTERN [OPTION...]
	"$top/tests/lib/craft-backup" "$1" >crafted.tar
	fails -n "$1" sysct import crafted.tar "${@:3}"
	like "$(cat "$TAP_OUTPUT")" "$2" "says why"
	ok -n "$1: nothing is left" wait_until 20 nothing_left
	is "$(sysct list -f csv -c n)" "" "no instance either"
}
refused architecture 'architecture s390x'
refused vm 'backup of a virtual-machine'
refused optimized 'format of the storage driver "dir"'
refused no-index 'no index.yaml|does not come first'
refused late-index 'does not come first'
refused bad-yaml 'index.yaml: YAML'
refused no-config 'no configuration'
refused profiles '"web", "db"; make them'
refused unknown-key 'nonsense.key.*--config KEY='
refused unsupported-key 'migration.stateful'
refused unknown-device '"gpu".*--device NAME,type=none'
refused snapshot-name 'not a name for a snapshot'
refused no-snapshot 'not whole: it has no backup/snapshots/snap/rootfs'
refused other-snapshot 'does not know snapshots/other'
refused dotdot "contains '\.\.'"
refused absolute 'this is no backup'
refused foreign 'this is no backup: it has etc/passwd'
refused link-out 'through a symbolic link'
refused hard-out 'link out of its tree'
refused hard-up 'out of the root'
refused ids '65536'
refused unmapped 'id map does not have'
refused good 'Storage pool not found: "nowhere"' --storage nowhere
refused good 'is not a valid|must|name' -- 'no_name'
endless() { "$top/tests/lib/craft-backup" vm && cat /dev/zero; }
fails -n "one that does not end is refused before it does" timeout 60 bash -c "$(declare -f endless); top=$top; endless | sysct import -"
like "$(cat "$TAP_OUTPUT")" 'backup of a virtual-machine' "and says why"
"$top/tests/lib/craft-backup" good >good.tar
whole=$(python3 -c 'import tarfile; last = tarfile.open("good.tar").getmembers()[-1]; print(last.offset_data + 512)') # to the end of the last file
for size in 300 1000 3000 "$whole"; do
	head -c "$size" good.tar >crafted.tar
	fails -n "cut off after $size bytes" sysct import crafted.tar
	ok -n "nothing is left" wait_until 20 nothing_left
done
head -c 200000 box.tar.zst >crafted.tar
fails -n "a compressed one that was cut off" sysct import crafted.tar
fails -n "no archive" sysct import /bin/sh
fails -n "an empty one" sysct import /dev/null
ok -n "nothing is left of all of them" wait_until 20 nothing_left

# --- and what is not
ok sysct import good.tar
like "$(sysct config show crafted)" 'description: by hand' "one by another hand"
is "$(sysct config get crafted volatile.eth0.hwaddr) $(sysct query /1.0/instances/crafted | jq -r .created_at)" \
	"00:16:3e:11:22:33 2020-02-03T04:05:06.789000000Z" "has its address and time"
is "$(sysct snapshot show crafted snap | grep -c 2099-01-01)" 1 "its snapshot expires then"
fails sysct import good.tar
is "$tap_status" 4 "a name that is there"
"$top/tests/lib/craft-backup" shifted >shifted.tar
ok sysct import shifted.tar shifted
owners() { find "$SYSCT_DIR"/storage-pools/default/layers/*/{rootfs,upper} -name file -printf '%U %G\n' | sort -u | paste -sd ,; }
is "$(owners)" "0 0,1000 1000" "owners that LXD shifted"
"$top/tests/lib/craft-backup" unknown-device >crafted.tar
ok -n "a device is left out" sysct import crafted.tar third --device gpu,type=none
"$top/tests/lib/craft-backup" unknown-key >crafted.tar
ok -n "a key is left out" sysct import crafted.tar fourth --config nonsense.key=
"$top/tests/lib/craft-backup" device >crafted.tar
ok -n "device nodes are left out" sysct import crafted.tar fifth
is "$(find "$SYSCT_DIR"/storage-pools/default/layers/*/{rootfs,upper} -type c)" "" "all of them"
ok -n "from standard input" eval 'sysct import - sixth <good.tar'
ok sysct delete crafted shifted third fourth fifth sixth

# --- no space
mkdir small
mount -t tmpfs -o size=8m tmpfs small
ok sysct storage create small dir "source=$PWD/small"
"$top/tests/lib/craft-backup" big >crafted.tar
fails sysct import crafted.tar --storage small
like "$(cat "$TAP_OUTPUT")" 'no space left' "a full disk is told"
ok -n "nothing is left there" wait_until 20 nothing_left
ok sysct storage delete small
mount -o remount,size=3m small
sysct launch busybox box
fails -n "a file that has no room" eval 'sysct export box small/box --compression none && sysct export box small/more --compression none'
ok -n "goes" test ! -e small/more
umount small

# --- cancelled, and killed
sysct exec box -- sh -c 'head -c 60000000 /dev/urandom >/root/noise'
operation=$(sysct query --raw -X POST /1.0/instances/box/backups -d '{"compression_algorithm": "xz"}' | jq -r .operation)
ok -n "a backup that is made is cancelled" sysct query -X DELETE "$operation"
is "$(sysct query "$operation/wait" | jq -r .status)" Cancelled "and says so"
ok -n "nothing is left of it" wait_until 20 nothing_left

begin_import() { # a client that has sent a half
	sysct export box half.tar --compression none
	rm -f upload
	mkfifo upload
	sysct import - half <upload 2>/dev/null &
	client=$!
	exec 6>upload
	head -c 30000000 half.tar >&6
	rm half.tar
}
unpacking() { [ -n "$(find "$SYSCT_DIR/storage-pools/default/layers" -path '*/.new-*/noise')" ]; }
begin_import
ok -n "an upload is under way" wait_until 20 unpacking
kill -9 $client
exec 6>&-
ok -n "nothing is left when its client goes" wait_until 20 nothing_left
wait $client 2>/dev/null || true

begin_import
ok -n "another is under way" wait_until 20 unpacking
daemon_stop KILL
exec 6>&-
fails -n "the client of a daemon that was killed" wait $client
daemon_start
ok -n "nothing is left after a restart" wait_until 20 nothing_left
ok -n "the instance beside goes on" sysct exec box -- true

killed_while sysct export box - --compression none
daemon_end
done_testing
