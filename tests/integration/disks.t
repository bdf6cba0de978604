#!/bin/bash
# Disks beside the root disk: ids, flags and what happens below them; coming and going while the instance runs, and with it;
# what a hostile instance can do to the mount point; the death of everybody involved. Volumes are in volumes.t.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

add() { sysct config device add box "$1" disk "${@:2}"; }
drop() { sysct config device remove box "$@"; }
refused() { complains "$1" add bad "${@:2}"; } # PATTERN KEY=VALUE...
inside() { sysct exec box -- sh -c "$1"; }
mounted() { inside "grep -c ' $1 ' /proc/self/mountinfo || true"; } # PATH: how often
owner() { inside "stat -c '%u %g' $1"; }

daemon_start
sysct launch busybox box
init=$(instance_init_pid box)
root=$(awk '/^Uid:/ { print $2 }' "/proc/$init/status")
where=$TMPDIR/host
mkdir -m 755 "$where" "$where"/{plain,shifted,empty}
echo host >"$where/plain/file"
chown "$((root + 33)):$((root + 44))" "$where/plain/file"
echo user >"$where/plain/user"
chown 1234:1234 "$where/plain/user"
chmod 777 "$where/plain"

# --- ids of the host ---

ok -n "a directory of the host" add plain source="$where/plain" path=/srv/deep/plain
is "$(inside 'cat /srv/deep/plain/file')" host "is there at once"
is "$(owner /srv/deep/plain/file)" "33 44" "an id of the instance's range is the instance's"
is "$(owner /srv/deep/plain/user)" "65534 65534" "another is nobody's"
is "$(owner /srv/deep)" "0 0" "what leads there belongs to the instance's root"
inside 'echo inside >/srv/deep/plain/made && chown 5:6 /srv/deep/plain/made'
is "$(stat -c '%u %g' "$where/plain/made")" "$((root + 5)) $((root + 6))" "what the instance makes has its ids on the host"
fails -n "it cannot write what is nobody's" inside 'echo x >/srv/deep/plain/user'
is "$(sysct config device get box plain source)" "$where/plain" "the device says so"

# --- shifted ids ---

chown 7:8 "$where/shifted"
chmod 755 "$where/shifted"
echo root >"$where/shifted/root"
mknod "$where/shifted/null" c 1 3
chmod 666 "$where/shifted/null"
ok -n "with shifted ids" add shifted source="$where/shifted" path=/srv/shifted shift=true
is "$(owner /srv/shifted)" "7 8" "ids of the source are those of the instance"
is "$(owner /srv/shifted/root)" "0 0" "root's too"
inside 'echo one >/srv/shifted/one && chown 1000:65535 /srv/shifted/one'
is "$(stat -c '%u %g' "$where/shifted/one")" "1000 65535" "and the other way"
options() { inside "awk '\$5 == \"$1\" { print \$6 }' /proc/self/mountinfo"; }
like "$(options /srv/shifted)" '(^|,)nodev(,|$)' "no devices"
like ",$(options /srv/shifted)," '^,rw,' "and nothing else is forbidden"
is "$(options /srv/shifted | grep -c nosuid || true)" 0 "not even suid bits"
fails -n "a device node of the host is none inside" inside 'echo x >/srv/shifted/null'
complains 'cannot be mounted with shifted ids: set shift=false' add bad source=/proc/sys path=/srv/bad shift=true

# --- read-only ---

ok -n "read-only" add ro source="$where/shifted" path=/srv/ro readonly=true shift=true
fails -n "cannot be written" inside 'echo x >/srv/ro/new'
fails -n "and the instance cannot change that" inside 'mount -o remount,rw,bind /srv/ro'
inside 'mkdir -p /srv/again && mount --bind /srv/ro /srv/again'
fails -n "not by binding it again" inside 'mount -o remount,rw,bind /srv/again'
fails -n "nor by a new user namespace" inside 'unshare -rm mount -o remount,rw,bind /srv/ro'
ok -n "what is read-write elsewhere stays so" inside 'echo x >/srv/shifted/new'
inside 'umount /srv/again'

# --- a file ---

echo text >"$where/text"
ok -n "a file" add file source="$where/text" path=/etc/deep/text
is "$(inside 'cat /etc/deep/text')" text "has its text"
refused 'is a directory in the instance, and the source is a file' source="$where/text" path=/srv
refused 'is no directory' source="$where/empty" path=/etc/deep/text/below
drop file

