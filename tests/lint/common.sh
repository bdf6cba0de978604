# shellcheck shell=bash
# For tests of the source text; sourced. They run in the top directory; SYSCT_BUILD has a configured build (config.h).
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
SYSCT_BUILD=${SYSCT_BUILD:-$PWD/build/check}

# shellcheck disable=SC2034 # for those that source this
mapfile -t sources < <(find lib lxcfs proxy sysct sysctd doc tests -name '*.c' | sort)
# shellcheck disable=SC2034
mapfile -t headers < <(find lib lxcfs proxy sysct sysctd tests -name '*.h' | sort)
# shellcheck disable=SC2034
preprocessor=(-I. -Ilib -Isysctd -I/usr/include/fuse3 "-I$SYSCT_BUILD" -DHAVE_CONFIG_H -D_GNU_SOURCE
	'-DSYSCT_LIBEXECDIR="/usr/libexec/sysct"' '-DSYSCT_TEMPLATEDIR="/usr/share/sysct/templates"')

needs() { # PROGRAM PACKAGE
	command -v "$1" >/dev/null || skip_all "$1 is not installed (Debian: $2)"
}
