#!/bin/bash
# Snapshots by Debian's lxc.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=../lib/tap.sh
. "$here/../lib/tap.sh"
# shellcheck source=../lib/daemon.sh
. "$here/../lib/daemon.sh"
# shellcheck source=../lib/lxc.sh
. "$here/../lib/lxc.sh"

lxc_begin busybox
ok lxc launch busybox box
ok lxc exec box -- sh -c 'echo one >/root/file'
ok lxc snapshot box
ok lxc snapshot box clean
complains '*already exists*' lxc snapshot box clean
complains '*not a name*' lxc snapshot box .x
ok -n "snapshot --reuse" lxc snapshot box clean --reuse
complains '*not supported*' lxc snapshot box stateful --stateful
like "$(lxc info box)" $'Snapshots:\n.*snap0.*clean' "info names them"
is "$(lxc list --format csv -c nS)" box,2 "list counts them"
like "$(lxc config show box/clean)" 'expanded_devices' "config show of one"
is "$(lxc query /1.0/instances/box/snapshots | jq -c .)" '["/1.0/instances/box/snapshots/snap0","/1.0/instances/box/snapshots/clean"]' "their URLs"
is "$(lxc query '/1.0/instances?recursion=2' | jq -c '[.[0].snapshots[].name]')" '["snap0","clean"]' "recursion=2 has them"
ok lxc exec box -- sh -c 'echo two >/root/file'
ok lxc restore box clean
is "$(lxc exec box -- cat /root/file)" one "restore"
ok lxc move box/snap0 box/first
is "$(lxc query /1.0/instances/box/snapshots/first | jq -r '.name')" first "move renames one"
complains '*not found*' lxc restore box nothing
ok lxc delete box/first
is "$(lxc query '/1.0/instances/box/snapshots?recursion=1' | jq -r '.[].name')" clean "delete of one"
complains '*not found*' lxc delete box/first
ok lxc copy box other
is "$(lxc query '/1.0/instances/other/snapshots?recursion=1' | jq -r '.[].name')" clean "copy, with the snapshots"
ok lxc copy box/clean third -c user.note=x
is "$(lxc list --format csv -c nsS)" $'box,RUNNING,1\nother,STOPPED,1\nthird,STOPPED,0' "copy of a snapshot"
ok lxc start third
is "$(lxc exec third -- cat /root/file) $(lxc config get third user.note)" "one x" "which has its files and the settings of the command line"
complains '*already exists*' lxc copy box other
ok lxc delete other third --force
ok lxc stop box --force
ok lxc snapshot box stopped
ok lxc restore box clean
is "$(lxc list --format csv -c ns)" box,STOPPED "restore of a stopped one leaves it stopped"
ok lxc delete box
is "$(lxc list --format csv)" "" "with the instance its snapshots go"
daemon_end
done_testing
