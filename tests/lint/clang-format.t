#!/bin/bash
# Every C file is as clang-format writes it: `make format` mends it.
set -euo pipefail
# shellcheck source=tests/lint/common.sh
. "$(dirname "$0")/common.sh"
needs clang-format clang-format

ok -n "sources are formatted" clang-format --dry-run --Werror "${sources[@]}" "${headers[@]}"
done_testing
