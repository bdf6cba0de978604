# Sourced after tap.sh and daemon.sh: what "size" means on every driver that can. Sizes are in MiB; the pool's name is $1.
# shellcheck shell=bash
# shellcheck disable=SC2016 # for shells in the instances
#
# df_tells: whether df inside says the size (project quotas), or the whole file system (quota groups of btrfs).

df_tells=1

inside() { sysct exec "$1" -- sh -c "$2"; }
put() { inside "$1" "sync; dd if=/dev/zero of=$2 bs=64k count=$(($3 * 16)) && sync"; }   # NAME FILE MIB
drop() { inside "$1" "rm -f ${*:2}; sync"; } # NAME FILE...: btrfs counts what is on the disk
# As df says it; but that of busybox takes another mount of the same file system.
size_of() { inside "$1" "stat -f -c '%b %S' ${2:-/}" | awk '{ print $1 * $2 / 1048576 }'; }     # NAME [PATH]: in MiB
says() { [ $df_tells = 0 ] || [ "$(size_of "$1" "${3:-/}")" = "$2" ]; }                 # NAME SIZE [PATH]
says_less() { [ $df_tells = 0 ] || between "$(printf %.0f "$(size_of "$1")")" $(($2 - 10)) "$2"; } # NAME SIZE: by what a snapshot takes
used_of() { inside "$1" "stat -f -c '%b %f %S' ${2:-/}" | awk '{ print ($1 - $2) * $3 / 1024 }'; } # in KiB
between() { [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]; }

# Leaves q, which has 8 MiB of 28.
quota_of_roots() {
	local pool=$1 before pid
	ok -n "$pool: an instance with a size" sysct launch busybox q -s "$pool" -d root,size=24MiB
	ok -n "$pool: df says the size" says q 24
	before=$(used_of q)
	ok -n "$pool: it writes" put q /root/a 8
	[ $df_tells = 0 ] || ok -n "$pool: which df counts" between $(($(used_of q) - before)) 8190 8600
	pid=$(instance_init_pid q)
	fails -n "$pool: more than the size" put q /root/b 24
	like "$(inside q 'dd if=/dev/zero of=/root/b bs=64k count=400 2>&1' 2>&1 || true)" 'quota exceeded|No space left' "$pool: by the kernel"
	is "$(instance_status q) $(instance_init_pid q)" "Running $pid" "$pool: it lives on"
	ok -n "$pool: and so can others" sysct launch busybox other -s "$pool"
	ok -n "$pool: write" put other /root/b 24
	sysct delete -f other
	is "$(inside q 'rm -f /root/b; sync; echo ok >/root/small && cat /root/small')" ok "$pool: with space again it writes again"
	complains 'the root disk: [0-9.]+MiB are used already, more than the size 6.00MiB' sysct config device set q root size=6MiB
	ok -n "$pool: the limit is as before" says q 24
	ok -n "$pool: it grows while it runs" sysct config device set q root size=40MiB
	ok -n "$pool: df says so" says q 40
	like "$(sysct info q | grep Total)" '40\.00MiB' "$pool: so does info"
	is "$(sysct query '/1.0/instances?recursion=2&filter=name+eq+q' | jq '.[].state.disk.root.total')" 41943040 "$pool: and a list"
	ok -n "$pool: and gives room" put q /root/b 24
	drop q /root/b
	ok -n "$pool: it shrinks" sysct config device set q root size=28MiB
	ok -n "$pool: df says so, too" says q 28
	fails -n "$pool: and the kernel" put q /root/b 24
	drop q /root/b
}

quota_of_snapshots() { # after quota_of_roots
	local pool=$1
	ok -n "$pool: a snapshot while it runs" sysct snapshot create q running
	ok -n "$pool: changes no limit" says q 28
	fails -n "$pool: which holds" put q /root/b 24
	drop q /root/b
	sysct stop -f q
	ok -n "$pool: one while it is stopped" sysct snapshot create q stopped
	sysct start q
	ok -n "$pool: changes none either" says q 28
	[ $df_tells = 0 ] || ok -n "$pool: what it had before counts" test "$(used_of q)" -gt 8190
	fails -n "$pool: so that both are kept to the size" put q /root/b 24
	drop q /root/a /root/b
	ok -n "$pool: back to what was taken of the stopped one" sysct restore q stopped
	is "$(inside q 'stat -c %s /root/a')" 8388608 "$pool: it has its files"
	ok -n "$pool: its size" says q 28
	fails -n "$pool: and the limit" put q /root/b 24
	drop q /root/b
	ok -n "$pool: back to what was taken of the running one" sysct restore q running
	ok -n "$pool: which counts as well" says_less q 28
	fails -n "$pool: so that no more than the size is there" put q /root/b 22
	drop q /root/b
	ok -n "$pool: a copy of a snapshot" sysct copy q/stopped c
	sysct start c
	fails -n "$pool: has the limit, with what it shares" put c /root/b 22
	ok -n "$pool: of its own" put q /root/b 4
	sysct delete -f c
}

