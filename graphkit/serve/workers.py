"""The threads beside the loop that reads and writes sockets: some compute answers, one loads new indexes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from graphkit.serve.serving import Serving, say
from graphkit.serve.wire import Refused
from neuralcore.lazy import lazy_import

faiss = lazy_import("faiss", extra="cpu")

T = TypeVar("T")

WAITING = 64  # requests that wait for a thread at most
SECONDS = 10.0  # that a request may take
LOOKED = 1.0  # seconds between two looks at the folder


class Workers:
    """A few threads that compute answers, with an end to how many requests wait for them and how long; and one for
    what takes long and nobody should wait for.

    Args:
        threads: how many compute answers.
    """

    def __init__(self, threads: int):
        self._pool = ThreadPoolExecutor(threads, "answer", _alone)
        self._loader = ThreadPoolExecutor(1, "load", _alone)
        self._places = threading.BoundedSemaphore(threads + WAITING)

    async def answer(self, work: Callable[[float], T]) -> T:
        """What `work` gives; it is told the time at which it should have ended.

        Raises:
            Refused: too many wait, or it took too long.
        """
        if not self._places.acquire(blocking=False):
            raise Refused(503, "too many requests at once: try again", {"retry-after": "1"})
        future = self._pool.submit(work, time.monotonic() + SECONDS)
        future.add_done_callback(lambda _: self._places.release())
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), SECONDS)
        except TimeoutError:
            raise Refused(503, f"no answer within {SECONDS:g} seconds: ask for less at once") from None

    async def load(self, work: Callable[[], T]) -> T:
        """What `work` gives, after what was asked for before it."""
        return await asyncio.wrap_future(self._loader.submit(work))

    def close(self) -> None:
        """Begin nothing more; what is being computed ends."""
        for pool in (self._pool, self._loader):
            pool.shutdown(wait=False, cancel_futures=True)


def _alone() -> None:
    """One thread of OpenMP, of which the number is each thread's own.

    Several for one query would wait for each other where queries come at once.
    """
    faiss.omp_set_num_threads(1)
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)


async def watch(serving: Serving, workers: Workers) -> None:
    """Look at the folder once in a while, and when SIGHUP comes, unless that means that a terminal was closed."""
    asked = asyncio.Event()
    if not sys.stdin.isatty():
        with contextlib.suppress(ValueError, RuntimeError):  # not the main thread: nobody sends it signals
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
    await workers.load(serving.warm)
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), LOOKED)
        work = serving.reload if asked.is_set() else serving.look
        asked.clear()
        try:
            await workers.load(work)
        except Exception as error:  # whatever it is, the old index goes on and is watched
            say(f"the new index is refused, {serving.now.version} goes on: {error}")