# --- mounts below, and later ones ---

mkdir "$where/tree" "$where/tree/sub" "$where/tree/later"
mount -t tmpfs sub "$where/tree/sub"
echo below >"$where/tree/sub/file"
add flat source="$where/tree" path=/srv/flat
add deep source="$where/tree" path=/srv/tree recursive=true
is "$(inside 'ls /srv/flat/sub')" "" "what is mounted below is not seen"
is "$(inside 'cat /srv/tree/sub/file')" below "but recursively"
fails -n "nor can the instance look below it" inside 'umount /srv/tree/sub'
refused 'propagation "shared" is not supported' source="$where/tree" path=/srv/x propagation=shared
refused 'not a propagation' source="$where/tree" path=/srv/x propagation=other
mount --bind "$where/tree" "$where/tree"
mount --make-shared "$where/tree"
sysct config device set box deep propagation=slave
mount -t tmpfs later "$where/tree/later"
echo later >"$where/tree/later/file"
is "$(inside 'cat /srv/tree/later/file')" later "a slave sees what the host mounts later"
is "$(inside 'ls /srv/flat/later')" "" "others do not"
umount "$where/tree/later"
is "$(inside 'ls /srv/tree/later')" "" "and that it is unmounted"
drop deep flat
umount "$where/tree" "$where/tree/sub"

# --- tmpfs ---

ok -n "a tmpfs with a size" add small source=tmpfs: path=/srv/small size=1MiB
is "$(inside 'df -k /srv/small | tail -n 1' | awk '{ print $2 }')" 1024 "has that size"
fails -n "no more goes in" inside 'head -c 2097152 /dev/zero >/srv/small/zero'
complains 'failed: ' inside 'mount -o remount,size=100M /srv/small'
is "$(owner /srv/small)" "0 0" "it is the instance's root's"
refused 'a tmpfs has no "shift"' source=tmpfs: path=/srv/x shift=true
refused 'has no "size"' source="$where/empty" path=/srv/x size=1MiB
drop small

# --- what is refused ---

refused 'is missing: make it, or set required=false' source="$where/none" path=/srv/x
refused 'not an absolute path' source="$where/empty" path=srv/x
refused 'not an absolute path' source="$where/empty" path=/srv/../x
refused 'not an absolute path' source="$where/empty" path=/srv//x
refused 'not an absolute path' source="$where/empty" path=/srv/x/
refused 'source: .*not an absolute path' source=empty path=/srv/x
refused 'both at /srv/ro' source="$where/empty" path=/srv/ro
refused 'both a root disk' pool=default path=/
refused 'has no "source"' path=/srv/x
refused 'has no "path"' source="$where/empty"
refused 'is a device: mount it on the host' source=/dev/null path=/srv/x
refused '"boot.priority" of a disk is not supported' source="$where/empty" path=/srv/x boot.priority=1
refused '"limits.read" of a disk is not supported by sysct: the I/O' source="$where/empty" path=/srv/x limits.read=1MB
refused '"ceph.user_name" .*no Ceph' source="$where/empty" path=/srv/x ceph.user_name=x
refused '"io.cache" .*virtual machines' source="$where/empty" path=/srv/x io.cache=none
refused '"raw.mount.options"' source="$where/empty" path=/srv/x raw.mount.options=noatime
refused 'has no key "nonsense"' source="$where/empty" path=/srv/x nonsense=1
complains 'root disk .*has no "readonly"' sysct profile device set default root readonly=true
is "$(sysct config device list box | sort | tr '\n' ' ')" "plain ro shifted " "none of them is stored"
is "$(mounted /srv/x)" 0 "nor mounted"

# --- a hostile instance ---

