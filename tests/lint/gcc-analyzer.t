#!/bin/bash
# gcc's static analyzer has nothing to say about any program.
set -euo pipefail
# shellcheck source=tests/lint/common.sh
. "$(dirname "$0")/common.sh"

configured() { [ -e Makefile ] || "$OLDPWD/configure" --quiet --enable-werror CFLAGS='-O2 -g -fanalyzer'; }

# Beside the build that the other tests use, and kept: the next time only what changed is compiled.
mkdir -p "$SYSCT_BUILD/analyzer"
cd "$SYSCT_BUILD/analyzer"
if ok -n "configured" configured && [ "$tap_status" -eq 0 ]; then
	ok -n "gcc -fanalyzer" make --no-print-directory --keep-going -j"$(nproc)" all
fi
done_testing
