"""A TAP producer for test programs in Python, like tap.sh: ok, eq, like, raises, skip, diag; end with sys.exit(done()).

An assertion returns whether it held, and the program goes on; an exception that nothing catches ends it without a plan,
which counts as a failure.
"""

import re
import sys
import time

count = 0
failed = 0


def diag(text):
    for line in str(text).splitlines():
        print("#", line)


def ok(held, name, diagnostic=""):
    global count, failed
    count += 1
    print("%s %d - %s" % ("ok" if held else "not ok", count, re.sub(r"[\n#]", " ", name)))
    if not held:
        failed += 1
        caller = sys._getframe(1)
        while caller.f_code.co_filename == __file__:
            caller = caller.f_back
        diag("at %s:%d" % (caller.f_code.co_filename, caller.f_lineno))
        diag(diagnostic)
    sys.stdout.flush()
    return held


def eq(got, want, name):
    return ok(got == want, name, "got:  %.2000r\nwant: %.2000r" % (got, want))


def like(got, pattern, name):
    return ok(re.search(pattern, got), name, "got:     %.2000r\nmatches: %r" % (got, pattern))


def raises(kind, pattern, function, name):
    """function() raises an exception of this kind, whose text matches the pattern."""
    try:
        result = function()
    except kind as error:
        return like(str(error), pattern, name)
    except Exception as error:
        return ok(False, name, "raised %r" % error)
    return ok(False, name, "returned %r" % result)


def skip(reason, number=1):
    global count
    for _ in range(number):
        count += 1
        print("ok %d # SKIP %s" % (count, reason))


def wait_until(seconds, condition):
    """Polls; only where there is no event to wait for."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def done():
    print("1..%d" % count)
    return 1 if failed else 0
