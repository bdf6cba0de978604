#!/bin/bash
# "size" by project quotas of ext4, which the kernels that other tests run on need not have: at the limit, with snapshots,
# restores and copies, and that root of an instance cannot leave its project.
# shellcheck disable=SC2016 # for shells in the instances
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=tests/vm/in-guest/guest.sh
. "$(dirname "$0")/guest.sh"
# shellcheck source=tests/lib/quotas.sh
. "$(dirname "$0")/../../lib/quotas.sh"
# shellcheck source=tests/vm/in-guest/projects.sh
. "$(dirname "$0")/projects.sh"

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

# --- what is there keeps instances to their sizes ---

pools_begin ext4
pool=over-ext4
quota_of_roots "$pool"
is "$(foreign q | sed 's/.*\(may\|Invalid argument\|not permitted\|Permission denied\).*/\1/' | sort -u | tr '\n' ' ')" \
	'Invalid argument may ' "$pool: root inside cannot leave its project"
inside q 'rm -r /e'
ok -n "$pool: what is moved and linked stays in the project" inside q 'mv /etc/shells /root/ && ln /etc/passwd /root/p &&
	mv /root/p /etc/passwd2 && mkdir /x && mv /root/a /x/ && mv /x /y && mv /y/a /root/ && ln -s a /root/l && mv /root/l /etc/'
quota_of_snapshots "$pool"
sysct copy q c
ok -n "$pool: a copy has a project of its own" test "$(project q "$pool")" != "$(project c "$pool")"
ok -n "$pool: above those of others" test "$(project c "$pool")" -ge $((0x10000000))
sysct delete c
quota_at_reboot "$pool"
pools_end ext4
done_testing
