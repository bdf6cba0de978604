#!/bin/bash
# "size" of volumes by project quotas of ext4 and xfs.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=tests/vm/in-guest/guest.sh
. "$(dirname "$0")/guest.sh"
# shellcheck source=tests/lib/quotas.sh
. "$(dirname "$0")/../../lib/quotas.sh"

disk=/root/volume-sizes
for kind in ext4 xfs; do
	truncate -s 400M $disk.img
	if [ $kind = ext4 ]; then mkfs.ext4 -q -O quota,project -E quotatype=prjquota $disk.img; else mkfs.xfs -q -f $disk.img; fi
	mkdir -p $disk
	mount -o loop,prjquota $disk.img $disk
	mkdir -p $disk/over $disk/dir
	sysct storage create over-$kind overlay source=$disk/over
	sysct storage create dir-$kind dir source=$disk/dir
	for pool in over-$kind dir-$kind; do
		quota_of_volumes $pool
		ok -n "$pool: the pool is deleted" sysct storage delete $pool
	done
	umount $disk
done
rm $disk.img
done_testing
