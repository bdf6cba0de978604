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
fails -n "over-xfs: and is full" inside q 'echo x >/root/x'
ok -n "over-xfs: until it gets more" sysct config device set q root size=36MiB
ok -n "over-xfs: that can be written to" put q /root/b 4
fails -n "over-xfs: and no more" put q /root/b 20
sysct stop -f q
ok -n "over-xfs: and restored" sysct restore q stopped
sysct delete -f q
quota_of_volumes dir-xfs
pools_end xfs
done_testing
