# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs functions as test cases and prints TAP."""

import signal
import sys
import time
import traceback


class Skip(Exception):
    """Raised by a test that cannot be run here; the text is the reason."""


def expect(condition, text):
    if not condition:
        raise AssertionError(text)


def run(cases):
    """Runs each (name, function); returns the exit status."""
    failed = 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # a run that is cut short cleans up too
    print(f"1..{len(cases)}")
    for number, (name, work) in enumerate(cases, 1):
        begin = time.monotonic()
        try:
            note = work()
        except Skip as e:
            print(f"ok {number} - {name} # SKIP {e}", flush=True)
            continue
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {name}")
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            sys.stdout.flush()
            continue
        took_ms = round((time.monotonic() - begin) * 1000)
        print(f"ok {number} - {name}", flush=True)
        print(f"# {took_ms} ms" + (f"; {note}" if note else ""), flush=True)
    return 1 if failed else 0
