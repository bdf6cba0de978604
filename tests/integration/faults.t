#!/bin/bash
# What goes wrong: one clear error each, and nothing half made stays.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

# traces: everything by which the host could know of instances: rows, files, control groups, mounts, processes.
traces() {
	local base
	base=$(cat "$SYSCT_DIR/cgroup")
	sysct query '/1.0/instances' | tr -d '[] \n'
	find "$SYSCT_DIR/run/instances" "$SYSCT_DIR/log" "$SYSCT_DIR"/storage-pools/*/instances -mindepth 1 -maxdepth 1 ! -name image-build.log ! -name lxcfs.log 2>/dev/null || true
	find "$SYSCT_DIR"/storage-pools/*/images "$SYSCT_DIR/images" -mindepth 1 -maxdepth 1 -name '.*' 2>/dev/null || true
	find /sys/fs/cgroup -mindepth 2 -type d -path "*/$base/*" ! -name .monitors 2>/dev/null || true
	awk '$5 ~ "storage-pools|/run/instances" { print $5 }' /proc/self/mountinfo
	pgrep -f "^sysct-monitor $SYSCT_DIR/" || true
}

nothing_left() {
	local left
	left=$(traces)
	[ -z "$left" ] || { echo "$left"; return 1; }
}

# breaks NAME SCRIPT: an instance, made but not running, in whose root SCRIPT has worked.
breaks() {
	sysct launch busybox "$1"
	sysct exec "$1" -- sh -c "$2"
	sysct stop --force "$1"
}

daemon_start
sysct launch busybox first # the image is built
sysct delete --force first
ok -n "nothing is left of a first instance" wait_until 10 nothing_left

# --- inits ---

breaks box 'rm /sbin/init'
fails -n "start without an init" sysct start box
like "$(cat "$TAP_OUTPUT")" '/sbin/init' "the message names it"
like "$(cat "$TAP_OUTPUT")" 'No such file' "and says that it is not there"
is "$(instance_status box)" Stopped "it is stopped"
ok -n "no control group is left" test ! -e "$(instance_cgroup box)"
ok -n "no run directory is left" test ! -e "$SYSCT_DIR/run/instances/box"
sysct delete box

breaks box 'rm /sbin/init; echo text >/sbin/init'
fails -n "start with an init that is not executable" sysct start box
like "$(cat "$TAP_OUTPUT")" '/sbin/init.*(Permission denied|EACCES)' "the message names it and says why"
sysct delete box

breaks box 'rm /sbin/init; echo text >/sbin/init; chmod 755 /sbin/init'
fails -n "start with an init that is no program" sysct start box
like "$(cat "$TAP_OUTPUT")" '/sbin/init.*(Exec format error|ENOEXEC)' "the message names it and says why"
sysct delete box

breaks box 'rm /sbin/init; printf "#!/bin/sh\necho first words; echo last words; exit 42\n" >/sbin/init; chmod 755 /sbin/init'
# Init has been executed, so it did start; it is told at the start where that is still seen, and in any case to who asks.
status=0
sysct start box >"$TMPDIR/start" 2>&1 || status=$?
ok -n "it stops by itself" wait_until 10 instance_is box Stopped
if [ $status -ne 0 ]; then
	like "$(cat "$TMPDIR/start")" 'init exited with status 42' "start tells that init exited"
	like "$(cat "$TMPDIR/start")" 'last words' "with the console's last lines"
else
	diag "start returned before init ended"
	like "$(sysct exec box -- true 2>&1)" 'init exited with status 42' "the next command tells that init exited"
	like "$(sysct exec box -- true 2>&1)" 'last words' "with the console's last lines"
fi
like "$(cat "$daemon_log")" 'instance=box.*init exited with status 42' "the daemon's log has it"
like "$(sysct console box --show-log)" 'first words.*last words' "the console's log can be read afterwards"
like "$(sysct info box)" 'Stopped because: init exited with status 42' "info tells why it stopped"
daemon_stop
daemon_start
like "$(sysct info box)" 'Stopped because: init exited with status 42' "also after the daemon was restarted"
sysct delete box

breaks box 'rm /sbin/init; printf "#!/bin/sh\nkill -SEGV \$\$\nexec /bin/busybox sh -c \"kill -9 -1\"\n" >/sbin/init; chmod 755 /sbin/init'
sysct start box >/dev/null 2>&1 || true
ok -n "an init that dies leaves a stopped instance" wait_until 10 instance_is box Stopped
sysct delete box

