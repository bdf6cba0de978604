#!/bin/bash
# "size" by project quotas of ext4: layers that are merged, what was made before there were quotas, volumes, and the daemon's end.
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
merged over-ext4
sysct launch busybox r -s over-ext4 -d root,size=20MiB
sysct init busybox old -s over-ext4 # as made before the file system had quotas
directory=$state/storage-pools/over-ext4/$(layers_of old | head -1)
for path in "$directory"/{upper,work,.}; do chattr -P "$path" && chattr -p 0 "$path"; done
sysct config device set old root size=20MiB
complains 'the root disk: it was made before its file system limited projects: make a copy' sysct start old
sysct copy old new
ok -n "a copy can be kept to it" sysct start new
ok -n "to its size" says_less new 20
sysct delete -f old new
quota_of_volumes over-ext4
pid=$(main_pid)
kill -KILL "$pid"
wait_until 30 gone "$pid"
wait_until 60 sysct list
ok -n "limits outlive the daemon" says r 20
sysct delete -f r
pools_end ext4
done_testing
