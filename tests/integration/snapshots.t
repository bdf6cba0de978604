#!/bin/bash
# Snapshots: of stopped and running instances, what they keep, bringing one back, and what must not get lost.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

inside() { sysct exec "$1" -- sh -c "$2"; }
names() { sysct snapshot list "$1" -f csv | cut -d, -f1 | paste -sd ' '; }
layers() { # directories of layers of the pool
	find "$SYSCT_DIR/storage-pools/default/"{instances,layers} -mindepth 1 -maxdepth 1 ! -name '.*' | wc -l
}
reclaimed() { [ -z "$(find "$SYSCT_DIR/storage-pools" -maxdepth 3 -name '.del-*')" ]; }
rows() { sqlite3 "$SYSCT_DIR/sysct.db" "$1"; }
state() { sysct list "$1" -f csv -c s; }

daemon_start
sysct launch busybox box
sysct launch busybox witness
inside witness 'echo mine >/root/mark'

# --- names ---

is "$(sysct snapshot create box)" snap0 "without a name it gets the first number, which is printed"
is "$(sysct snapshot box)" snap1 "the short form, and the next number"
ok sysct snapshot create box clean --description 'as it came'
complains 'Snapshot "clean" already exists' sysct snapshot create box clean
complains 'is not a name for a snapshot' sysct snapshot create box ../evil
complains 'is not a name for a snapshot' sysct snapshot create box a/b
complains 'is not a name for a snapshot' sysct snapshot create box .hidden
complains 'is not a name for a snapshot' sysct snapshot create box "$(printf 'x%.0s' {1..64})"
complains 'Instance not found' sysct snapshot create nobody
complains 'Snapshot not found.*snapshot list' sysct restore box nothing
complains 'Snapshot not found' sysct snapshot delete box nothing
complains 'Snapshot not found' sysct snapshot show box nothing
is "$(names box)" "snap0 snap1 clean" "list: in the order in which they were taken"
like "$(sysct snapshot list box)" 'clean .* as it came' "with the description"
like "$(sysct snapshot show box clean)" 'description: as it came' "show"
like "$(sysct snapshot show box clean)" 'expanded_devices:.*eth0:' "show has the devices"
like "$(sysct list box -f csv)" ',3$' "list counts them"
like "$(sysct info box)" 'Snapshots:.*snap0.*snap1.*clean' "info names them"
ok sysct snapshot rename box snap1 renamed
complains 'already exists' sysct snapshot rename box renamed clean
complains 'is not a name' sysct snapshot rename box renamed 'a b'
is "$(names box)" "snap0 renamed clean" "renamed"
is "$(sysct snapshot create box)" snap1 "the number after the highest"
ok sysct snapshot delete box snap0 snap1 renamed
is "$(names box)" clean "deleted"
ok -n "the description is edited" sh -c "sysct snapshot show box clean | sed 's/came/was/' | sysct snapshot edit box clean"
like "$(sysct snapshot show box clean)" 'description: as it was' "and kept"
complains 'not supported' sysct query -X POST -d '{"name": "s", "stateful": true}' /1.0/instances/box/snapshots

# --- what a layer keeps, running and stopped ---

