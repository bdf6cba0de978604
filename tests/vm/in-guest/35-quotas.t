#!/bin/bash
# "size" on overlay and dir by project quotas of ext4 and xfs: what df says, what happens at the limit, what snapshots,
# restores, copies and merged layers count, and that root of an instance cannot leave its project. Each kind of file system
# is a small one of its own. The kernels that most of the other tests run on cannot do this.
# shellcheck disable=SC2016 # for shells in the instances
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=tests/vm/in-guest/guest.sh
. "$(dirname "$0")/guest.sh"

disks=/root/disks
mkdir -p $disks
inside() { sysct exec "$1" -- sh -c "$2"; }
put() { inside "$1" "dd if=/dev/zero of=$2 bs=64k count=$(($3 * 16)) && sync"; } # NAME FILE MIB
size_of() { inside "$1" "df -k ${2:-/} | awk 'END { print \$(NF - 4) }'"; }      # in KiB, as df says it
used_of() { inside "$1" "df -k ${2:-/} | awk 'END { print \$(NF - 3) }'"; }
between() { [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]; }
project_of() { lsattr -pd "$1" | awk '{ print $1 }'; }
layers_of() { # NAME: directories, its own first
	sqlite3 $state/sysct.db "WITH RECURSIVE chain (d, p) AS (SELECT l.directory, l.parent_id FROM instances i JOIN storage_layers l
		ON l.id = i.layer_id WHERE i.name = '$1' UNION ALL SELECT l.directory, l.parent_id FROM chain JOIN storage_layers l ON l.id = p)
		SELECT d FROM chain"
}
project() { project_of "$state/storage-pools/$2/$(layers_of "$1" | head -1)"; } # NAME POOL: of what it writes into
few_layers() { [ "$(layers_of "$1" | wc -l)" -le "$2" ]; }
swept() { [ -z "$(find "$state/storage-pools/$1/" -maxdepth 2 -name '.del-*')" ]; }
file_system() { # NAME KIND OPTIONS
	truncate -s 500M "$disks/$1.img"
	case $2 in
	projects) mkfs.ext4 -q -O quota,project -E quotatype=prjquota "$disks/$1.img" ;;
	ext4) mkfs.ext4 -q "$disks/$1.img" ;;
	xfs) mkfs.xfs -q "$disks/$1.img" ;;
	esac
	mkdir -p "$disks/$1"
	mount -o "loop,$3" "$disks/$1.img" "$disks/$1"
	mkdir -p "$disks/$1/over" "$disks/$1/dir"
}
file_system_end() {
	umount "$disks/$1"
	rm "$disks/$1.img"
}

# --- what is missing is said ---

file_system none ext4 rw
file_system counted projects rw
file_system xfsnone xfs rw
for name in none counted xfsnone; do sysct storage create $name dir source=$disks/$name/dir; done
complains 'ext4, does not count projects: it needs the features "project" and "quota"' sysct init busybox no -s none -d root,size=1GiB
complains 'ext4, counts projects and does not limit them: mount it with the option "prjquota"' sysct init busybox no -s counted -d root,size=1GiB
complains 'xfs, does not limit projects: mount it with the option "prjquota"' sysct storage volume create xfsnone no size=1GiB
mkdir $disks/counted/theirs
for name in none counted xfsnone; do
	sysct storage delete $name
	file_system_end $name
done

# --- root disks ---

foreign() { # NAME: root inside tries to leave its project
	tar -C / -chf - usr/bin/chattr "$(ldd /usr/bin/chattr | sed -n 's,.*/\(lib[^/]*/ld-[^ ]*\).*,\1,p')" \
		$(ldd /usr/bin/chattr | sed -n 's,.*=> /\([^ ]*\).*,\1,p') | sysct exec "$1" -- sh -c 'mkdir -p /e && tar -C /e -xf -'
	inside "$1" 'try() { /e/lib64/ld-linux-x86-64.so.2 --library-path /e/lib/x86_64-linux-gnu /e/usr/bin/chattr "$@" 2>&1; }
		touch /root/f; mkdir -p /root/d; try +A /root/f && echo may; try -p 0 /root/f; try -P /root/d; try -p 4711 /root/d'
}

