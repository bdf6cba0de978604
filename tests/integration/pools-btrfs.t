#!/bin/bash
# Subvolumes that instances make in their own, and pools whose disk is full.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

inside() { sysct exec "$1" -- sh -c "$2"; }
pools=$SYSCT_DIR/storage-pools
volumes() { find "$pools/$1/"{instances,layers} -mindepth 1 -maxdepth 1 ! -name '.del-*' | wc -l; } # also half made ones
swept() { [ -z "$(find "$pools/$1/"{instances,layers,images} -mindepth 1 -maxdepth 1 -name '.*')" ]; }

# subvolume COMMAND NAME PATH...: as root of the instance, by its view of the files, with the host's program.
subvolume() {
	nsenter -t "$(instance_init_pid "$1")" -U -S 0 -G 0 python3 "$TMPDIR/subvolume" "/proc/$(instance_init_pid "$1")/root" "${@:2}"
}
cat >"$TMPDIR/subvolume" <<'EOF'
import fcntl, os, struct, sys
CREATE, SET_FLAGS = 0x5000940E, 0x4008941A # linux/btrfs.h: BTRFS_IOC_SUBVOL_CREATE, BTRFS_IOC_SUBVOL_SETFLAGS
os.chdir(sys.argv[1])
what, path = sys.argv[2:4]
parent, name = os.path.split(path)
if what == "create":
    fcntl.ioctl(os.open(parent or ".", os.O_RDONLY), CREATE, bytearray(struct.pack("q4088s", 0, name.encode())))
elif what == "seal":
    fcntl.ioctl(os.open(path, os.O_RDONLY), SET_FLAGS, struct.pack("Q", 2))
EOF

daemon_start
truncate -s 300M "$TMPDIR/host.img"
mkfs.btrfs -q "$TMPDIR/host.img" 2>/dev/null
mkdir "$TMPDIR/host"
mount -o loop,user_subvol_rm_allowed "$TMPDIR/host.img" "$TMPDIR/host"
mkdir "$TMPDIR/host/"{btrfs,dir}
sysct storage create btrfs btrfs size=400MiB
sysct storage create subvolumes btrfs source="$TMPDIR/host/btrfs"
sysct storage create plain dir source="$TMPDIR/host/dir"

# --- subvolumes inside ---

has_all() { [ "$(inside "$1" 'cat /srv/outer/file /srv/outer/inner/file /srv/sealed/file /srv/sealed/inner/file' | paste -sd ' ')" = "$2" ]; }
subvolume_count() { btrfs subvolume list -o "$pools/$1" | wc -l; }
all_subvolumes() { btrfs subvolume list "$pools/$1" | wc -l; }
no_more_than() { [ "$(all_subvolumes "$1")" -le "$2" ]; }
for pool in btrfs subvolumes plain; do
	before=$(all_subvolumes "$pool")
	ok sysct launch busybox box -s "$pool"
	inside box 'mkdir -p /srv'
	for path in srv/outer srv/outer/inner srv/sealed srv/sealed/inner srv/outer/inner/{2,2/3,2/3/4,2/3/4/5,2/3/4/5/6,2/3/4/5/6/7}; do ok -n "$pool: root makes the subvolume $path" subvolume box create "$path"; done
	inside box 'echo a >/srv/outer/file; echo b >/srv/outer/inner/file; echo c >/srv/sealed/file; echo d >/srv/sealed/inner/file'
	ok -n "$pool: one is read-only" subvolume box seal srv/sealed
	fails -n "$pool: which holds" inside box 'touch /srv/sealed/new'
	# shellcheck disable=SC2016 # for the shell inside
	inside box 'cd /srv/outer; i=0; while [ $i -lt 150 ]; do mkdir deep; cd deep; i=$((i + 1)); done; echo deep >file'
	ok sysct snapshot create box running
	inside box 'echo x >/srv/outer/file; echo y >/srv/outer/inner/file'
	ok sysct copy box copy
	ok sysct copy box/running early
	ok sysct start copy early
	ok -n "$pool: a copy has them" has_all copy 'x y c d'
	ok -n "$pool: a copy of a snapshot, too" has_all early 'a b c d'
	inside copy 'echo z >/srv/outer/inner/file'
	ok -n "$pool: each has its own" has_all box 'x y c d'
	ok sysct stop -f box
	ok sysct snapshot create box stopped
	ok sysct restore box running
	ok sysct start box
	ok -n "$pool: a restore brings them back" has_all box 'a b c d'
	ok sysct restore box stopped
	ok -n "$pool: also those of a stopped one" has_all box 'x y c d'
	ok -n "$pool: root of the instance owns them" test "$(inside box 'stat -c %u:%g /srv/outer/inner/file')" = 0:0
	ok sysct delete -f box copy early
	ok -n "$pool: all are deleted" wait_until 20 swept "$pool"
	ok -n "$pool: and no subvolume is left, but the image's" no_more_than "$pool" $((before + 1))
