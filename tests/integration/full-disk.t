#!/bin/bash
# A full disk stops nothing but the operation that needed space, which leaves nothing and says in one sentence how much it
# needs and how much there was; instances live on. On overlay, dir and btrfs, and where images and backups are kept.
# shellcheck disable=SC2016 # for shells in the instances
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"
cd "$TMPDIR"

pools=$SYSCT_DIR/storage-pools
size="[0-9.]+[KMGT]?i?B"
inside() { sysct exec "$1" -- sh -c "$2"; }
swept() { [ -z "$(find "$pools/$1/" -maxdepth 2 \( -name '.del-*' -o -name '.new-*' \))" ]; }
layers() { find "$pools/$1/" -mindepth 2 -maxdepth 2 -not -name '.*' -not -path '*/images/*' | wc -l; }
none_new() { [ -z "$(find "$pools/$1/" -maxdepth 2 -name '.new-*')" ]; }
fill() { inside "$1" 'dd if=/dev/urandom of=/root/fill bs=64k; dd if=/dev/urandom of=/root/rest bs=4k; sync' >/dev/null 2>&1 || true; }
short() { # PATTERN WHAT COMMAND...: fails by this one line, with exit status and kind of a full disk
	local said status=0
	said=$("${@:3}" 2>&1) || status=$?
	like "$said" "no space left in $1 \(" "$2: says how much"
	is "$(wc -l <<<"$said") $status" "1 1" "$2: in one line"
}
needs() { echo "pool \"$1\": $2 needs $size, $size were free(, so $size are missing)?(, with room for [0-9]+ files)?"; }
wants() { echo "$1: $2 needs more than the $size that were free(, with room for [0-9]+ files)?"; }

make_pool() { # NAME DRIVER KIND MIB
	truncate -s "$4M" "$1.img"
	case $3 in
	ext4) mkfs.ext4 -q -m 0 "$1.img" ;;
	btrfs) mkfs.btrfs -q -M "$1.img" ;;
	esac
	mkdir "$1"
	mount -o loop "$1.img" "$1"
	mkdir "$1/pool"
	sysct storage create "$1" "$2" source="$TMPDIR/$1/pool"
}

daemon_start
sysct launch busybox witness
inside witness 'dd if=/dev/urandom of=/root/big bs=1M count=30 2>/dev/null; echo mine >/root/mark'
sysct snapshot create witness taken
sysct storage volume create default data
sysct storage volume attach default data witness data /data
inside witness 'dd if=/dev/urandom of=/data/big bs=1M count=30 2>/dev/null; sync'
sysct export witness witness.tar --compression none
make_pool over overlay ext4 48
make_pool dir dir ext4 48
make_pool btrfs btrfs btrfs 160 # mixed: blocks of all kinds are used up

