"""Counters and times of the service in Prometheus' text format, written by hand: a few dozen lines serve.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
PREFIX = "graphkit_"
HELP = {
    "requests_total": "requests answered, by route and status",
    "connections_cut_total": "connections that were ended from here, by reason",
    "swaps_total": "indexes taken in place of another",
    "refused_indexes_total": "new indexes that were damaged or did not fit; the old one went on",
}


class Metrics:
    """What has happened since the start. Any thread may count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], int] = {}
        self._times: dict[str, list[float]] = {}  # route -> answers up to each bound, beyond all, and their sum

    def count(self, name: str, **labels: str | int) -> None:
        """One more."""
        key = name, _labels(labels)
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + 1

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self.count("requests_total", route=route, status=status)
        with self._lock:
            times = self._times.setdefault(route, [0] * (len(BOUNDS) + 1) + [0.0])
            times[bisect_left(BOUNDS, seconds)] += 1
            times[-1] += seconds

    def text(self, gauges: Mapping[str, float], version: str) -> str:
        """All of it, with what is measured now: name -> number."""
        return "\n".join([*self._lines(gauges, version), ""])

    def _lines(self, gauges: Mapping[str, float], version: str) -> Iterator[str]:
        with self._lock:
            counts, times = dict(self._counts), {route: list(each) for route, each in self._times.items()}
        for name, meaning in HELP.items():
            yield f"# HELP {PREFIX}{name} {meaning}"
            yield f"# TYPE {PREFIX}{name} counter"
            found = {labels: number for (key, labels), number in counts.items() if key == name}
            if not found and name in ("swaps_total", "refused_indexes_total"):
                found = {"": 0}
            yield from (f"{PREFIX}{name}{labels} {number}" for labels, number in sorted(found.items()))
        yield f"# HELP {PREFIX}request_seconds from the request's head to the end of the answer"
        yield f"# TYPE {PREFIX}request_seconds histogram"
        for route, each in sorted(times.items()):
            total = 0
            for bound, number in zip([*map(str, BOUNDS), "+Inf"], each):
                total += int(number)
                yield f"{PREFIX}request_seconds_bucket{_labels({'route': route, 'le': bound})} {total}"
            yield f"{PREFIX}request_seconds_sum{_labels({'route': route})} {each[-1]:.6f}"
            yield f"{PREFIX}request_seconds_count{_labels({'route': route})} {total}"
        yield f"# TYPE {PREFIX}index_info gauge"
        yield f"{PREFIX}index_info{_labels({'version': version})} 1"
        for name, number in gauges.items():
            yield f"# TYPE {PREFIX}{name} gauge"
            yield f"{PREFIX}{name} {number:g}"
        used = resource.getrusage(resource.RUSAGE_SELF)
        yield "# TYPE process_cpu_seconds_total counter"
        yield f"process_cpu_seconds_total {used.ru_utime + used.ru_stime:.2f}"
        if sys.platform == "linux":
            with open("/proc/self/statm") as file:
                pages = int(file.read().split()[1])
            yield "# TYPE process_resident_memory_bytes gauge"
            yield f"process_resident_memory_bytes {pages * os.sysconf('SC_PAGE_SIZE')}"
            yield "# TYPE process_open_fds gauge"
            yield f"process_open_fds {len(os.listdir('/proc/self/fd'))}"


def _labels(labels: Mapping[str, str | int]) -> str:
    def escaped(value: str | int) -> str:
        return str(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items()) + "}" if labels else ""
