"""The threads beside the loop that reads and writes sockets: some compute answers, one watches the folder."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from graphkit.search.serving import Serving, say
from graphkit.search.wire import Refused
from neuralcore.lazy import lazy_import

faiss = lazy_import("faiss", extra="cpu")

WAITING = 64  # requests that wait for a thread at most
SECONDS = 10.0  # that a request may take
LOOKED = 1.0  # seconds between two looks at the folder


class Workers:
    """A few threads that compute answers, and an end to how many requests wait for them and how long."""

    def __init__(self, threads: int):
        # FAISS by one thread each: several for one query would wait for each other when queries come at once. The
        # number of OpenMP's threads is each thread's own.
        self._pool = ThreadPoolExecutor(threads, "worker", lambda: faiss.omp_set_num_threads(1))
        self._places = threading.BoundedSemaphore(threads + WAITING)

    async def run(self, work: Callable[[float], bytes]) -> bytes:
        """What `work` gives; it is told when its time is over.

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

    def close(self) -> None:
        """Wait for what is being computed, and for nothing else."""
        self._pool.shutdown(wait=True, cancel_futures=True)


async def watch(serving: Serving) -> None:
    """Look at the folder once in a while, and when SIGHUP comes."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    with contextlib.suppress(ValueError, RuntimeError):  # not the main thread: nobody sends it signals
        loop.add_signal_handler(signal.SIGHUP, asked.set)
    with ThreadPoolExecutor(1, "loader", lambda: faiss.omp_set_num_threads(1)) as loader:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), LOOKED)
            asked.clear()
            try:
                await loop.run_in_executor(loader, serving.look)
            except Exception as error:  # whatever it is, the old index goes on and is watched
                say(f"the new index could not be loaded, the old one goes on: {error!r}")
