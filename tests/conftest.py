"""What all tests share: where the optional data lies, and Triton by its interpreter where there is no GPU."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

# Set before triton is imported anywhere: its kernels then run on the CPU, one program after the other.
if not Path("/dev/nvidiactl").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")

# The tests' networks are small: more threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def shared_data() -> Path:
    """The folder of larger data sets that is not part of the project."""
    folder = Path(os.environ.get("RLGRAPHKIT_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data sets at {folder} (set RLGRAPHKIT_DATA)")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def finish_despite_kills() -> Callable[[Sequence[str], Path], int]:
    """Run a command to its end, through up to three `kill -9`, each a moment after it wrote a new checkpoint."""

    def newest(run: Path) -> str:
        latest = run / "checkpoints" / "LATEST"
        return latest.read_text() if latest.is_file() else ""

    def run_command(command: Sequence[str], run: Path) -> int:
        kills = 0
        while True:
            before = newest(run)
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            while process.poll() is None and (kills == 3 or newest(run) == before):
                time.sleep(0.01)
            if process.poll() is None:
                time.sleep(0.05 * kills)  # not always at the same moment of a step
                process.send_signal(signal.SIGKILL)
                kills += 1
            _, errors = process.communicate()
            if process.returncode != -signal.SIGKILL:
                assert process.returncode == 0, errors.decode()
                return kills

    return run_command
