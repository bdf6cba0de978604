#!/bin/bash
# "size" by project quotas of xfs, which keep the daemon to them, too.
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

pools_begin xfs
quota_of_roots over-xfs
quota_of_snapshots over-xfs
inside q 'dd if=/dev/zero of=/root/full bs=64k; sync' >/dev/null 2>&1 || true
sysct stop -f q
ok -n "over-xfs: a snapshot of one that is full" sysct snapshot create q full
ok -n "over-xfs: which starts" sysct start q
ok -n "over-xfs: and can be written to, once something is removed" inside q 'rm /root/full; sync; echo x >/root/x'
fails -n "over-xfs: up to the size" put q /root/b 28
sysct stop -f q
ok -n "over-xfs: and restored" sysct restore q stopped
sysct delete -f q
quota_of_volumes dir-xfs
pools_end xfs
done_testing
