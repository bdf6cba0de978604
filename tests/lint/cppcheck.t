#!/bin/bash
# cppcheck finds nothing beside what cppcheck-suppressions lists with reasons.
set -euo pipefail
# shellcheck source=tests/lint/common.sh
. "$(dirname "$0")/common.sh"
needs cppcheck cppcheck

mkdir -p "$SYSCT_BUILD/cppcheck"
ok -n "cppcheck" cppcheck -j "$(nproc)" --quiet --error-exitcode=1 --enable=warning,performance,portability --std=c11 \
	--library=posix --library=gnu --library=tests/lint/cppcheck.cfg \
	--suppressions-list=tests/lint/cppcheck-suppressions --cppcheck-build-dir="$SYSCT_BUILD/cppcheck" \
	"${preprocessor[@]}" "${sources[@]}"
done_testing