fill() {
	# shellcheck disable=SC2016
	inside box '
		cd /root; mkdir -p kept/deep gone; echo one >file; echo same >kept/deep/file; ln file hard; ln -s file soft
		mkfifo fifo; dd if=/dev/zero of=holes bs=1 count=1 seek=1M 2>/dev/null; chmod 4755 file; chown 1:2 kept
		touch -d "2001-02-03 04:05:06" kept/deep/file; echo x >"odd name"; rm -f /etc/shells; mkdir /etc/new; mv kept moved
		rm -r /etc/init.d; mkdir /etc/init.d; echo opaque >/etc/init.d/only; mv /usr/share/udhcpc /usr/share/kept'
}
picture() { # all that can be seen of it
	# shellcheck disable=SC2016
	inside box '
		cd /; find root etc usr/share -xdev | sort | while read -r path; do
			stat -c "%n %F %a %u %g %s %h" "$path"; [ ! -f "$path" ] || md5sum "$path"; [ ! -L "$path" ] || readlink "$path"
		done; stat -c %y /root/moved/deep/file'
}
spoil() {
	inside box 'cd /root; rm -rf ./* /etc/new /etc/init.d; mv /usr/share/kept /usr/share/other; echo other >file; echo 2 >/etc/hosts.extra; mkdir moved; ln -s x moved/deep'
}
fill
wanted=$(picture)
ok sysct snapshot create box full
is "$(picture)" "$wanted" "a snapshot changes nothing"
spoil
ok sysct restore box full
is "$(state box)" RUNNING "one that ran runs again"
is "$(picture)" "$wanted" "of a running one: all is as it was"
spoil
ok sysct stop -f box
ok sysct restore box full
is "$(state box)" STOPPED "one that was stopped stays so"
ok sysct snapshot create box stopped
ok sysct start box
is "$(picture)" "$wanted" "all is as it was, also below a new layer"
spoil
inside box 'echo more >/root/more'
ok sysct stop -f box
ok sysct snapshot create box spoiled
ok sysct start box
ok -n "over a layer that has deleted, what was deleted stays away" inside box '[ ! -e /root/hard ] && [ ! -e /etc/new ] && [ -L /root/moved/deep ] && [ ! -e /etc/init.d ]'
is "$(inside box 'cat /root/file /root/more')" $'other\nmore' "and what it has is there"
ok sysct restore box stopped
is "$(picture)" "$wanted" "back and forth"
ok sysct restore box spoiled
is "$(inside box 'cat /root/file /root/more')" $'other\nmore' "forth"
ok -n "the first snapshot of all" sysct restore box clean
ok -n "has none of it" inside box '[ ! -e /root/file ] && [ ! -e /etc/new ] && [ -e /etc/init.d/rcK ] && [ -e /usr/share/udhcpc/default.script ]'
is "$(inside witness 'cat /root/mark; ls /root')" $'mine\nmark' "the other instance of that image has nothing of it"
ok sysct snapshot delete box stopped
ok sysct restore box spoiled
is "$(inside box 'cat /root/file')" other "a layer below is kept when its snapshot goes"
ok sysct snapshot create box --reuse full
is "$(inside box 'cat /root/file')" other "--reuse takes another in its place"
ok sysct restore box full
is "$(inside box 'cat /root/file')" other "with what is there now"
is "$(names box)" "clean spoiled full" "of one name there is one"

# --- configuration ---

address=$(sysct config get box volatile.eth0.ipv4.address)
sysct config set box limits.memory=64MiB user.note=then
ok sysct snapshot create box config
sysct config set box limits.memory=32MiB user.note=now user.more=x
sysct config device add box p proxy listen=tcp:127.0.0.1:8090 connect=tcp:127.0.0.1:80 >/dev/null
ok sysct restore box config
is "$(sysct config get box limits.memory) $(sysct config get box user.note) $(sysct config get box user.more)" "64MiB then " "configuration comes back"
is "$(inside box 'cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes' 2>/dev/null || echo 67108864)" 67108864 "and holds"
is "$(sysct config device list box | paste -sd ' ')" "" "devices come back"
is "$(sysct config get box volatile.eth0.ipv4.address)" "$address" "its address stays"
sysct profile create gone
sysct profile add box gone
ok sysct snapshot create box profile
sysct profile remove box gone
sysct profile delete gone
inside box 'echo precious >/root/precious'
complains 'Profile not found: "gone"' sysct restore box profile
is "$(inside box 'cat /root/precious')" precious "a restore that cannot be done loses nothing"
is "$(state box)" RUNNING "and it runs on"
ok sysct snapshot delete box config profile

# --- a single instant ---

# Each round writes its number into all files, in order: at no instant has a file a higher number than one before it, and the
# one that is being written is empty at most.
# shellcheck disable=SC2016 # for the shell inside
inside box 'mkdir /root/many; cat >/root/writer <<"END"
cd /root/many; i=0
while :; do
	i=$((i + 1)); n=0
	while [ $n -lt 200 ]; do n=$((n + 1)); echo $i >f$n; done
done
END
cat >/root/reader <<"END"
cd /root/many; n=0
while [ $n -lt 200 ]; do n=$((n + 1)); echo "$n $(cat f$n)"; done | awk "
	NF < 2 { empty++; next }
	last && \$2 > last { wrong++ }
	{ last = \$2; if (!first) first = \$2 }
	END { print wrong + 0, empty < 2, first - last < 2 }"
