#!/bin/bash
# The life of an instance by Debian's lxc: made, listed, started, stopped, paused, renamed, deleted.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=../lib/tap.sh
. "$here/../lib/tap.sh"
# shellcheck source=../lib/daemon.sh
. "$here/../lib/daemon.sh"
# shellcheck source=../lib/lxc.sh
. "$here/../lib/lxc.sh"

lxc_begin busybox

# field NAME PATH: a member of GET /1.0/instances/NAME, "a/b" for one in an object.
field() {
	lxc query "/1.0/instances/$1?recursion=1" | python3 -c '
import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1].split("/"):
    value = value[key]
print(value)' "$2"
}

# cgroup_of NAME: where its init is in the cgroup2 hierarchy.
cgroup_of() { sed -n 's/^0:://p' "/proc/$(field "$1" state/pid)/cgroup"; }

# --- the server
like "$(lxc version)" $'^Client version: 5\\.0\\.2\nServer version: [0-9]+\\.[0-9.]+$' "version of both"
like "$(lxc info)" $'api_status: stable\n.*auth: trusted\n.*server: sysct\n' "info about the server"
is "$(names)" "" "no instance yet"

# --- init and start
ok lxc init busybox one
is "$(status one)" STOPPED "init makes a stopped instance"
is "$(field one state/pid)" 0 "which has no process"
is "$(field one type)" container "and is a container"
ok lxc start one
is "$(status one)" RUNNING "start"
ok test -d "/proc/$(field one state/pid)"
complains "The instance is already running" lxc start one
like "$(lxc info one)" $'^Name: one\nStatus: RUNNING\nType: container\nArchitecture: .*\nPID: [1-9][0-9]*\nCreated: 20.*\nLast Used: 20.*Processes: [1-9].*Memory \\(current\\): .*lo:\n +Type: loopback\n +State: UP.*inet: +127.0.0.1/8 \\(local\\)' "info about an instance"

# --- launch
ok -n "launch" lxc launch busybox two -c limits.processes=50 -c user.greeting="hello world" -p default
is "$(status two)" RUNNING "launch starts it"
is "$(field two config/limits.processes)" 50 "with its configuration"
is "$(lxc config get two user.greeting)" "hello world" "blanks in values stay"
like "$(lxc launch busybox 2>/dev/null)" "Instance name is: [a-z]" "launch without a name tells the name that the server chose"
generated=$(names | tr ' ' '\n' | grep -vE '^(one|two)$')
is "$(status "$generated")" RUNNING "and the instance runs"
printf 'config:\n  user.from: stdin\ndescription: by yaml\n' >"$TMPDIR/instance.yaml"
ok -n "launch with YAML on stdin" eval 'lxc launch busybox three <"$TMPDIR/instance.yaml"'
is "$(lxc config get three user.from)" stdin "its configuration is taken"
ok -n "init by a part of the fingerprint" lxc init "$(lxc image list --format csv -c f | cut -c 1-8)" four
ok -n "init with no profile needs a root disk of its own" lxc init busybox bare --no-profiles -s default
is "$(field bare profiles)" "[]" "no profile is applied"
is "$(field bare devices/root/pool)" default "the root disk is the instance's"
ok lxc delete bare

# --- list
is "$(names)" "$(printf '%s\n' one two three four "$generated" | sort | paste -sd ' ')" "list has them all, sorted"
like "$(lxc list --format csv one)" '^one,RUNNING,.*,CONTAINER,0$' "list --format csv, by a part of the name"
is "$(lxc list '^t[hw]' --format csv -c n | paste -sd ' ')" "three two" "list by regular expression"
is "$(lxc list status=stopped --format csv -c n)" four "list by status"
is "$(lxc list user.from=stdin --format csv -c n)" three "list by a configuration key"
is "$(lxc list architecture=nope --format csv)" "" "list by an architecture that none has"
is "$(lxc list '^two$' --format csv -c nsSatPNbp,user.greeting:GREETING)" \
	"two,RUNNING,0,$(uname -m),CONTAINER,default,$(field two state/processes),default,$(field two state/pid),hello world" \
	"list with columns of every kind"
