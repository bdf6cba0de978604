#!/bin/bash
# sysct-lxcfs by itself: its mount, its end, its upgrade; its processes are killed while everybody reads.
set -euo pipefail
. "$(dirname "$0")/../lib/tap.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
[ "${SYSCT_BUILD:-}" = installed ] || export PATH=${SYSCT_BUILD:-$top/build}/sbin:$PATH
mnt=$TMPDIR/mnt socket=$TMPDIR/socket

tell() { # FIELD: what the server says of itself
	python3 - "$socket" "$1" <<-'EOF'
		import json, socket, sys
		with socket.socket(socket.AF_UNIX) as client:
		    client.connect(sys.argv[1])
		    print(json.loads(client.makefile().read())[sys.argv[2]])
	EOF
}

worker() { cat "/proc/$(tell pid)/task/$(tell pid)/children"; }

# Nobody may have waited for it yet.
ended() { ! grep -q '^State:.[^Z]' "/proc/$1/status" 2>/dev/null; }

server_end() {
	local pid
	pid=$(tell pid)
	kill "$pid"
	wait_until 10 ended "$pid"
}

# In a pid namespace of its own: an instance to the server.
inside() { unshare --pid --fork --kill-child "$@"; }

# readers COUNT: they read until readers_end, which fails when one of them saw anything wrong.
readers() {
	local i
	reader_pids=()
	rm -f "$TMPDIR/stop"
	for ((i = 0; i < $1; i++)); do
		inside "$top/tests/lib/lxcfs-reader" "$mnt" "$TMPDIR/stop" >"$TMPDIR/reader$i" 2>&1 &
		reader_pids+=($!)
	done
	for ((i = 0; i < $1; i++)); do
		wait_until 20 grep -q . "/proc/${reader_pids[$i]}/task/${reader_pids[$i]}/children"
	done
}

readers_end() {
	local pid status=0
	touch "$TMPDIR/stop"
	for pid in "${reader_pids[@]}"; do wait "$pid" || status=1; done
	cat "$TMPDIR"/reader[0-9]*
	return $status
}

# ---- bad input ----

fails sysct-lxcfs
complains 'Usage: ' sysct-lxcfs --nonsense "$mnt"
complains 'absolute path' sysct-lxcfs --socket x "$mnt"
is "$(sysct-lxcfs --version)" "sysct-lxcfs $(sysct-lxcfs --version | cut -d' ' -f2)" "the version"
like "$(sysct-lxcfs --help)" 'MOUNTPOINT' "the help"
: >"$TMPDIR/file"
complains 'directory|Not a' sysct-lxcfs "$TMPDIR/file"
mkdir "$TMPDIR/dev" && mount --bind "$TMPDIR/dev" /dev
complains '/dev/fuse' sysct-lxcfs "$mnt"
umount /dev
is "$(grep -c " $mnt " /proc/self/mountinfo)" 0 "what failed leaves no mount"

# ---- the mount ----

ok sysct-lxcfs --socket "$socket" "$mnt"
is "$(tell mountpoint)" "$mnt" "it tells where it serves"
complains 'mounted already' sysct-lxcfs "$mnt"
is "$(stat -c '%A %u' "$mnt/proc/meminfo")" "$(stat -c '%A %u' /proc/meminfo)" "mode and owner are the kernel's"
is "$(sed -n 1p "$mnt/proc/meminfo")" "$(sed -n 1p /proc/meminfo)" "a process of the host sees the host"
uptime=$(inside cut -d. -f1 "$mnt/proc/uptime")
ok -n "a new pid namespace has just begun ($uptime s)" test "$uptime" -lt 60
fails -n "nothing is written" sh -c "echo 1 >$mnt/proc/uptime"
fails -n "not even by root of the host with open(2)" python3 -c "import os; os.open('$mnt/proc/uptime', os.O_RDWR)"
fails -n "modes stay" chmod 600 "$mnt/proc/uptime"
fails -n "nothing is made" mkdir "$mnt/proc/new"
ok -n "a mapping shows nothing" python3 - "$mnt/proc/uptime" <<'EOF'
import mmap, os, signal, sys
with open(sys.argv[1], "rb") as file:
    for kind in (mmap.MAP_SHARED, mmap.MAP_PRIVATE):
        try:
            map = mmap.mmap(file.fileno(), 4096, kind, mmap.PROT_READ)
        except OSError:
            continue
        if (child := os.fork()) == 0:
            map[0]
            os._exit(0)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGBUS, "it could be read"
EOF
fails -n "what is not there is not there" cat "$mnt/proc/version"

# shellcheck disable=SC2016 # for the shell in there
ok -n "a pid namespace that was made in one a second later is younger" inside sh -c 'sleep 1
	inner=$(unshare --pid --fork cut -d" " -f1 "$0") && outer=$(cut -d" " -f1 "$0") &&
		awk -v inner="$inner" -v outer="$outer" "BEGIN { exit inner > outer - 0.9 }"' "$mnt/proc/uptime"