at_the_limit() { # POOL
	local pool=$1 before pid
	ok -n "$pool: an instance with a size" sysct launch busybox q -s "$pool" -d root,size=64MiB
	is "$(size_of q)" 65536 "$pool: df says the size"
	before=$(used_of q)
	ok -n "$pool: it writes" put q /root/a 20
	ok -n "$pool: which df counts" between $(($(used_of q) - before)) 20400 21200
	pid=$(instance_init_pid q)
	fails -n "$pool: more than the size" put q /root/b 60
	like "$(inside q 'echo x >/root/c && dd if=/dev/zero of=/root/c bs=64k count=1000 2>&1' 2>&1 || true)" 'quota exceeded|No space left' "$pool: by the kernel"
	is "$(instance_status q) $(instance_init_pid q)" "Running $pid" "$pool: it lives on"
	ok -n "$pool: the file system has space" test "$(df -m --output=avail "$disks/$kind" | tail -1)" -gt 200
	is "$(inside q 'rm /root/b /root/c; echo ok >/root/small && cat /root/small')" ok "$pool: with space again it writes again"
	is "$(foreign q | sed 's/.*\(may\|Invalid argument\|Operation not permitted\|Permission denied\).*/\1/' | sort -u | tr '\n' ' ')" \
		'Invalid argument may ' "$pool: root inside cannot leave its project"
	inside q 'rm -r /e'
	complains 'the root disk: [0-9.]+MiB are used already, more than the size 8.00MiB' sysct config device set q root size=8MiB
	is "$(size_of q)" 65536 "$pool: the limit is as before"
	ok -n "$pool: it grows while it runs" sysct config device set q root size=100MiB
	is "$(size_of q)" 102400 "$pool: df says so"
	ok -n "$pool: and shrinks" sysct config device set q root size=72MiB
	is "$(size_of q)" 73728 "$pool: df says so, too"
	ok -n "$pool: what is moved and linked stays in the project" inside q 'mv /etc/shells /root/ && ln /etc/passwd /root/p &&
		mv /root/p /etc/passwd2 && mkdir /x && mv /root/a /x/ && mv /x /y && mv /y/a /root/ && ln -s a /root/l && mv /root/l /etc/'
}

with_snapshots() { # POOL: q has 20 MiB of 72
	local pool=$1
	ok -n "$pool: a snapshot while it runs" sysct snapshot create q running
	is "$(size_of q)" 73728 "$pool: changes no limit"
	fails -n "$pool: which holds" put q /root/b 60
	inside q 'rm /root/b'
	sysct stop -f q
	ok -n "$pool: one while it is stopped" sysct snapshot create q stopped
	sysct start q
	is "$(size_of q)" 73728 "$pool: changes none either"
	ok -n "$pool: what it had before counts" test "$(used_of q)" -gt 20400
	fails -n "$pool: so that both are kept to the size" put q /root/b 60
	inside q 'rm /root/a /root/b'
	ok -n "$pool: back to what was taken of the stopped one" sysct restore q stopped
	is "$(size_of q) $(inside q 'stat -c %s /root/a')" "73728 20971520" "$pool: it has its size and its files"
	fails -n "$pool: and the limit" put q /root/b 60
	inside q 'rm /root/b'
	ok -n "$pool: back to what was taken of the running one" sysct restore q running
	ok -n "$pool: which counts as well" between "$(size_of q)" 48000 73728
	fails -n "$pool: so that no more than the size is there" put q /root/b 56
	inside q 'rm /root/b'
	ok -n "$pool: a copy of a snapshot" sysct copy q/stopped c
	sysct start c
	fails -n "$pool: has the limit, with what it shares" put c /root/b 56
	ok -n "$pool: of its own" put q /root/b 10
	ok -n "$pool: by another project" test "$(project q "$pool")" != "$(project c "$pool")"
	sysct delete -f c
	sysct exec q -- reboot >/dev/null 2>&1 || true
	wait_until 60 inside q true
	fails -n "$pool: after a reboot it is as before" put q /root/d 60
	inside q 'rm /root/d'
	ok -n "$pool: without a size" sysct config device unset q root size
	ok -n "$pool: it may have all" put q /root/d 80
	ok -n "$pool: as df says" test "$(size_of q)" -gt 200000
	complains 'are used already, more than the size 20.00MiB' sysct config device set q root size=20MiB
	sysct delete -f q
}