like "$(lxc list '^four$' --format csv -c nDmMupe)" '^four,[0-9.]+KiB,,,,,default$' "columns of a stopped instance"
like "$(lxc list '^one$' --format csv -c nmu)" '^one,[0-9.]+[KM]iB,[0-9]+s$' "memory and CPU of a running one"
like "$(lxc list)" $'^\\+-.*\n\\| +NAME +\\| +STATE +\\| +IPV4 +\\|.*\n\\| four +\\| STOPPED +\\|' "list as a table"
like "$(lxc list --format compact)" $'NAME +STATE .*\n +four +STOPPED ' "list --format compact"
is "$(lxc list --format json | python3 -c 'import json,sys; print(" ".join(sorted(i["name"] + ":" + i["state"]["status"] for i in json.load(sys.stdin))))')" \
	"$(lxc list --format csv -c ns | sed -E 's/,(.)/:\1/; s/RUNNING/Running/; s/STOPPED/Stopped/' | paste -sd ' ')" "list --format json"
like "$(lxc list --format yaml)" $'\n  name: four\n  status: Stopped\n  status_code: 102\n' "list --format yaml"
like "$(lxc list --fast)" $'ARCHITECTURE +\\| +CREATED AT .*\\| one +\\| RUNNING ' "list --fast"
is "$(lxc list --all-projects --format csv -c en | grep -x default,four)" "default,four" "list --all-projects"

# --- stop, restart, pause
pid=$(field one state/pid)
ok lxc restart --force one
fails -n "restart --force ended the old init" test -d "/proc/$pid"
is "$(status one)" RUNNING "and it runs again"
pid=$(field one state/pid)
ok obeys one
ok lxc restart one --timeout 30
[ "$(field one state/pid)" = "$pid" ] && same=yes || same=no
is "$(status one) $same" "RUNNING no" "restart by init"
ok lxc pause one
is "$(status one)" FROZEN "pause"
is "$(cat "/sys/fs/cgroup/"{,unified/}"$(cgroup_of one)/cgroup.freeze" 2>/dev/null)" 1 "the kernel has frozen it"
# What the client says behind it depends on whether it hears of the failure before it waits for it.
fails lxc pause one
like "$(cat "$TAP_OUTPUT")" 'Error: The instance is already frozen' "which says why"
ok lxc start one
is "$(status one)" RUNNING "start resumes it"
is "$(lxc exec one -- echo awake)" awake "and it answers"
ok obeys one
ok lxc stop one --timeout 30
is "$(status one)" STOPPED "stop by init"
complains "The instance is already stopped" lxc stop one
ok lxc start one
# With SIGSTOP init cannot obey.
kill -STOP "$(field one state/pid)"
began=$SECONDS
fails lxc stop one --timeout 1
ok -n "an expired timeout ends the wait" test $((SECONDS - began)) -lt 20
is "$(status one)" RUNNING "and the instance goes on"
ok lxc stop --force one
is "$(status one)" STOPPED "stop --force needs no init"
ok lxc pause two
ok lxc stop two --force
is "$(status two)" STOPPED "stop --force of a paused one"
ok -n "start of many" lxc start one two four
is "$(lxc list status=running --format csv -c n | wc -l)" 5 "all of them run"
ok -n "stop --all --force" lxc stop --all --force
is "$(lxc list status=running --format csv -c n)" "" "none runs any more"

# --- rename
ok lxc move one uno
is "$(names | tr ' ' '\n' | grep -cE '^(one|uno)$') $(status uno)" "1 STOPPED" "move renames"
ok lxc rename uno one
ok lxc start one
complains "Renaming of a running instance is not allowed*" lxc move one uno
complains "*four*" lxc rename two four
ok -n "which changed nothing" lxc info two

# --- ephemeral
ok lxc launch -e busybox fleeting
is "$(field fleeting ephemeral)" True "launch -e"
ok lxc stop fleeting --force
wait_until 10 eval '[ -z "$(status fleeting)" ]' || true
is "$(status fleeting)" "" "an ephemeral instance goes when it stops"

# --- delete
complains "The instance is currently running, stop it first or pass --force" lxc delete one
ok lxc delete one --force
ok lxc delete two three four "$generated"
is "$(names)" "" "delete"
complains '*Instance not found*' lxc delete one
is "$(find "$SYSCT_DIR" -path '*/instances/*' -name 'one*' | wc -l)" 0 "nothing is left of it"

daemon_end
done_testing