for pool in over dir btrfs; do
	# What is there before: an instance with two snapshots, a volume, and nearly nothing free.
	sysct launch busybox full -s "$pool"
	inside full 'dd if=/dev/urandom of=/root/own bs=1M count=6 2>/dev/null; echo kept >/root/mark; sync'
	sysct snapshot create full early
	sysct storage volume create "$pool" here
	sysct storage volume attach "$pool" here full here /here
	inside full 'dd if=/dev/urandom of=/here/file bs=1M count=5 2>/dev/null; sync'
	fill full
	before=$(layers "$pool")
	pid=$(instance_init_pid full)

	short "$(needs "$pool" 'the copy')" "$pool: a copy from another pool" sysct copy witness/taken new -s "$pool"
	short "$(needs "$pool" 'the copy')" "$pool: a volume from another pool" sysct storage volume copy default/data "$pool/new"
	short "$(wants "pool \"$pool\"" 'the import')" "$pool: an import" sysct import witness.tar new -s "$pool"
	case $pool in
	over | dir)
		short "$(needs "$pool" 'the snapshot')" "$pool: a snapshot of one that runs" sysct snapshot create full late
		short "$(needs "$pool" 'the copy')" "$pool: a copy in the pool" sysct copy full new
		short "$(needs "$pool" 'the copy')" "$pool: a copy of a volume in the pool" sysct storage volume copy "$pool/here" "$pool/new"
		short "$(needs "$pool" 'the copy')" "$pool: a snapshot of a volume" sysct storage volume snapshot "$pool" here late
		;;
	esac
	if [ "$pool" = dir ]; then
		short "$(needs dir 'the instance')" "dir: launch" sysct launch busybox new -s dir
		short "$(needs dir 'the restore')" "dir: restore" sysct restore full early
		is "$(instance_status full)" Running "dir: which it survives"
		pid=$(instance_init_pid full)
	fi

	ok -n "$pool: nothing half made is left" none_new "$pool"
	is "$(layers "$pool")" "$before" "$pool: no layer is left"
	fails -n "$pool: no instance is" sysct config show new
	fails -n "$pool: no volume is" sysct storage volume show "$pool" new
	is "$(sysct snapshot list full -f csv | cut -d, -f1)" early "$pool: and no snapshot"
	is "$(instance_status full) $(instance_init_pid full)" "Running $pid" "$pool: the instance runs on"
	is "$(inside full 'cat /root/mark')" kept "$pool: and reads"
	is "$(inside witness 'cat /root/mark')" mine "$pool: so does another one"
	ok -n "$pool: what is deleted frees space" sysct delete -f full
	ok -n "$pool: soon" wait_until 30 swept "$pool"
	ok sysct storage volume delete "$pool" here
	# btrfs frees what was in a subvolume in the background, after the next commit.
	ok -n "$pool: which is there then" wait_until 60 sysct launch busybox new -s "$pool"
	ok -n "$pool: for what is written" wait_until 60 inside new 'dd if=/dev/zero of=/root/big bs=1M count=12'
	ok sysct delete -f new
	ok -n "$pool: all goes" wait_until 30 swept "$pool"
	ok sysct storage delete "$pool"
	umount "$pool"
done

# --- files of backups, kept and sent ---

mkdir -p "$SYSCT_DIR/backups" out
mount -t tmpfs -o size=8m tmpfs "$SYSCT_DIR/backups"
mount -t tmpfs -o size=8m tmpfs out
backup() { sysct query --wait -X POST -d '{"name": "kept", "compression_algorithm": "none"}' /1.0/instances/witness/backups; }
like "$(backup 2>&1)" "no space left in $(wants "$SYSCT_DIR/backups" 'the backup') \(" "a backup that is kept: says how much"
is "$(ls -A "$SYSCT_DIR/backups") $(sysct query /1.0/instances/witness/backups | jq length)" " 0" "leaves nothing"
short "$(wants 'the file system of out/sent.tar' 'the backup')" "one that is sent" sysct export witness out/sent.tar --compression none
is "$(ls -A out)" "" "leaves nothing"
is "$(inside witness 'cat /root/mark')" mine "the instance lives on"
umount "$SYSCT_DIR/backups" out
ok sysct delete -f witness
ok sysct storage volume delete default data
daemon_end

# --- where images are kept ---

mkdir small
mount -t tmpfs -o size=12m,mode=711 tmpfs small
(
	daemon_pid=
	export SYSCT_DIR=$TMPDIR/small
	daemon_log=$TMPDIR/small.log
	daemon_start
	status=0
	sysct launch debian/12 big >"$TMPDIR/said" 2>&1 || status=$?
	echo "$status $(sysct list -f csv -c n)$(sysct image list -f csv)" >"$TMPDIR/left"
	find small/storage-pools -name '.new-*' >>"$TMPDIR/left"
	sysct launch busybox fits >/dev/null 2>&1 && sysct exec fits -- echo runs >>"$TMPDIR/left"
	daemon_end
)
like "$(tail -1 said)" "no space left in $(wants 'pool "default"' 'the image') \(.*no space left after [0-9]+ MiB" "an image: says how much"
is "$(paste -sd ' ' left)" "1  runs" "an image: leaves nothing, and what fits is launched after that"
umount small
done_testing
