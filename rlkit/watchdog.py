"""An environment that never answers ends the training with an error, instead of holding a machine for ever.

A thread looks now and then whether the rollout is still in the same step. It can look only while Python runs: an
environment in C that hangs without letting go of the interpreter's lock is not seen.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from rlkit.rollout import Rollout


@contextmanager
def watch(rollout: Rollout, seconds: float) -> Iterator[None]:
    """While the block lasts, a step of the environments that takes longer than `seconds` ends the process (code 2).

    The thread that hangs cannot be told to stop, so nothing is tidied up: what is on disk must be whole at any
    moment, as checkpoints are. 0 waits for ever.
    """
    over = threading.Event()
    if seconds:
        arguments = rollout, seconds, over, threading.get_ident()
        threading.Thread(target=_look, args=arguments, name="watchdog", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _look(rollout: Rollout, seconds: float, over: threading.Event, thread: int) -> None:
    """Sum up the time between looks at the same step: a process that is stopped (Ctrl-Z) does not look."""
    pause, seen, waited = min(seconds / 10, 1.0), None, 0.0
    while not over.wait(pause):
        began = rollout.began
        waited = waited + pause if began is not None and began == seen else 0.0
        seen = began
        if waited >= seconds:
            _give_up(rollout, seconds, thread)


def _give_up(rollout: Rollout, seconds: float, thread: int) -> None:
    frame = sys._current_frames()[thread]
    stack = "".join(traceback.format_stack(frame))
    whose = rollout.whose(frame for frame, _ in traceback.walk_stack(frame))
    sys.stderr.write(
        f"Where it hangs (most recent call last):\n{stack}"
        f"error: {whose}, has not answered for {seconds:g} s: mend the environment, or give it longer "
        f"(--step-timeout {2 * seconds:g}; 0 for ever). The last checkpoint is whole: the same command goes on "
        "from it\n"
    )
    sys.stderr.flush()
    for process in multiprocessing.active_children():  # a copy that hangs would live on
        process.kill()
    os._exit(2)
