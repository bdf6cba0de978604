#!/bin/bash
# "size" of whole trees by project quotas of ext4: what is copied has a project of its own.
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

pools_begin ext4
quota_of_roots dir-ext4
quota_of_snapshots dir-ext4
sysct delete -f q
pools_end ext4
done_testing
