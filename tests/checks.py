"""Results as every step of the tests prints them: one line for each thing that was looked at."""

import sys
import traceback
from contextlib import contextmanager

failed = 0


def check(sentence, holds, seen=None):
    """Reports whether the sentence holds; what was seen instead is printed only when it does not."""
    global failed
    print(f"ok - {sentence}" if holds else f"not ok - {sentence}", flush=True)
    if not holds:
        failed += 1
        if seen is not None:
            print(f"    seen: {seen!r}", flush=True)
    return holds


@contextmanager
def holds(sentence):
    """Reports the sentence as true unless the block raises."""
    try:
        yield
    except Exception:  # whatever it is, it is this check that failed, and the next ones still run
        check(sentence, False, traceback.format_exc(limit=-3))
    else:
        check(sentence, True)


def refused(sentence, errors, call):
    """Reports whether the call raises one of the errors."""
    try:
        seen = call()
    except errors:
        check(sentence, True)
    except Exception as other:  # another error than the one that was meant is a finding too
        check(sentence, False, other)
    else:
        check(sentence, False, seen)


def finish():
    """Ends the program the way its caller expects."""
    sys.exit(1 if failed else 0)
