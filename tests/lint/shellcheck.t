#!/bin/bash
# No shell script has a finding of shellcheck.
set -euo pipefail
# shellcheck source=tests/lint/common.sh
. "$(dirname "$0")/common.sh"
needs shellcheck shellcheck

mapfile -t scripts < <(
	find autogen.sh check quickstart .ci etc templates tests -type f -print0 |
		xargs -0 grep -lE -m 1 -e '^#!/bin/(ba)?sh' -e '^# shellcheck shell=' | sort
)
# SC2016: scripts for a shell elsewhere are in single quotes. SC2030, SC2031: variables of a subshell are meant for it alone.
# SC2010, SC2044: what ls and find list is numbers. SC2034: a library sets variables for those that source it.
# SC2119, SC2120: functions with optional arguments are called with and without.
ok -n "shellcheck" shellcheck --exclude=SC2010,SC2016,SC2034,SC2044,SC2030,SC2031,SC2119,SC2120 --external-sources --source-path=SCRIPTDIR --source-path=. "${scripts[@]}"
done_testing