# --- an init that reboots for ever does not take a processor ---

breaks box 'rm /sbin/init; printf "#!/bin/sh\nexec /bin/busybox reboot -f\n" >/sbin/init; chmod 755 /sbin/init'
sysct start box >/dev/null 2>&1 || true
monitor_of_box() { pgrep -o -f "^sysct-monitor $SYSCT_DIR/run/instances/box"; }
waits() { [ "$(descriptors "$(monitor_of_box)" timerfd)" -gt 0 ]; }
ok -n "after some boots its monitor waits before the next" wait_until 20 waits
ticks() { awk '{ print $14 + $15 }' "/proc/$(monitor_of_box)/stat"; }
before=$(ticks)
ok -n "and takes no processor meanwhile" test "$(ticks)" -le $((before + 1))
ok -n "it can be stopped while it waits" timeout 20 sysct stop --force box
is "$(instance_status box)" Stopped "and is"
sysct delete box
ok -n "nothing is left of these" wait_until 10 nothing_left

# --- launch of what cannot start undoes itself ---

mkdir -p "$TMPDIR/template"
ln -sf "$SYSCT_TEST_IMAGES" "$SYSCT_DIR/etc/images" 2>/dev/null || true
builds=$TMPDIR/builds
: >"$builds"
cat >"$SYSCT_DIR/etc/templates/sysct-faulty" <<END
#!/bin/bash
# Templates that misbehave, and one that counts its builds.
case \$1 in
match)
	case \$2 in
	faulty/noinit | faulty/fails | faulty/slow | faulty/garbage | faulty/counted | faulty/big)
		echo "{\"options\":{\"kind\":\"\${2#faulty/}\"},\"aliases\":[\"\$2\"],\"description\":\"\$2\"}" ;;
	*) exit 3 ;;
	esac ;;
build)
	kind=\${3#kind=}
	echo "\$kind \$\$" >>$builds
	cp $SYSCT_TEST_IMAGES/busybox/metadata.json "\$2/metadata.json"
	case \$kind in
	noinit) mkdir "\$2/x" "\$2/x/etc"; tar -C "\$2/x" -cf "\$2/rootfs.tar" . ; rm -r "\$2/x" ;;
	fails) echo "the mirror is away" >&2; exit 1 ;;
	garbage) echo garbage >"\$2/rootfs.tar" ;;
	slow) echo begun >"\$2/part"; sleep 600 ;;
	big) cat $SYSCT_TEST_IMAGES/debian-12/rootfs.tar >"\$2/rootfs.tar" ;;
	counted) cat $SYSCT_TEST_IMAGES/busybox/rootfs.tar >"\$2/rootfs.tar" ;;
	esac ;;
describe) echo '{"name":"faulty","description":"for tests","aliases":["faulty/counted"],"options":{}}' ;;
*) exit 2 ;;
esac
END
chmod 755 "$SYSCT_DIR/etc/templates/sysct-faulty"

fails -n "launch of an image without an init" sysct launch faulty/noinit box
like "$(cat "$TAP_OUTPUT")" '/sbin/init' "the message names it"
ok -n "no instance is left" wait_until 10 nothing_left

# --- builds ---

fails -n "launch of an unknown alias" sysct launch no-such-thing box
like "$(cat "$TAP_OUTPUT")" 'no-such-thing' "the message names it"
like "$(cat "$TAP_OUTPUT")" 'templates: .*sysct-faulty' "and lists the templates"
fails -n "a build that fails" sysct launch faulty/fails box
like "$(cat "$TAP_OUTPUT")" 'the mirror is away' "the message has the template's words"
ok -n "nothing is left" wait_until 10 nothing_left
fails -n "a build that gives no tarball" sysct launch faulty/garbage box
ok -n "nothing is left" wait_until 10 nothing_left

sysct launch faulty/counted one -q &
a=$!
sysct launch faulty/counted two -q &
b=$!
ok -n "two launches at once of an image that is not there: the first returns" wait $a
ok -n "the second returns" wait $b
is "$(grep -c ^counted "$builds")" 1 "it was built once"
is "$(sysct config get one volatile.base_image)" "$(sysct config get two volatile.base_image)" "both are made from it"
sysct launch faulty/counted three
is "$(grep -c ^counted "$builds")" 1 "and is used again later"
sysct delete --force one two three