# Bound over the kernel's own, as LXC and Docker do it.
bound=$(inside unshare --mount --mount-proc sh -c "mount --bind $mnt/proc/uptime /proc/uptime && cut -d. -f1 /proc/uptime")
ok -n "it can be bound over the kernel's" test "$bound" -lt 60

# ---- one text for each open file ----

ok python3 - "$mnt/proc/uptime" <<'EOF'
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
first = os.read(fd, 3)
time.sleep(0.05)
rest = os.read(fd, 100)
assert os.pread(fd, 100, 2) == (first + rest)[2:], "another text"
assert os.read(fd, 100) == b"", "no end"
assert os.pread(fd, 100, 5000) == b"", "something behind the end"
again = os.pread(fd, 100, 0)
assert float(again.split()[0]) > float((first + rest).split()[0]), "not made anew from its beginning"
assert os.lseek(fd, 3, os.SEEK_SET) == 3 and os.read(fd, 100) == again[3:], "lseek"
EOF

# ---- hostile readers ----

memory() { awk '/^VmRSS/ { print $2 }' "/proc/$(worker | tr -d ' ')/status"; }
mkfifo "$TMPDIR/ready"
sleep_forever='import os, resource, signal, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
files = [os.open(sys.argv[1] + "/proc/uptime", os.O_RDONLY) for i in range(10000)]
for fd in files:
    os.read(fd, 2)
open(sys.argv[2], "w").close()
signal.pause()'
unshare --pid --fork --kill-child python3 -c "$sleep_forever" "$mnt" "$TMPDIR/ready" &
hostile=$!
: <"$TMPDIR/ready"
ok -n "10,000 open files that are never read on take little memory ($(memory) KiB)" test "$(memory)" -lt 12288
ok -n "others read as before" inside python3 - "$mnt/proc/uptime" <<'EOF'
import os, sys
files = [os.open(sys.argv[1], os.O_RDONLY) for i in range(10)]
begins = [os.read(fd, 3) for fd in files]
for fd, begin in zip(files, begins):
    rest = os.read(fd, 100)
    assert os.pread(fd, 100, 1) == (begin + rest)[1:], "the snapshot of another instance was lost"
EOF
kill -KILL $hostile
wait $hostile || true

# ---- what dies ----

readers 3
before=$(tell workers)
is "$("$top/tests/lib/lxcfs-killer" "$socket" 1000)" 1000 "the worker is killed a thousand times"
ok -n "while three instances read, who notice nothing" readers_end
diag "$(tr -d '\0' <"$TAP_OUTPUT")"
ok -n "and was another each time" test $(($(tell workers) - before)) -ge 1000

readers 2
for round in $(seq 20); do
	pid=$(tell pid)
	if [ $((round % 2)) = 0 ]; then kill -HUP "$pid"; else kill -KILL "$pid"; fi
	# The one that took its place, or it itself with no worker counted yet.
	wait_until 10 tell pid
done
ok -n "the supervisor was killed and upgraded while two instances read" readers_end
pid=$(tell pid)
kill -HUP "$pid"
wait_until 10 tell pid
is "$(tell pid)" "$pid" "an upgrade keeps the process"

# The program of an upgrade is the one that is installed then.
cp "$(command -v sysct-lxcfs)" "$TMPDIR/program"
server_end
is "$(grep -c " $mnt " /proc/self/mountinfo)" 0 "SIGTERM unmounts"
ok "$TMPDIR/program" --socket "$socket" "$mnt"
cp "$TMPDIR/program" "$TMPDIR/newer"
mv "$TMPDIR/newer" "$TMPDIR/program"
kill -HUP "$(tell pid)"
same_program() { [ "/proc/$(tell pid)/exe" -ef "$TMPDIR/program" ]; }
ok -n "SIGHUP executes what lies there now" wait_until 10 same_program
ok cat "$mnt/proc/uptime"

# When the whole server was killed the next one takes its place.
pid=$(tell pid) child=$(worker | tr -d ' ')
kill -STOP "$pid" # it would start another worker
kill -KILL "$child" "$pid"
ok -n "supervisor and worker are killed" wait_until 10 ended "$pid"
fails cat "$mnt/proc/uptime"
ok sysct-lxcfs --socket "$socket" "$mnt"
ok cat "$mnt/proc/uptime"

# A service manager keeps the mount alive.
ok -n "all of it is killed and started again, and open files go on" "$top/tests/lib/service-manager" "$TMPDIR/service" \
	sysct-lxcfs --foreground "$TMPDIR/service"
is "$(grep -c " $TMPDIR/service " /proc/self/mountinfo)" 0 "and its end unmounts"

# ---- instances that go ----

readers 2
for pid in "${reader_pids[@]}"; do kill -KILL "$(awk '{ print $1 }' "/proc/$pid/task/$pid/children")"; done
readers_end >/dev/null || true
ok -n "readers were killed while they read" inside cat "$mnt/proc/uptime"
server_end
done_testing
