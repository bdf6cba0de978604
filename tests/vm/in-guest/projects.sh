# Sourced by the programs about project quotas, after guest.sh and tests/lib/quotas.sh: a file system with a pool of each driver.
# shellcheck shell=bash
# shellcheck disable=SC2016 # for shells in the instances
disks=/root/disks
mkdir -p $disks
project_of() { lsattr -pd "$1" | awk '{ print $1 }'; }
layers_of() { # NAME: directories, its own first
	sqlite3 "${state:?}/sysct.db" "WITH RECURSIVE chain (d, p) AS (SELECT l.directory, l.parent_id FROM instances i JOIN storage_layers l
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

pools_begin() { # KIND: the pools over-KIND and dir-KIND, on a file system that limits projects
	case $1 in ext4) file_system ext4 projects prjquota ;; xfs) file_system xfs xfs prjquota ;; esac
	sysct storage create "over-$1" overlay source="$disks/$1/over"
	sysct storage create "dir-$1" dir source="$disks/$1/dir"
}
pools_end() { # KIND
	local pool
	for pool in "over-$1" "dir-$1"; do
		ok -n "$pool: all is removed" wait_until 60 swept "$pool"
		ok -n "$pool: the pool is deleted" sysct storage delete "$pool"
	done
	file_system_end "$1"
}

foreign() { # NAME: root inside tries to leave its project
	local files
	mapfile -t files < <(ldd /usr/bin/chattr | grep -oE '/[^ ]+')
	tar -C / -chf - usr/bin/chattr "${files[@]#/}" 2>/dev/null | sysct exec "$1" -- sh -c 'mkdir -p /e && tar -C /e -xf -'
	inside "$1" 'try() { /e/lib64/ld-linux-x86-64.so.2 --library-path /e/lib/x86_64-linux-gnu /e/usr/bin/chattr "$@" 2>&1; }
		touch /root/f; mkdir -p /root/d; try +A /root/f && echo may; try -p 0 /root/f; try -P /root/d; try -p 4711 /root/d; true'
}

# Files of one project, and of two: what was taken while it ran has its own.
merged() { # POOL
	local pool=$1 i
	sysct launch busybox m -s "$pool" -d root,size=40MiB
	put m /root/f1 2 2>/dev/null
	sysct snapshot create m running
	sysct restore m running
	for i in 2 3; do
		put m /root/f$i 2 2>/dev/null
		sysct stop -f m
		sysct snapshot create m s$i
		sysct start m
	done
	ok -n "$pool: there are layers" test "$(layers_of m | wc -l)" -ge 4
	is "$(for i in $(layers_of m); do project_of "$state/storage-pools/$pool/$i"; done | sort -u | wc -l)" 2 "$pool: of two projects"
	sysct stop -f m
	for i in running s2 s3; do sysct snapshot delete m $i; done
	ok -n "$pool: they become one" wait_until 90 few_layers m 2
	sysct start m
	is "$(inside m 'stat -c %s /root/f1 /root/f2 /root/f3' | sort -u)" 2097152 "$pool: with all files"
	ok -n "$pool: which are moved and linked" inside m 'cd /root && ln f1 l1 && mv f2 g2 && mv f3 m3 && mkdir d && mv g2 d/'
	fails -n "$pool: the limit is there" put m /root/more 40
	sysct delete -f m
}