done
ok sysct storage delete btrfs subvolumes plain

# --- full ---

# The device is as large as df says, and one instance writes until the kernel refuses.
sysct launch busybox witness
sysct storage create small btrfs size=256MiB
truncate -s 64M "$TMPDIR/small.img"
mkfs.ext4 -q -m 0 "$TMPDIR/small.img"
mkdir "$TMPDIR/ext4"
mount -o loop "$TMPDIR/small.img" "$TMPDIR/ext4"
sysct storage create full dir source="$TMPDIR/ext4"
fill() { inside "$1" 'dd if=/dev/zero of=/root/big bs=1M; sync; i=0; while echo x >/root/small.$i; do i=$((i + 1)); done' >/dev/null 2>&1 || true; }
refused() { # WHAT COMMAND...: one line that says why
	local said
	if said=$("${@:2}" 2>&1); then tap_result 1 "$1" "it succeeded"; return 0; fi
	like "$said" 'No space left on device' "$1"
	is "$(wc -l <<<"$said")" 1 "$1: in one line"
}
for pool in small full; do
	ok sysct launch busybox "$pool" -s "$pool"
	ok sysct snapshot create "$pool" early
	ok sysct init busybox other -s "$pool"
	fill "$pool"
	before=$(volumes "$pool")
	refused "$pool: copy from another pool" sysct copy witness new -s "$pool"
	if [ "$pool" = full ]; then # btrfs keeps some blocks of the kind that a snapshot needs
		refused "$pool: launch" sysct launch busybox new -s "$pool"
		refused "$pool: snapshot" sysct snapshot create "$pool" late
		refused "$pool: copy" sysct copy "$pool" new
	fi
	fails -n "$pool: no instance stays" sysct config show new
	is "$(sysct snapshot list "$pool" -f csv | cut -d, -f1)" early "$pool: no snapshot stays"
	is "$(volumes "$pool")" "$before" "$pool: no file stays"
	is "$(sysct list "$pool" -f csv -c s)" RUNNING "$pool: it runs on"
	ok -n "$pool: and reads" inside "$pool" 'cat /etc/passwd'
	ok sysct stop -f "$pool"
	ok sysct start "$pool"
	daemon_stop
	daemon_start
	ok -n "$pool: the daemon starts" daemon_answers
	ok sysct snapshot delete "$pool" early
	ok sysct delete -f "$pool"
	ok -n "$pool: what is deleted frees space" wait_until 20 swept "$pool"
	ok sysct launch busybox new -s "$pool"
	# btrfs frees what was in a subvolume in the background, after the next commit.
	ok -n "$pool: which can be written to" wait_until 60 inside new 'dd if=/dev/zero of=/root/big bs=1M count=20'
	ok sysct delete -f new other
	ok sysct storage delete "$pool"
done
ok inside witness true
daemon_end
umount "$TMPDIR/host" "$TMPDIR/ext4"
done_testing