END'
sysct exec box -- sh /root/writer &
writer=$!
written() { [ "$(inside box 'cat /root/many/f200')" -gt 2 ]; }
wait_until 20 written || bail "nobody writes"
for i in 1 2 3 4 5; do sysct snapshot create box "instant$i"; done
is "$(state box)" RUNNING "it goes on afterwards"
before=$(inside box 'cat /root/many/f1')
goes_on() { [ "$(inside box 'cat /root/many/f1')" -gt "$before" ]; }
ok -n "and writes" wait_until 10 goes_on
kill $writer 2>/dev/null || true
wait $writer 2>/dev/null || true
ok sysct stop -f box
for i in 1 2 3 4 5; do
	sysct restore box "instant$i"
	sysct start box
	is "$(sysct exec box -- sh /root/reader)" "0 1 1" "snapshot $i of one that writes is of one instant"
	sysct stop -f box
done
sysct snapshot delete box instant1 instant2 instant3 instant4 instant5
ok sysct start box
ok sysct pause box
ok sysct snapshot create box paused
is "$(state box)" FROZEN "one that is frozen stays so"
ok sysct resume box

# --- many ---

ok sysct stop -f box
for i in $(seq 205); do sysct snapshot create box "n$i" || break; done
is "$(names box | wc -w)" 209 "two hundred snapshots"
ok sysct start box
is "$(inside box 'echo top >/root/top; cat /root/top')" top "over which it starts and writes"
ok sysct stop -f box
ok sysct snapshot create box beside
depth=$(rows "with recursive c (id) as (select layer_id from instances where name = 'box' union select parent_id from c join storage_layers l on l.id = c.id where parent_id is not null) select count(*) from c")
ok -n "one more does not make it slower" test "$depth" -gt 150 -a "$depth" -le 201
ok sysct start box
is "$(inside box 'cat /root/top; echo later >/root/top')" top "it goes on"
ok sysct restore box beside
is "$(inside box 'cat /root/top')" top "and the copy beside can be brought back"
ok sysct restore box n50
ok -n "and goes back to the middle" inside box '[ ! -e /root/top ]'
# shellcheck disable=SC2046 # words
ok sysct snapshot delete box $(names box)
is "$(names box)" "" "all can be deleted"
is "$(inside box 'cat /root/file')" other "and it goes on with what they kept"

# --- after a loss of power ---

sysct stop -f box
sysct snapshot create box power
top=$(rows "select l.directory from instances i join storage_layers l on l.id = i.layer_id where i.name = 'box'")
daemon_stop
rm -r "$SYSCT_DIR/storage-pools/default/$top"
daemon_start
ok -n "a new layer whose directory did not come to the disk is made again" sysct start box
is "$(inside box 'cat /root/file')" other "with all that the snapshot keeps"

# --- nothing is left ---

ok sysct snapshot create box last
ok sysct delete -f box
ok -n "what is deleted is removed" wait_until 20 reclaimed
one_left() { [ "$(layers) $(rows 'select count(*) from storage_layers')" = "1 1" ]; }
ok -n "with the instance its layers go, the other's stays" wait_until 20 one_left
is "$(rows 'select count(*) from instances_snapshots')" 0 "and its snapshots"
is "$(inside witness 'cat /root/mark')" mine "the other instance is as it was"
ok sysct delete -f witness
daemon_end

# --- a full disk ---

small=$TMPDIR/small
mkdir "$small"
mount -t tmpfs -o size=24m,mode=711 tmpfs "$small"
(
	daemon_pid=
	export SYSCT_DIR=$small
	daemon_log=$TMPDIR/small.log
	daemon_start
	sysct launch busybox full
	sysct exec full -- sh -c 'dd if=/dev/urandom of=/root/big bs=1M count=12 2>/dev/null; echo kept >/root/mark'
	sysct snapshot create full toobig >"$TMPDIR/full" 2>&1 && echo succeeded >"$TMPDIR/full"
	sysct snapshot list full -f csv >"$TMPDIR/full.list"
	find "$small/storage-pools" -name '.new-*' >"$TMPDIR/full.files"
	sysct exec full -- cat /root/mark >"$TMPDIR/full.mark"
	sysct stop -f full
	sysct snapshot create full stopped && sysct start full && sysct exec full -- cat /root/mark >"$TMPDIR/full.stopped"
	daemon_end
)
like "$(cat "$TMPDIR/full")" '[Nn]o space' "without space for the copy it fails, and says so"
is "$(cat "$TMPDIR/full.list" "$TMPDIR/full.files")" "" "and leaves nothing"
is "$(cat "$TMPDIR/full.mark")" kept "the instance goes on"
is "$(cat "$TMPDIR/full.stopped")" kept "that of a stopped one needs none"
umount "$small"
done_testing
