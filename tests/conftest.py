"""What all tests share: where the optional data lies, and Triton by its interpreter where there is no GPU."""

from __future__ import annotations

import os
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