mkdir "$where/trap"
inside "mkdir -p '$where' /real; ln -s '$where/trap' '$where/trap'; ln -s /etc /srv/etc; ln -s ../../../../../../../..'$where' /srv/out"
refused 'symbolic link in /srv/etc in the instance' source="$where/empty" path=/srv/etc
refused 'symbolic link in /srv/etc/x' source="$where/empty" path=/srv/etc/x
refused 'symbolic link' source="$where/empty" path=/srv/out/trap/x
refused 'symbolic link' source="$where/text" path=/srv/out/trap/x
is "$(find "$where/trap")" "$where/trap" "nothing was made on the host"
is "$(inside 'ls /etc/x' 2>&1 | grep -c 'No such')" 1 "nor where the link leads to"
inside 'mkfifo /srv/fifo'
refused 'no directory' source="$where/empty" path=/srv/fifo/x
add over source="$where/plain" path=/srv/over
inside 'mount -t tmpfs one /srv/over; mount -t tmpfs two /srv/over; mount --bind /real /srv/over'
ok -n "a disk under mounts of the instance goes" drop over
is "$(mounted /srv/over)" 0 "and they with it"
add moved source="$where/plain" path=/srv/moved
inside 'mkdir /srv/hidden && mount --move /srv/moved /srv/hidden'
ok -n "one that the instance has moved goes" drop moved
is "$(mounted /srv/hidden)" 0 "from where it is"
add gone source="$where/plain" path=/srv/gone
inside 'umount /srv/gone; mount -t tmpfs theirs /srv/gone'
ok -n "one that the instance has unmounted goes" drop gone
is "$(mounted /srv/gone)" 1 "and what is there instead stays"
add hidden source="$where/plain" path=/srv/cover/hidden
inside 'mount -t tmpfs cover /srv/cover'
complains 'has hidden it, at /srv/cover/hidden, below another mount' drop hidden
inside 'umount /srv/cover'
ok -n "one that was hidden goes when it is found again" drop hidden

# A file system of the instance that never answers: whoever walks there waits.
inside 'mkdir -p /srv/hang'
coproc python3 -B - "$(instance_init_pid box)" 3<&0 <<-'END'
	import ctypes, os, sys
	libc = ctypes.CDLL(None, use_errno=True)
	for kind in [os.open("/proc/%s/ns/%s" % (sys.argv[1], kind), os.O_RDONLY) for kind in ("user", "mnt")]:
	    libc.setns(kind, 0)
	fuse = os.open("/dev/fuse", os.O_RDWR)
	options = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % fuse
	print("mounted" if libc.mount(b"hang", b"/srv/hang", b"fuse", 0, options) == 0 else "errno %d" % ctypes.get_errno(), flush=True)
	os.read(3, 1)
END
hanger=$COPROC_PID
read -r told <&"${COPROC[0]}"
is "$told" mounted "a file system that hangs"
refused 'took more than 10 seconds' source="$where/empty" path=/srv/hang/x
ok -n "does not keep others away" add other source="$where/empty" path=/srv/other
drop other
kill "$hanger"
wait "$hanger" 2>/dev/null || true
inside 'umount -l /srv/hang'

# --- busy ---

sysct pause box
ok -n "a frozen instance gets a disk" add frozen source="$where/plain" path=/srv/frozen
sysct resume box
is "$(mounted /srv/frozen)" 1 "which is there when it goes on"
sysct pause box
ok -n "and loses it" drop frozen
sysct resume box
is "$(mounted /srv/frozen)" 0 "for good"

add busy source="$where/plain" path=/srv/busy
sysct exec box -- sh -c 'cd /srv/busy && echo ready >/tmp/ready && exec sleep 1000' &
sleeper=$!
wait_until 10 inside 'test -e /tmp/ready'
ok -n "a busy disk goes" drop busy
is "$(mounted /srv/busy)" 0 "nobody finds it any more"
ok -n "who uses it goes on" kill -0 "$sleeper"
inside 'killall sleep' || true
wait "$sleeper" || true

# --- one below another ---

mkdir "$where/outer" "$where/inner"
echo inner >"$where/inner/file"
add outer source="$where/outer" path=/srv/outer shift=true
add inner source="$where/inner" path=/srv/outer/inner
ok -n "the one above goes" drop outer
is "$(inside 'cat /srv/outer/inner/file')" inner "the one below stays"
ok -n "and comes" add outer source="$where/outer" path=/srv/outer shift=true
is "$(inside 'cat /srv/outer/inner/file')" inner "without hiding it"
ok -n "its mount point is in the one above" test -d "$where/outer/inner"
drop inner outer

# --- changes, profiles, a second instance ---

