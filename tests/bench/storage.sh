# shellcheck shell=bash disable=SC2016,SC2034,SC2154 # for a shell of its own; variables of and for tap.sh, daemon.sh and lib.sh
# Sourced by tests/bench/figures: snapshots, copies and deletions of the Debian image with 10 MB changed, on each driver,
# against Debian's lxd on the same kind of pool and against the least that must happen.

ten_megabytes() { # COMMAND...: runs dd inside by it
	"$@" dd if=/dev/urandom of=/root/ten bs=1M count=10 status=none
}

snapshot_running_once() {
	sample snapshot_running sysct snapshot create box "r$1"
	sample copy sh -c 'cp -a "$1" "$2" && sync -f "$2"' - "$changed" "$copied"
	rm -r "$copied"
}

snapshot_stopped_once() {
	sample snapshot_stopped sysct snapshot create box "s$1"
	sample restore_stopped sysct restore box "s$1"
	sample copy_snapshot sysct copy "box/s$1" "copy$1"
	sample delete_copy sysct delete "copy$1"
	sample snapshot_delete sysct snapshot delete box "s$1"
	sample durable sysct config set box "user.n=$1"
}

# figure_driver NAME POOL: leaves "box" behind, stopped. What is copied beside is all that the instance has written where that is
# a layer of its own; where whole trees are cloned it is the file.
figure_driver() {
	local name=$1 pool=$2 changed copied adds frozen
	samples=()
	daemon_stop
	daemon_start --debug
	quietly sysct launch debian box -s "$pool"
	finished "$(instance_init_pid box)" >/dev/null
	ten_megabytes sysct exec box --
	changed=$(find "$SYSCT_DIR/storage-pools/$pool" \( -path '*/upper/root/ten' -o -path '*/rootfs/root/ten' \))
	changed=${changed%/root/ten}
	if [[ $changed == */rootfs ]]; then changed+=/root/ten; fi
	copied=$SYSCT_DIR/storage-pools/$pool/copied
	snapshot_running_once 0
	samples=()
	: >"$daemon_log"
	repeat 9 snapshot_running_once
	adds=$(awk "BEGIN { print $(median snapshot_running 1000) - $(median copy 1000) }")
	row "$name-snapshot-adds-to-copying" "${adds}ms" "$(median copy 1000)ms" "$adds" 10ms 10
	while read -r frozen; do add frozen "$frozen"; done < <(sed -n 's/.*frozen_us=\([0-9]*\).*/\1/p' "$daemon_log")
	within "$name-snapshot-frozen" frozen 5 ms
	quietly sysct stop --force box
	repeat 9 snapshot_stopped_once
	within "$name-snapshot-stopped" snapshot_stopped 10 ms
	within "$name-restore" restore_stopped 10 ms
	within "$name-copy-of-snapshot" copy_snapshot 10 ms
	within "$name-delete" delete_copy 10 ms
	within "$name-snapshot-delete" snapshot_delete 10 ms
	compare "$name-snapshot-vs-config-set" snapshot_stopped durable 2
}

figure_snapshot() {
	local driver
	quietly sysct storage create bench-btrfs btrfs size=4GiB
	for driver in overlay btrfs; do
		figure_driver $driver "$([ $driver = overlay ] && echo default || echo bench-btrfs)"
		# LXD's pool of this kind, or the one that works on any file system
		peers $driver "$([ $driver = overlay ] && echo dir || echo btrfs)"
		if [ $driver = btrfs ]; then subvolume_floor bench-btrfs; fi
		quietly sysct delete --force box
	done
	quietly sysct storage delete bench-btrfs
	daemon_stop
	daemon_start
}

# --- against lxd ----------------------------------------------------------------------------------------------------

peer_booted() { [[ $(their lxc exec box -- systemctl is-system-running 2>/dev/null) =~ ^(running|degraded)$ ]]; }