has_rebooted() { # NAME PID: of the init before
	local now
	now=$(instance_init_pid "$1") && [ "$now" -gt 0 ] && [ "$now" != "$2" ] && sysct exec "$1" -- true
}

quota_at_reboot() { # after those; removes q
	local pool=$1 pid
	pid=$(instance_init_pid q)
	sysct exec q -- reboot >/dev/null 2>&1 || true
	ok -n "$pool: a reboot" wait_until 60 has_rebooted q "$pid"
	fails -n "$pool: after a reboot it is as before" put q /root/e 24
	drop q /root/e
	sysct profile create sized
	sysct profile device add sized root disk path=/ pool="$pool" size=26MiB
	sysct profile add q sized
	ok -n "$pool: the size of a profile" sysct config device remove q root
	ok -n "$pool: is kept, too" says_less q 26
	ok -n "$pool: and is changed for who runs" sysct profile device set sized root size=30MiB
	ok -n "$pool: at once" says_less q 30
	fails -n "$pool: it has the limit" put q /root/e 30
	drop q /root/e
	ok -n "$pool: without a size" sysct profile device unset sized root size
	ok -n "$pool: it may have all" put q /root/e 40
	complains 'are used already, more than the size 20.00MiB' sysct config device add q root disk path=/ pool="$pool" size=20MiB
	sysct delete -f q
	sysct profile delete sized
}

quota_of_volumes() {
	local pool=$1 name
	ok -n "$pool: a size for new volumes" sysct storage set "$pool" volume.size=16MiB
	sysct storage volume create "$pool" v
	is "$(sysct storage volume get "$pool" v size)" 16MiB "$pool: a volume has it"
	like "$(sysct storage volume info "$pool" v)" 'Usage: .* of 16\.00MiB' "$pool: and info says so"
	sysct storage volume create "$pool" w size=8MiB
	sysct launch busybox b -s "$pool"
	for name in v w; do sysct storage volume attach "$pool" $name b $name /$name; done
	ok -n "$pool: df says it" says b 16 /v
	ok -n "$pool: or its own" says b 8 /w
	ok -n "$pool: it is written to" put b /v/a 10
	fails -n "$pool: up to the size" put b /v/b 10
	fails -n "$pool: each of them" put b /w/b 10
	drop b /v/b /w/b
	complains 'the volume: 1[0-9.]+MiB are used already, more than the size 4.00MiB' sysct storage volume set "$pool" v size=4MiB
	ok -n "$pool: it grows while it is used" sysct storage volume set "$pool" v size=24MiB
	ok -n "$pool: df says so" says b 24 /v
	ok -n "$pool: and there is room" put b /v/b 10
	is "$(sysct query "/1.0/storage-pools/$pool/volumes/custom/v/state" | jq .usage.total)" 25165824 "$pool: the API tells the size"
	ok -n "$pool: a snapshot" sysct storage volume snapshot "$pool" v s
	ok -n "$pool: a copy" sysct storage volume copy "$pool/v" "$pool/x"
	complains 'are used already, more than the size 4.00MiB' sysct query --wait -X POST -d '{"name": "y", "config": {"size": "4MiB"},
		"source": {"type": "copy", "name": "v", "pool": "'"$pool"'"}}' "/1.0/storage-pools/$pool/volumes/custom"
	fails -n "$pool: of which nothing is left" sysct storage volume show "$pool" y
	sysct storage volume attach "$pool" x b x /x
	ok -n "$pool: a copy has the size" says b 24 /x
	fails -n "$pool: and the limit" put b /x/c 10
	ok -n "$pool: without a size" sysct storage volume unset "$pool" x size
	ok -n "$pool: it has none" put b /x/c 10
	for name in v x; do sysct storage volume detach "$pool" $name b; done
	ok -n "$pool: back to the snapshot" sysct storage volume restore "$pool" v s
	sysct storage volume attach "$pool" v b v /v
	fails -n "$pool: which is limited" put b /v/c 10
	sysct delete -f b
	for name in v w x; do sysct storage volume delete "$pool" $name; done
	sysct storage unset "$pool" volume.size
}
