#!/bin/bash
# What is made from tables is up to date, pages are well-formed, and links between documents lead somewhere.
set -euo pipefail
# shellcheck source=tests/lint/common.sh
. "$(dirname "$0")/common.sh"

reference() { "$SYSCT_BUILD/doc/make-config-keys" | diff -u doc/config-keys.md -; }

page() { # groff warns of what it does not know
	local problems
	problems=$(LC_ALL=C.UTF-8 man --warnings=w -l "$1" 2>&1 >/dev/null) || return
	echo "$problems"
	[ -z "$problems" ]
}

links() {
	local file target status=0
	for file in README.md doc/*.md templates/README.md; do
		while read -r target; do
			[ -e "$(dirname "$file")/${target%%#*}" ] || { echo "$file: no $target" && status=1; }
		done < <(grep -oE '\]\([^)#:]+[^):]*\)' "$file" | sed 's/^](//; s/)$//')
	done
	return $status
}

ok -n "doc/config-keys.md is as the tables are ('make reference' writes it)" reference
ok -n "links in documents" links
if command -v man >/dev/null && command -v groff >/dev/null; then
	for manual in "$SYSCT_BUILD"/doc/sysct.1 doc/sysctd.8 doc/sysct-monitor.8 doc/sysct-lxcfs.8; do
		ok -n "${manual##*/}" page "$manual"
	done
else
	skip "no man or groff" 4
fi
done_testing