# Files of one project, and of two.
merged() { # POOL
	local pool=$1 i
	sysct launch busybox m -s "$pool" -d root,size=100MiB
	for i in 1 2 3; do
		put m /root/f$i 5 2>/dev/null
		sysct stop -f m
		sysct snapshot create m s$i
		sysct start m
	done
	sysct copy m/s2 n
	sysct start n
	put n /root/mine 5 2>/dev/null
	sysct stop -f n
	sysct snapshot create n own
	sysct delete -f m
	sysct snapshot delete n own
	ok -n "$pool: layers of two projects become one" wait_until 90 few_layers n 2
	sysct start n
	is "$(inside n 'stat -c %s /root/f1 /root/f2 /root/mine' | sort -u)" 5242880 "$pool: with all files"
	ok -n "$pool: which are moved and linked" inside n 'cd /root && ln f1 l1 && mv f2 g2 && mv mine m2 && mkdir d && mv g2 d/'
	fails -n "$pool: the limit is there" put n /root/more 100
	sysct delete -f n
}

# --- volumes ---

volumes() { # POOL
	local pool=$1 name
	ok -n "$pool: a size for new volumes" sysct storage set "$pool" volume.size=32MiB
	sysct storage volume create "$pool" v
	is "$(sysct storage volume get "$pool" v size)" 32MiB "$pool: a volume has it"
	sysct storage volume create "$pool" w size=16MiB
	sysct launch busybox b -s "$pool"
	for name in v w; do sysct storage volume attach "$pool" $name b $name /$name; done
	is "$(size_of b /v) $(size_of b /w)" "32768 16384" "$pool: or its own, and df says it"
	ok -n "$pool: it is written to" put b /v/a 20
	fails -n "$pool: up to the size" put b /v/b 20
	fails -n "$pool: each of them" put b /w/b 20
	inside b 'rm /v/b /w/b'
	complains 'the volume: 2[0-9.]+MiB are used already, more than the size 8.00MiB' sysct storage volume set "$pool" v size=8MiB
	ok -n "$pool: it grows while it is used" sysct storage volume set "$pool" v size=48MiB
	is "$(size_of b /v)" 49152 "$pool: df says so"
	ok -n "$pool: and there is room" put b /v/b 20
	is "$(sysct query "/1.0/storage-pools/$pool/volumes/custom/v/state" | jq .usage.total)" 50331648 "$pool: the API tells the size"
	ok -n "$pool: a snapshot" sysct storage volume snapshot "$pool" v s
	ok -n "$pool: a copy" sysct storage volume copy "$pool/v" "$pool/x"
	complains 'are used already, more than the size 8.00MiB' sysct query --wait -X POST -d '{"name": "y", "config": {"size": "8MiB"},
		"source": {"type": "copy", "name": "v", "pool": "'"$pool"'"}}' "/1.0/storage-pools/$pool/volumes/custom"
	fails -n "$pool: of which nothing is left" sysct storage volume show "$pool" y
	sysct storage volume attach "$pool" x b x /x
	is "$(size_of b /x)" 49152 "$pool: a copy has the size"
	fails -n "$pool: and the limit" put b /x/c 20
	for name in v x; do sysct storage volume detach "$pool" $name b; done
	ok -n "$pool: back to the snapshot" sysct storage volume restore "$pool" v s
	sysct storage volume attach "$pool" v b v /v
	fails -n "$pool: which is limited" put b /v/c 20
	sysct delete -f b
	for name in v w x; do sysct storage volume delete "$pool" $name; done
	sysct storage unset "$pool" volume.size
}

for kind in ext4 xfs; do
	case $kind in ext4) file_system ext4 projects prjquota ;; xfs) file_system xfs xfs prjquota ;; esac
	sysct storage create over-$kind overlay source=$disks/$kind/over
	sysct storage create dir-$kind dir source=$disks/$kind/dir
	for pool in over-$kind dir-$kind; do
		at_the_limit $pool
		with_snapshots $pool
	done
	merged over-$kind
	volumes over-$kind
	volumes dir-$kind

	# --- what the daemon's end leaves, and what a deletion does ---
	sysct launch busybox r -s over-$kind -d root,size=50MiB
	sysct storage volume create over-$kind v size=30MiB
	sysct storage volume attach over-$kind v r v /v
	pid=$(main_pid)
	kill -KILL "$pid"
	wait_until 30 gone "$pid"
	wait_until 60 sysct list
	is "$(size_of r) $(size_of r /v)" "51200 30720" "$kind: limits outlive the daemon"
	sysct delete -f r
	sysct storage volume delete over-$kind v
	for pool in over-$kind dir-$kind; do
		ok -n "$pool: all is removed" wait_until 60 swept $pool
		ok -n "$pool: the pool is deleted" sysct storage delete $pool
	done
	file_system_end $kind
done
done_testing
