#!/bin/bash
# clang-tidy, with the checks chosen in .clang-tidy, finds nothing.
set -euo pipefail
# shellcheck source=tests/lint/common.sh
. "$(dirname "$0")/common.sh"
needs clang-tidy clang-tidy

# A file without findings is looked at again when it, a header or the configuration has changed.
stamps=$SYSCT_BUILD/clang-tidy
newest=.clang-tidy
for file in "${headers[@]}"; do
	if [ "$file" -nt "$newest" ]; then newest=$file; fi
done

stale() {
	local file
	for file in "${sources[@]}"; do
		[ "$stamps/$file" -nt "$file" ] && [ "$stamps/$file" -nt "$newest" ] || echo "$file"
	done
}

tidy() { # one file; the text about suppressed warnings goes away
	clang-tidy --quiet --warnings-as-errors='*' "$1" -- -std=gnu11 "${@:3}" 2>/dev/null && mkdir -p "$2/${1%/*}" && : >"$2/$1"
}
export -f tidy

all() {
	stale | xargs -r -P "$(nproc)" -I{} bash -c 'tidy "$@"' - {} "$stamps" "${preprocessor[@]}"
}

ok -n "clang-tidy" all
done_testing