build_began() { grep -q ^slow "$builds"; }
build_ended() { ! kill -0 "$(awk '/^slow/ { print $2 }' "$builds" | tail -n 1)" 2>/dev/null; }
sysct launch faulty/slow box >"$TMPDIR/slow" 2>&1 &
client=$!
ok -n "a slow build is under way" wait_until 10 build_began
operation=$(sysct query /1.0/operations | python3 -c 'import json, sys; print(json.load(sys.stdin)["running"][0])')
ok -n "it can be cancelled" sysct query -X DELETE "$operation"
status=0
wait $client || status=$?
ok -n "its launch fails" test $status -ne 0
ok -n "the template was ended" wait_until 10 build_ended
ok -n "nothing is left" wait_until 10 nothing_left

: >"$builds"
sysct launch faulty/slow box >"$TMPDIR/slow" 2>&1 &
client=$!
wait_until 10 build_began
kill -9 "$daemon_pid"
wait "$daemon_pid" 2>/dev/null || true
wait $client 2>/dev/null || true
ok -n "a build ends with its daemon" wait_until 10 build_ended
daemon_start
ok -n "the next daemon leaves nothing of it" wait_until 10 nothing_left
ok -n "and builds" sysct launch faulty/counted box
sysct delete --force box

# --- no space ---

small=$TMPDIR/small
mkdir "$small"
mount -t tmpfs -o size=12m,mode=711 tmpfs "$small"
(
	daemon_pid=
	export SYSCT_DIR=$small
	daemon_log=$TMPDIR/small.log
	daemon_start
	status=0
	sysct launch debian/12 big >"$TMPDIR/full" 2>&1 || status=$?
	echo "$status" >"$TMPDIR/full.status"
	sysct list -f csv -c n >"$TMPDIR/full.list" 2>&1
	sysct image list -f csv >"$TMPDIR/full.images" 2>&1 || true
	find "$small/storage-pools" "$small/images" -mindepth 3 -maxdepth 3 >"$TMPDIR/full.files" 2>/dev/null || true
	kill -0 "$daemon_pid" && echo alive >"$TMPDIR/full.alive"
	status=0
	sysct launch busybox fits >"$TMPDIR/fits" 2>&1 || status=$?
	echo "$status" >"$TMPDIR/fits.status"
	daemon_end
)
ok -n "launch without space for the image fails" test "$(cat "$TMPDIR/full.status")" -ne 0
like "$(cat "$TMPDIR/full")" '[Nn]o space' "the message says no space"
is "$(cat "$TMPDIR/full.list")" "" "no instance is left"
is "$(cat "$TMPDIR/full.images")" "" "no image is left"
is "$(cat "$TMPDIR/full.alive")" alive "the daemon lives on"
is "$(cat "$TMPDIR/fits.status")" 0 "what fits is launched after that"
umount "$small"

# --- no id range left ---

daemon_stop
cp /etc/subuid "$TMPDIR/subuid" 2>/dev/null || : >"$TMPDIR/subuid"
cp "$TMPDIR/subuid" "$TMPDIR/subgid"
echo 'root:2000000:131072' >"$TMPDIR/subuid"
cp "$TMPDIR/subuid" "$TMPDIR/subgid"
touch /etc/subuid /etc/subgid
mount --bind "$TMPDIR/subuid" /etc/subuid
mount --bind "$TMPDIR/subgid" /etc/subgid
daemon_start
ok -n "the first range" sysct launch busybox one
is "$(awk '{ print $2 }' "/proc/$(instance_init_pid one)/uid_map")" 2000000 "is taken from /etc/subuid"
ok -n "the second" sysct launch busybox two
fails -n "no range for a third" sysct launch busybox three
like "$(cat "$TAP_OUTPUT")" 'subuid|id range' "the message says what is missing"
ok -n "it is not there" instance_gone three
sysct delete --force one
ok -n "a deleted instance's range can be used again" sysct launch busybox three
sysct delete --force two three
ok -n "nothing is left" wait_until 10 nothing_left
umount /etc/subuid /etc/subgid

# --- permission ---

chmod 711 "$SYSCT_DIR"
ok -n "no permission on the socket" sh -c '! setpriv --reuid=65534 --regid=65534 --clear-groups sysct list'
like "$(cat "$TAP_OUTPUT")" 'ermission' "the message says so"

daemon_end
rm -f "$SYSCT_DIR/etc/templates/sysct-faulty"
done_testing
