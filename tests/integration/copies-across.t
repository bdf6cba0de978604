#!/bin/bash
# Instances and their snapshots from pool to pool: copied, moved and brought up to date, between all drivers. Each
# time the whole tree is compared: names, kinds, owners, modes, times, links, attributes and contents.
set -euo pipefail
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/daemon.sh"

# As root of the host sees it, with ids from 0; without what the daemon or the boot writes.
manifest() { # INSTANCE
	local pid base
	pid=$(instance_init_pid "$1")
	base=$(awk 'NR == 1 { print $2 }' "/proc/$pid/uid_map")
	python3 - "/proc/$pid/root" "$base" <<-'EOF'
		import hashlib, os, stat, sys
		top, base = sys.argv[1], int(sys.argv[2])
		skip = {"proc", "sys", "dev", "run", "tmp", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/resolv.conf.new"}
		names, rows = {}, []
		def look(path):
		    whole = os.path.join(top, path)
		    s = os.lstat(whole)
		    row = [path, oct(s.st_mode), s.st_uid - base, s.st_gid - base]
		    if not stat.S_ISDIR(s.st_mode):
		        row += [s.st_size, s.st_mtime_ns, s.st_nlink, names.setdefault((s.st_dev, s.st_ino), path)]
		    if stat.S_ISLNK(s.st_mode):
		        row.append(os.readlink(whole))
		    else:
		        row.append(sorted((n, os.getxattr(whole, n)) for n in os.listxattr(whole) if n.startswith("user.")))
		    if stat.S_ISREG(s.st_mode):
		        row.append(hashlib.sha256(open(whole, "rb").read()).hexdigest())
		    rows.append(row)
		    if stat.S_ISDIR(s.st_mode):
		        for name in sorted(os.listdir(whole)):
		            below = os.path.join(path, name)
		            if below not in skip:
		                look(below)
		look("")
		for row in rows:
		    print(*row)
	EOF
}

write() { # INSTANCE NUMBER: a state that is like no other
	sysct exec "$1" -- sh -c "
		echo $2 >/root/number
		mkdir -p /srv/d$2/sub /srv/again /srv/moved && rm -r /srv/again && mkdir /srv/again && echo $2 >/srv/again/only-$2
		mv /srv/moved /srv/moved-$2 && mkdir /srv/moved
		echo text >/srv/d$2/one && ln /srv/d$2/one /srv/d$2/two && ln -s ../one /srv/d$2/sub/link
		chown $2:5 /srv/d$2/one && chmod 4711 /srv/d$2/one && mkfifo /srv/d$2/fifo
		dd if=/dev/urandom of=/srv/random bs=1k count=300 2>/dev/null
		echo x >/srv/d$2/.wh.x; rm -rf /srv/d$(($2 - 1)) /bin/vi; touch -d 2001-02-03 /srv/d$2/two"
}

compare() { # INSTANCE FILE NAME
	is "$(manifest "$1" | diff - "$2" | head -5)" "" "$3"
}

all_states() { # INSTANCE FROM
	local state
	for state in s1 s2; do
		sysct restore "$1" "$state"
		compare "$1" "$TMPDIR/$state" "$1 from $2 has snapshot $state as it was"
	done
}

daemon_start
mkdir "$TMPDIR/plain" "$TMPDIR/over"
sysct storage create fast btrfs size=1GiB
sysct storage create plain dir source="$TMPDIR/plain"
sysct storage create over overlay source="$TMPDIR/over"
sysct launch busybox one
for state in 1 2 3; do
	write one $state
	manifest one >"$TMPDIR/s$state"
	[ $state = 3 ] || sysct snapshot create one s$state
done

for pool in fast plain over; do
	ok sysct copy one "to-$pool" --storage $pool --start
	compare "to-$pool" "$TMPDIR/s3" "a copy in $pool is as the running instance is"
	is "$(sysct query "/1.0/instances/to-$pool" | jq -r '.expanded_devices.root.pool')" $pool "and is in $pool"
	all_states "to-$pool" default
done

# Between them, and back.
sysct stop -f to-fast to-plain to-over
for pair in fast:plain plain:over over:fast fast:default; do
	from=${pair%:*} to=${pair#*:}
	ok sysct copy "to-$from/s2" "$from-$to" --storage "$to" --start
	compare "$from-$to" "$TMPDIR/s2" "a snapshot from $from, copied to $to"
	sysct delete -f "$from-$to"
done

# ---- brought up to date ----

for pool in fast plain over; do
	ok sysct copy one "to-$pool" --refresh
	sysct start "to-$pool"
	compare "to-$pool" "$TMPDIR/s3" "a copy in $pool is brought up to date"
	complains 'runs: stop it first' sysct copy one "to-$pool" --refresh
	sysct stop -f "to-$pool"
done
sysct copy one beside
write one 4
manifest one >"$TMPDIR/s4"
sysct snapshot delete one s1
sysct snapshot create one s4
for copy in to-fast to-plain to-over beside; do
	ok sysct copy one $copy --refresh
	is "$(sysct snapshot list $copy -f csv | cut -d, -f1 | tr '\n' ' ')" "s2 s4 " "$copy has the snapshots that the source has"
	sysct start $copy
	compare $copy "$TMPDIR/s4" "$copy is what the source is now"
	sysct restore $copy s2
	compare $copy "$TMPDIR/s2" "$copy has an old snapshot as it was"
	sysct restore $copy s4
	compare $copy "$TMPDIR/s4" "$copy has the new snapshot"
done
complains 'no copy of itself' sysct copy one one --refresh
complains 'not from a snapshot' sysct copy one/s2 beside --refresh
sysct delete -f beside to-fast to-plain to-over

# ---- moved ----

complains 'running instance' sysct move one --storage fast
sysct stop -f one
address=$(sysct config get one volatile.eth0.hwaddr)
for pool in fast plain over default; do
	ok sysct move one --storage $pool
	sysct start one
	compare one "$TMPDIR/s4" "it is in $pool what it was"
	sysct restore one s2
	compare one "$TMPDIR/s2" "and so is its snapshot"
	sysct restore one s4
	sysct stop -f one
done
is "$(sysct config get one volatile.eth0.hwaddr)" "$address" "it is the same instance"
complains 'already' sysct move one --storage default
complains 'not found' sysct move one --storage nowhere
complains 'not found' sysct copy one x --storage nowhere
ok sysct move one other --storage fast
ok sysct config show other
sysct delete -f other
ok sysct storage delete fast plain over
daemon_end
done_testing
