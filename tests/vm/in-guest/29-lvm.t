#!/bin/bash
# Pools of the driver lvm: in a file, and in a volume group of the host's; thin volumes that grow, fill up, and are there again
# after the daemon dies and after the machine was switched off.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=tests/vm/in-guest/guest.sh
. "$(dirname "$0")/guest.sh"

inside() { sysct exec "$1" -- sh -c "$2"; }
pools=$state/storage-pools
volumes() { dmsetup ls | grep -cE "^$1-t[0-9a-f]{32}[[:space:]]"; } # thin ones of a group
reclaimed() { [ -z "$(find "$pools" -maxdepth 3 -name '.del-*')" ]; }
# size NAME: of its root in MiB, as it sees it.
size() { inside "$1" 'df -m /' | awk 'END { print $(NF - 4) }'; }
between() { [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]; }

before=$(losetup -n -l)

# --- in a file of sysct's own ---

ok -n "a pool in a file" sysct storage create thin lvm size=400MiB volume.size=150MiB
ok -n "launch" sysct launch busybox one -s thin
ok -n "its root is as large as the pool's volumes" between "$(size one)" 110 150
is "$(inside one 'stat -fc %T /; ls -d /lost+found 2>/dev/null; stat -c "%u %a" /')" $'ext2/ext3\n0 755' "a file system of its own"
ok -n "a volume" sysct storage volume create thin data
ok -n "attached to one that runs" sysct config device add one data disk pool=thin source=data path=/data
ok -n "a volume that is smaller than others" sysct storage volume create thin little size=40MiB
ok -n "attached, too" sysct config device add one little disk pool=thin source=little path=/little
ok -n "it has that" between "$(inside one 'stat -fc "%b %S" /little' | awk '{ printf "%d", $1 * $2 / 1048576 }')" 20 40
ok -n "and grows" sysct storage volume set thin little size=60MiB
ok -n "while it is used" between "$(inside one 'stat -fc "%b %S" /little' | awk '{ printf "%d", $1 * $2 / 1048576 }')" 41 60
sysct config device remove one little
ok -n "delete it" sysct storage volume delete thin little
inside one 'echo 1 >/root/file; chown 5:6 /root/file; echo then >/data/file'
ok -n "a snapshot of one that runs" sysct snapshot one running
ok -n "a size while it runs" sysct config device set one root size=180MiB
ok -n "it has that" between "$(size one)" 151 180
complains 'has 180 MiB already and cannot be made smaller' sysct config device set one root size=170MiB
like "$(inside one 'fallocate -l 180M /root/big 2>&1; rm /root/big')" 'No space left' "beyond it nothing is given out"
inside one 'echo 2 >/root/file; echo kept >/data/file'

pid=$(main_pid)
kill -KILL "$pid"
restarted() { [ "$(main_pid)" != "$pid" ] && active && sysct list; }
ok -n "kill -9 of the daemon: systemd starts another" wait_until 30 restarted
is "$(inside one 'cat /root/file /data/file')" $'2\nkept' "nothing of it is disturbed"
ok -n "a copy of the snapshot" sysct copy one/running two
ok -n "restore while it runs" sysct restore one running
is "$(inside one 'cat /root/file /data/file; stat -c "%u %g" /root/file')" $'1\nkept\n5 6' "the root is what it was, and the volume stays"
sysct stop --force one

# --- the machine is switched off, as far as the pool can tell ---

bb=$(instance_init_pid bb 2>/dev/null || echo none) # it runs on, and its daemon leaves what is mounted
systemctl stop sysctd.socket sysctd.service
tac /proc/self/mountinfo | awk -v below="$pools/thin" 'index($5, below) == 1 { print $5 }' | xargs -rn1 umount
lvm vgchange --quiet -an thin >/dev/null 2>&1 || true
ok -n "no volume is left active" test "$(volumes thin)" = 0
systemctl start sysctd.socket
ok -n "started after a boot" sysct start one two
is "$(inside one 'cat /root/file /data/file') $(inside two 'cat /root/file')" $'1\nkept 1' "all is there"
is "$bb" "$(instance_init_pid bb 2>/dev/null || echo none)" "those in other pools did not notice"

# --- full ---

inside one 'dd if=/dev/zero of=/root/big bs=1M count=100; sync' >/dev/null 2>&1 || true
complains 'the thin pool thin/SysctThinPool is full .*delete something, or make the pool larger' sysct snapshot one full
complains 'is full' sysct init busybox three -s thin
is "$(sysct list -f csv -c n | grep -cx three)" 0 "nothing is made"
ok -n "it is made larger" sysct storage set thin size=500MiB
sysct stop --force one
ok -n "what has met the end of it starts" sysct start one
inside one 'rm -f /root/big; sync'
ok -n "and writes again" wait_until 20 inside one 'echo more >/root/more && sync'
ok -n "and has snapshots" sysct snapshot one after
ok -n "delete" sysct delete --force one two
ok -n "delete the volume" sysct storage volume delete thin data
ok -n "their volumes go" wait_until 60 reclaimed
is "$(volumes thin)" 1 "but for the image's"
ok -n "delete the pool" sysct storage delete thin
is "$(find /dev/mapper -name 'thin-*'; losetup -n -l; ls "$state/disks")" "$before" "nothing of it is left"

# --- beside what the host has in a volume group ---

truncate -s 1G /tmp/group.img
device=$(losetup -f --show /tmp/group.img)
{ lvm vgcreate host "$device" && lvm lvcreate -y -L 100m -n data host; } >/dev/null 2>&1
complains 'volume group "host" is not empty .*lvm.vg.force_reuse=true' sysct storage create beside lvm source=host
complains "is already in volume group 'host'" sysct storage create beside lvm source="$device"
ok -n "a pool beside, with xfs" sysct storage create beside lvm source=host lvm.vg.force_reuse=true volume.size=320MiB volume.block.filesystem=xfs
ok -n "launch" sysct launch busybox xfs -s beside
ok -n "copy while it runs" sysct copy xfs again
is "$(inside xfs 'stat -fc %T /')" xfs "the file system"
ok -n "both at once" sysct start again
sysct delete --force xfs again
ok -n "delete the pool" sysct storage delete beside
is "$(lvm lvs --noheadings -o lv_name host 2>/dev/null | tr -d ' ')" data "what was in the group is all that is"
lvm vgremove -y host >/dev/null 2>&1
losetup -d "$device"
rm /tmp/group.img
done_testing
