# shellcheck shell=bash
# What the templates here have in common. A template of your own may source it, but need not: the contract (README.md)
# is about arguments, files and exit codes only.

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

usage_error() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 2
}

# progress PERCENT TEXT: tell the caller where the work is; PERCENT never falls, and no line comes twice.
progress_percent=0 progress_line=''
progress() {
    [ -n "${SYSCT_PROGRESS_FD:-}" ] || return 0
    if [ "$1" -gt "$progress_percent" ]; then progress_percent=$1; fi
    [ "$progress_line" != "$progress_percent $2" ] || return 0
    progress_line="$progress_percent $2"
    printf '%s\n' "$progress_line" >&"$SYSCT_PROGRESS_FD" || true
}

# Refuse a descriptor that is not open now, instead of failing in the middle of a build.
progress_check() {
    [ -n "${SYSCT_PROGRESS_FD:-}" ] || return 0
    [[ $SYSCT_PROGRESS_FD =~ ^[0-9]+$ && -e /proc/self/fd/$SYSCT_PROGRESS_FD ]] ||
        usage_error "SYSCT_PROGRESS_FD=$SYSCT_PROGRESS_FD is not an open descriptor"
}

# json_list WORD...: a JSON array of strings. The callers have checked that no word needs escaping.
json_list() {
    local list=''
    if [ $# -gt 0 ]; then
        printf -v list '"%s",' "$@"
    fi
    printf '[%s]' "${list%,}"
}

# The kernel's name of a Debian architecture, as metadata.json wants it.
kernel_architecture() {
    case $1 in
    amd64) printf x86_64 ;;
    arm64) printf aarch64 ;;
    armhf) printf armv7l ;;
    i386) printf i686 ;;
    ppc64el) printf ppc64le ;;
    *) printf '%s' "$1" ;;
    esac
}

# The host's architecture in Debian's words.
host_architecture() {
    case $(uname -m) in
    x86_64) printf amd64 ;;
    aarch64) printf arm64 ;;
    armv7l) printf armhf ;;
    i?86) printf i386 ;;
    ppc64le) printf ppc64el ;;
    *) uname -m ;;
    esac
}

# The time that the image bears: SOURCE_DATE_EPOCH where set, so that a build can be repeated byte by byte.
build_epoch() {
    local epoch=${SOURCE_DATE_EPOCH:-}
    if [ -z "$epoch" ]; then
        printf -v epoch '%(%s)T' -1
    fi
    [[ $epoch =~ ^[0-9]+$ ]] || usage_error "SOURCE_DATE_EPOCH=$epoch is not a number"
    printf '%s' "$epoch"
}

# write_metadata DIR EPOCH ARCHITECTURE OS RELEASE VERSION VARIANT INIT DESCRIPTION [ALIAS...]
write_metadata() {
    local dir=$1 epoch=$2 arch=$3 serial
    serial=$(TZ=UTC printf '%(%Y%m%d_%H%M)T' "$epoch")
    cat >"$dir/metadata.json" <<END
{"architecture":"$(kernel_architecture "$arch")","creation_date":$epoch,"expiry_date":0,
"properties":{"os":"$4","release":"$5","version":"$6","variant":"$7","architecture":"$arch",
"description":"$9","serial":"$serial","init":"$8"},
"aliases":$(json_list "${@:10}")}
END
}
