# shellcheck shell=bash
# A TAP producer for bash tests; source it, assert, and end with done_testing:
#
#   . "$(dirname "$0")/../lib/tap.sh"
#   ok [-n NAME] CMD...          CMD succeeds
#   fails [-n NAME] CMD...       CMD fails, and not by a signal
#   is GOT WANT [NAME]           equal strings
#   like GOT REGEX [NAME]        GOT matches the extended regular expression
#   skip REASON [COUNT]          COUNT assertions (1) cannot be made here
#   skip_all REASON              none can; ends the program
#   bail REASON                  it is useless to go on; ends the program, which counts as failed
#   wait_until SECONDS CMD...    polls CMD until it succeeds (status 1 if it does not); only where there is no event
#   diag TEXT...                 a comment
#   done_testing                 prints the plan; its status is 1 if an assertion failed
#
# An assertion returns 0 also when it fails, so that the program goes on under set -e. CMD runs in this shell (functions can
# set variables; set -e is off inside, as in every condition) and its output is in the file $TAP_OUTPUT until the next one.

tap_count=0
tap_failed=0
TAP_OUTPUT=$(mktemp "${TMPDIR:-/tmp}/tap.XXXXXX")

diag() { printf '%s\n' "$*" | sed 's/^/# /'; }

# tap_result STATUS NAME [DIAGNOSTIC]: every assertion ends here.
tap_result() {
	local verdict=ok
	tap_count=$((tap_count + 1))
	if [ "$1" -ne 0 ]; then
		verdict='not ok'
		tap_failed=$((tap_failed + 1))
	fi
	printf '%s %d - %s\n' "$verdict" "$tap_count" "$(tr '\n#' ' _' <<<"$2" | sed 's/ *$//')"
	if [ "$1" -ne 0 ]; then
		diag "at ${BASH_SOURCE[2]}:${BASH_LINENO[1]}"
		diag "$3"
	fi
}

# tap_run [-n NAME] CMD...: runs it into $TAP_OUTPUT; its name and status are left in tap_name and tap_status.
tap_run() {
	tap_name='' tap_status=0
	if [ "$1" = -n ]; then
		tap_name=$2
		shift 2
	fi
	tap_name=${tap_name:-$*}
	"$@" >"$TAP_OUTPUT" 2>&1 || tap_status=$?
}

ok() {
	tap_run "$@"
	tap_result "$tap_status" "$tap_name" "status $tap_status, output: $(tail -n 50 "$TAP_OUTPUT" | tr -d '\0')"
}

fails() {
	local result=0
	tap_run "$@"
	if [ "$tap_status" -eq 0 ] || [ "$tap_status" -ge 128 ]; then result=1; fi
	tap_result $result "fails: $tap_name" "status $tap_status, output: $(tail -n 50 "$TAP_OUTPUT" | tr -d '\0')"
}

is() {
	local result=0
	[ "$1" = "$2" ] || result=1
	tap_result $result "${3:-is $2}" "got:  $1"$'\n'"want: $2"
}

like() {
	local result=0
	[[ $1 =~ $2 ]] || result=1
	tap_result $result "${3:-like $2}" "got:     $1"$'\n'"matches: $2"
}

# complains PATTERN CMD...: it fails and says so.
complains() {
	local said
	if said=$("${@:2}" 2>&1); then tap_result 1 "refused: ${*:2}" "it succeeded"; else like "$said" "$1" "refused: ${*:2}"; fi
}

skip() {
	local i
	for ((i = 0; i < ${2:-1}; i++)); do
		tap_count=$((tap_count + 1))
		echo "ok $tap_count # SKIP $1"
	done
}

skip_all() {
	echo "1..0 # SKIP $1"
	rm -f "$TAP_OUTPUT"
	exit 0
}

bail() {
	echo "Bail out! $1"
	rm -f "$TAP_OUTPUT"
	exit 1
}

wait_until() {
	local end=$((${EPOCHREALTIME/[^0-9]/} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ "${EPOCHREALTIME/[^0-9]/}" -ge $end ]; then return 1; fi
		sleep 0.02
	done
}

done_testing() {
	echo "1..$tap_count"
	rm -f "$TAP_OUTPUT"
	[ "$tap_failed" -eq 0 ]
}