peer_prepare() { # DRIVER: an instance "box" of lxd's in a pool of the driver, with the same change
	[ "$lxd_pid" ] || lxd_begin
	quietly their lxc image info debian || their_image debian-12 debian
	[ "$1" = dir ] || quietly their lxc storage create "$1" "$1" size=4GiB
	quietly their lxc launch debian box -s "$([ "$1" = dir ] && echo default || echo "$1")"
	wait_until 120 peer_booted
	ten_megabytes their lxc exec box --
	quietly their lxc stop --force box
}

# Both clients share these words.
commands() { # SIDE NUMBER CLIENT...
	local side=$1 number=$2
	shift 2
	sample "${side}_snapshot" "$@" snapshot box "p$number"
	sample "${side}_restore" "$@" restore box "p$number"
	sample "${side}_copy" "$@" copy "box/p$number" "peer$number"
	sample "${side}_delete" "$@" delete "peer$number"
}

peer_once() {
	commands our "$1" sysct
	commands their "$1" env -u LXD_SOCKET LXD_DIR="$lxd_directory" LXD_CONF="$TMPDIR/lxd-client" lxc
}

peers() { # NAME DRIVER: ours "box" is there and stopped
	local what
	peer_prepare "$2"
	samples=()
	repeat 5 peer_once
	for what in snapshot restore copy delete; do compare "$1-$what-vs-lxd-$2" "our_$what" "their_$what" 0.25; done
	quietly their lxc delete --force box
}

# What a snapshot cannot be faster than where a tree is cloned at once.
subvolume_floor() { # POOL, whose only instance is "box"
	local tree i pool=$SYSCT_DIR/storage-pools/$1
	tree=$(find "$pool" -maxdepth 4 -path "$pool/images" -prune -o -name rootfs -print -quit)
	samples=()
	for ((i = 0; i < 9; i++)); do
		sample floor sh -c 'btrfs subvolume snapshot "$1" "$2" && sync -f "$2"' - "$tree" "$pool/floor$i"
		sample snapshot sysct snapshot create box "f$i"
	done
	compare btrfs-snapshot-vs-subvolume snapshot floor 2
	btrfs subvolume delete "$pool/"floor* >/dev/null
}

# --- much, and many -------------------------------------------------------------------------------------------------

transfer_once() { # NUMBER
	sample across sysct copy big "far$1" -s far
	quietly sysct delete "far$1"
	sample cp sh -c 'cp -a "$1" "$2" && sync -f "$2"' - "$upper" "$SYSCT_DIR/storage-pools/far/copied"
	rm -r "$SYSCT_DIR/storage-pools/far/copied"
	sample idle sleep 0.5 # what was deleted goes
}

# 1 GB from one pool into another.
figure_transfer() {
	local upper
	mkdir "$TMPDIR/far"
	quietly sysct storage create far dir source="$TMPDIR/far"
	quietly sysct launch busybox big
	sysct exec big -- dd if=/dev/urandom of=/root/big bs=1M count=1024 2>/dev/null
	quietly sysct stop --force big
	upper=$(dirname "$(find "$SYSCT_DIR/storage-pools/default" -path '*/upper/root/big')")
	transfer_once 0
	samples=()
	repeat 3 transfer_once
	compare copy-1GiB-across-vs-cp across cp 1.25
	quietly sysct delete big
	quietly sysct storage delete far
}

figure_thousand() {
	local i
	crowd 1 50
	for ((i = 1; i <= 50; i++)); do
		stopwatch -n 20 -j 1 sysct snapshot create "crowd$i" 's{}' >/dev/null
	done
	repeat 40 sample_list
	repeat 20 sample_list_full
	within list-50-with-1000-snapshots list 20 ms
	row all-of-50-with-1000-snapshots "$(median list_full 1000)ms" - 0 none 1
	sleep 35 # finished operations can be read for 30 s; then memory is given back
	add daemon "$(private_memory "$daemon_pid")"
	within daemon-private-1000-snapshots daemon 16 MiB
	disperse 1 50
}

# What lxc asks for: 2 MB of JSON.
sample_list_full() { sample list_full curl -s -o /dev/null --unix-socket "$SYSCT_DIR/unix.socket" 'http://x/1.0/instances?recursion=2'; }
