#!/bin/bash
# "size" on overlay and dir by project quotas of ext4 and xfs, which the kernels that other tests run on need not have: at the
# limit, with snapshots, restores, copies and merged layers, and that root of an instance cannot leave its project.
# shellcheck disable=SC2016 # for shells in the instances
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=tests/vm/in-guest/guest.sh
. "$(dirname "$0")/guest.sh"
# shellcheck source=tests/lib/quotas.sh
. "$(dirname "$0")/../../lib/quotas.sh"

disks=/root/disks
mkdir -p $disks
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
	truncate -s 400M "$disks/$1.img"
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
for name in none counted xfsnone; do
	sysct storage delete $name
	file_system_end $name
done

foreign() { # NAME: root inside tries to leave its project
	local files
	mapfile -t files < <(ldd /usr/bin/chattr | grep -oE '/[^ ]+')
	tar -C / -chf - usr/bin/chattr "${files[@]#/}" 2>/dev/null | sysct exec "$1" -- sh -c 'mkdir -p /e && tar -C /e -xf -'
	inside "$1" 'try() { /e/lib64/ld-linux-x86-64.so.2 --library-path /e/lib/x86_64-linux-gnu /e/usr/bin/chattr "$@" 2>&1; }
		touch /root/f; mkdir -p /root/d; try +A /root/f && echo may; try -p 0 /root/f; try -P /root/d; try -p 4711 /root/d; true'
}

# Files of one project, and of two.
merged() { # POOL
	local pool=$1 i
	sysct launch busybox m -s "$pool" -d root,size=40MiB
	for i in 1 2 3; do
		put m /root/f$i 2 2>/dev/null
		sysct stop -f m
		sysct snapshot create m s$i
		sysct start m
	done
	sysct copy m/s2 n
	sysct start n
	put n /root/mine 2 2>/dev/null
	sysct stop -f n
	sysct snapshot create n own
	sysct delete -f m
	sysct snapshot delete n own
	ok -n "$pool: layers of two projects become one" wait_until 90 few_layers n 2
	sysct start n
	is "$(inside n 'stat -c %s /root/f1 /root/f2 /root/mine' | sort -u)" 2097152 "$pool: with all files"
	ok -n "$pool: which are moved and linked" inside n 'cd /root && ln f1 l1 && mv f2 g2 && mv mine m2 && mkdir d && mv g2 d/'
	fails -n "$pool: the limit is there" put n /root/more 40
	sysct delete -f n
}

for kind in ext4 xfs; do
	case $kind in ext4) file_system ext4 projects prjquota ;; xfs) file_system xfs xfs prjquota ;; esac
	sysct storage create over-$kind overlay source=$disks/$kind/over
	sysct storage create dir-$kind dir source=$disks/$kind/dir
	for pool in over-$kind dir-$kind; do
		quota_of_roots $pool
		is "$(foreign q | sed 's/.*\(may\|Invalid argument\|not permitted\|Permission denied\).*/\1/' | sort -u | tr '\n' ' ')" \
			'Invalid argument may ' "$pool: root inside cannot leave its project"
		inside q 'rm -r /e'
		ok -n "$pool: what is moved and linked stays in the project" inside q 'mv /etc/shells /root/ && ln /etc/passwd /root/p &&
			mv /root/p /etc/passwd2 && mkdir /x && mv /root/a /x/ && mv /x /y && mv /y/a /root/ && ln -s a /root/l && mv /root/l /etc/'
		quota_of_snapshots $pool
		sysct copy q c
		ok -n "$pool: a copy has a project of its own" test "$(project q $pool)" != "$(project c $pool)"
		ok -n "$pool: above those of others" test "$(project c $pool)" -ge $((0x10000000))
		sysct delete c
		quota_at_reboot $pool
	done
	merged over-$kind

	# --- the daemon's end ---
	sysct launch busybox r -s over-$kind -d root,size=20MiB
	sysct init busybox old -s over-$kind # as made before the file system had quotas
	directory=$state/storage-pools/over-$kind/$(layers_of old | head -1)
	chattr -P "$directory" && chattr -p 0 "$directory"
	sysct config device set old root size=20MiB
	complains 'the root disk: it was made before its file system limited projects: make a copy' sysct start old
	sysct copy old new
	ok -n "$kind: a copy can be kept to it" sysct start new
	ok -n "$kind: to its size" says new 20
	sysct delete -f old new
	pid=$(main_pid)
	kill -KILL "$pid"
	wait_until 30 gone "$pid"
	wait_until 60 sysct list
	ok -n "$kind: limits outlive the daemon" says r 20
	sysct delete -f r
	for pool in over-$kind dir-$kind; do
		ok -n "$pool: all is removed" wait_until 60 swept $pool
		ok -n "$pool: the pool is deleted" sysct storage delete $pool
	done
	file_system_end $kind
done
done_testing
