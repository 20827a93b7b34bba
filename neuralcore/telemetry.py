"""What a long run says while it works: a live line on a terminal, JSON lines when piped, and files to keep.

`metrics.jsonl` holds one JSON object a report; TensorBoard events are written beside it when that is installed.
Algorithms return numbers; the loop hands them here.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from neuralcore.lazy import installed


def duration(seconds: float) -> str:
    """Seconds as a person says them: `48 s`, `3 min 20 s`, `2 h 05 min`."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def number(value: Any) -> str:
    """A figure in few characters: 1,234,567 · 0.0123 · 1.2e-05."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or (abs(value) >= 1000 and math.isfinite(value)):
        return f"{round(value):,}"
    return f"{value:.3g}"


class Telemetry:
    """Progress of one run.

    Args:
        total: units of work until the end (environment steps, words, edges).
        unit: their name, in the plural; also names the speed, `<unit>/s`.
        title: what is running, first on the line.
        folder: a run folder for `metrics.jsonl` and events; None keeps nothing.
        start: units already done before this process (a resumed run).
        stream: where progress is shown; None is stderr.
        interval: seconds between two lines on a terminal; piped output gets one every ten times that.
        seconds: when the run stops by the clock rather than at `total`, its length, for the ETA.
    """

    def __init__(
        self,
        total: int,
        unit: str,
        *,
        title: str,
        folder: str | Path | None = None,
        start: int = 0,
        stream: IO[str] | None = None,
        interval: float = 0.5,
        seconds: float | None = None,
    ):
        self.total, self.unit, self.title, self.start, self.seconds = total, unit, title, start, seconds
        self.stream = stream or sys.stderr
        self.terminal = self.stream.isatty()
        self.interval = interval if self.terminal else interval * 10
        self._file: IO[str] | None = None
        self._events: Any = None
        self._shown = 0.0
        self._live: Any = None
        if folder is not None:
            folder = Path(folder)
            folder.mkdir(parents=True, exist_ok=True)
            if start:
                _drop_after(folder / "metrics.jsonl", start)
            self._file = open(folder / "metrics.jsonl", "a" if start else "w", encoding="utf-8")
            if installed("tensorboard"):
                from torch.utils.tensorboard import SummaryWriter

                self._events = SummaryWriter(str(folder / "events"), purge_step=start or None)
        self._started = time.monotonic()  # after those imports, which are not the run's own speed

    def __enter__(self) -> Telemetry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def due(self) -> bool:
        """Whether enough time has passed for another line."""
        return time.monotonic() - self._shown >= self.interval

    def show(self, step: int, metrics: Mapping[str, float | int | str], *, last: bool = False) -> None:
        """Draw the live line (or print one JSON line when piped)."""
        now = time.monotonic()
        self._shown = now
        elapsed = now - self._started
        speed = (step - self.start) / elapsed if elapsed > 0 else 0.0
        left = (self.total - step) / speed if speed > 0 else math.inf
        if self.seconds is not None:
            left = min(left, max(self.seconds - elapsed, 0.0))
        if not self.terminal:
            line = {"run": self.title, self.unit: step, "of": self.total, f"{self.unit}/s": round(speed)}
            line |= {k: _rounded(v) for k, v in metrics.items()}
            line |= {"seconds": round(elapsed, 1)} if last else {"eta_seconds": _rounded(left)}
            print(json.dumps(_finite(line), ensure_ascii=False), file=self.stream, flush=True)
            return
        share = min(step / self.total, 1.0) if self.total else 1.0
        if self.seconds is not None:
            share = max(share, min(elapsed / self.seconds, 1.0))
        bar = "━" * round(share * 12)
        # What matters most comes first: a narrow terminal cuts the end of the line.
        parts = [f"{self.title} [green]{bar:<12}[/] {number(step)} {self.unit}", f"{number(speed)}/s"]
        parts.append(f"took {duration(elapsed)}" if last else "ETA …" if speed <= 0 else f"ETA {duration(left)}")
        parts += [f"{key} {number(value)}" for key, value in metrics.items()]
        self._line().update(_text(" · ".join(parts)), refresh=True)

    def record(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Keep one row of figures: `metrics.jsonl` and, when installed, TensorBoard."""
        if self._file is not None:
            self._file.write(json.dumps(_finite({"step": step, **metrics})) + "\n")
            self._file.flush()
        if self._events is not None:
            for key, value in metrics.items():
                if isinstance(value, (int, float)):
                    self._events.add_scalar(key, value, step)

    def close(self) -> None:
        """End the live line and close the files."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._events is not None:
            self._events.close()
            self._events = None

    def _line(self) -> Any:
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(file=self.stream, highlight=False), auto_refresh=False)
            self._live.start()
        return self._live


def _text(markup: str) -> Any:
    from rich.text import Text

    text = Text.from_markup(markup)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) and math.isfinite(value) else value


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """NaN and infinities are not JSON: they become null rather than a file no one can read."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}


def _drop_after(path: Path, step: int) -> None:
    """Forget the rows past the checkpoint a run goes on from, and a half-written last line."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except (ValueError, KeyError):
            continue
    path.write_text("".join(kept), encoding="utf-8")
