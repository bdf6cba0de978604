#!/bin/bash
# The power fails at random moments of random work on instances and snapshots: what the next boot finds. SEED chooses the work
# (tests/lib/property/power_loss.py).
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

loses_power() { # FILESYSTEM DRIVER
	"$(dirname "$0")/../lib/property/power-loss" "$1" "$2" 4
}

for what in 'ext4 overlay' 'ext4 dir' 'ext4 btrfs' 'btrfs overlay'; do
	# shellcheck disable=SC2086 # two words
	ok -n "$what" loses_power $what
	sed 's/^/# /' "$TAP_OUTPUT"
done
done_testing