sysct config device set box plain path=/srv/elsewhere
is "$(inside 'cat /srv/elsewhere/file')$(mounted /srv/deep/plain)" host0 "a change moves it"
complains 'symbolic link' sysct config device set box plain path=/srv/etc/x
is "$(inside 'cat /srv/elsewhere/file')" host "one that fails leaves it where it was"
sysct config device set box plain path=/srv/plain
sysct profile create disked
sysct profile device add disked shared disk source="$where/shifted" path=/srv/profile shift=true
sysct profile add box disked
is "$(inside 'ls /srv/profile/root')" /srv/profile/root "a profile's disk"
sysct launch busybox two -p default -p disked
is "$(sysct exec two -- stat -c '%u %g' /srv/profile/one)" "1000 65535" "another instance sees the same ids"
sysct exec two -- sh -c 'echo two >/srv/profile/two'
is "$(inside 'cat /srv/profile/two')" two "and they see each other's files"
sysct profile device remove disked shared
is "$(mounted /srv/profile)" 0 "and it goes with the profile's"

# --- with the instance ---

all_there() { [ "$(mounted /srv/plain)$(mounted /srv/shifted)$(mounted /srv/ro)" = 111 ]; }
inside 'umount /srv/plain'
ok -n "a reboot from inside" reboots box
ok -n "brings all" wait_until 10 all_there
fails -n "read-only what is" inside 'echo x >/srv/ro/new'
fails -n "and locked" inside 'mount -o remount,rw,bind /srv/ro'
is "$(owner /srv/shifted/one)" "1000 65535" "with their ids"
ok -n "they come and go" add after source="$where/empty" path=/srv/after
drop after
ok -n "those of the start go, too" drop ro
is "$(mounted /srv/ro)" 0 "really"
add ro source="$where/shifted" path=/srv/ro readonly=true shift=true
daemon_stop
daemon_start
ok -n "a restart of the daemon changes nothing" all_there
add after source="$where/empty" path=/srv/after
is "$(mounted /srv/after)" 1 "and the next daemon can"
drop after
daemon_stop
SYSCT_FAULT=disks.changed daemon_start
fails -n "a daemon is killed between a change and its commit" add half source="$where/empty" path=/srv/half
wait "$daemon_pid" || true
is "$(grep -c ' /srv/half ' "/proc/$(pgrep -f "^sysct-monitor .*/box" | head -n 1)/mountinfo" || true)" 0 "the monitor keeps no mount of it"
daemon_start
is "$(mounted /srv/half)" 0 "the next daemon takes away what is not stored"
is "$(sysct config device list box | grep -c half || true)" 0 "for it is not"

# --- sources that are missing ---

add maybe source="$where/maybe" path=/srv/maybe required=false
is "$(mounted /srv/maybe)" 0 "one that is not required is left out"
mkdir "$where/maybe"
add after source="$where/empty" path=/srv/after
is "$(mounted /srv/maybe)" 1 "until the next change finds it"
drop after
rmdir "$where/maybe"
sysct stop -f box
sysct start box
is "$(mounted /srv/maybe)" 0 "a start without it"
sysct stop -f box
mkdir "$where/maybe"
sysct start box
is "$(mounted /srv/maybe)" 1 "and one with it"
sysct stop -f box
mv "$where/plain" "$where/away"
complains "device \"plain\": source $where/plain is missing: make it, or set required=false" sysct start box
is "$(instance_status box)" Stopped "the instance does not start without one that is required"
ok -n "other things can be changed meanwhile" sysct config set box user.x=y
mv "$where/away" "$where/plain"
ok -n "with it it starts" sysct start box
rmdir "$where/maybe"

# --- nothing is left ---

monitor=$(instance_monitor_pid box)
is "$(grep -c "$where" "/proc/$monitor/mountinfo" || true)" "$(grep -c "$where" /proc/self/mountinfo || true)" "the monitor's own namespace has none of them"
is "$(find "$SYSCT_DIR/run/instances/box/disks" -mindepth 1 | wc -l)" 0 "nor their places"
held=$(descriptors "$monitor" "^/srv/")
for _ in 1 2 3; do
	add churn source="$where/empty" path=/srv/churn
	drop churn
done
is "$(descriptors "$monitor" "^/srv/")" "$held" "what has gone is held by nobody"
is "$(pgrep -P "$monitor" -c sysct-monitor || true)" 0 "no helper is left"
sysct delete -f box two
ok -n "the host's files are all there" test -e "$where/plain/file" -a -e "$where/shifted/one" -a -e "$where/text"
daemon_end
done_testing
