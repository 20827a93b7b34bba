"""The small parts: errors, lazy imports, shapes, seeds, devices, schedules, run folders, telemetry."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neuralcore.device import choose_device, cpu_count, set_threads
from neuralcore.errors import UserError, guarded, nearest
from neuralcore.lazy import lazy_import
from neuralcore.run_folder import RunFolder
from neuralcore.schedules import linear
from neuralcore.seeding import Generators, derived_seed
from neuralcore.shape import match_shape
from neuralcore.telemetry import Telemetry, duration, number


def test_nearest_names_the_likely_one() -> None:
    assert nearest("epsilom", ["epsilon", "alpha"]) == "did you mean 'epsilon'? known: alpha, epsilon"
    assert nearest("zzz", ["alpha"]) == "known: alpha"


def test_guarded_turns_mistakes_into_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def wrong(words: list[str]) -> int:
        raise UserError("line one\n  and two")

    def interrupted(words: list[str]) -> int:
        raise KeyboardInterrupt

    assert guarded(wrong, []) == 2
    assert capsys.readouterr().err.endswith("error: line one and two\n")
    assert guarded(interrupted, []) == 130
    assert guarded(lambda words: None, []) == 0
    with pytest.raises(ZeroDivisionError):  # our own defects keep their traceback
        guarded(lambda words: 1 // 0, [])


def test_a_lazy_module_loads_when_used_and_a_missing_extra_names_its_command() -> None:
    assert lazy_import("math").sqrt(4) == 2
    with pytest.raises(UserError, match=r"pip install 'rlgraphkit\[cpu\]'"):
        _ = lazy_import("no_such_module_here", extra="cpu").anything
    with pytest.raises(ModuleNotFoundError):
        _ = lazy_import("no_such_module_here").anything


@pytest.mark.parametrize(
    ("shape", "expected", "sizes"),
    [
        ((2, 3), (-1, 3), (2,)),
        ((2, 3), (-1, -1), (2, 3)),
        ((), (), ()),
        ((4, 2, 3), (..., 3), ()),
        ((3,), (..., 3), ()),
    ],
)
def test_match_shape_returns_the_open_sizes(shape: tuple, expected: tuple, sizes: tuple) -> None:
    assert match_shape(np.zeros(shape), *expected) == sizes


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((2, 3), (-1, 4)), ((2,), (-1, 1)), ((2, 1), (-1,)), ((), (..., 3)), ((2, 3), (4, ..., 3))],
)
def test_match_shape_refuses(shape: tuple, expected: tuple) -> None:
    with pytest.raises(ValueError, match="q has shape"):
        match_shape(np.zeros(shape), *expected, name="q")


def test_generators_depend_on_seed_and_name_alone() -> None:
    one, two = Generators(3), Generators(3)
    two.numpy("other").random(5)
    assert one.numpy("replay").random() == two.numpy("replay").random()
    assert one.numpy("replay").random() != Generators(4).numpy("replay").random()
    assert derived_seed(1, "a", 2) != derived_seed(1, "a", 3)
    assert 0 <= derived_seed(2**40, "x") < 2**63


def test_generators_go_on_from_their_state() -> None:
    import torch

    one = Generators(3)
    one.numpy("a").random(7)
    torch.rand(5, generator=one.torch("w"))
    state = json.loads(json.dumps(one.state()))
    two = Generators(0)
    two.restore(state)
    assert one.numpy("a").random() == two.numpy("a").random()
    assert torch.equal(torch.rand(9, generator=one.torch("w")), torch.rand(9, generator=two.torch("w")))


def test_devices_by_name() -> None:
    import torch

    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda")
    with pytest.raises(UserError, match="not known"):
        choose_device("gpu9")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="sees no GPU"):
            choose_device("cuda")
    assert 1 <= cpu_count() <= (os.cpu_count() or 1)
    with pytest.raises(UserError, match="1 or more"):
        set_threads(0)


@pytest.mark.parametrize(("step", "value"), [(0, 1.0), (5, 0.6), (10, 0.2), (99, 0.2)])
def test_linear_schedule(step: int, value: float) -> None:
    assert linear(step, 1.0, 0.2, 10) == pytest.approx(value)
    assert linear(0, 1.0, 0.2, 0) == 0.2


def test_a_run_folder_keeps_its_settings(tmp_path: Path) -> None:
    config = {"seed": 1, "steps": 10, "dqn": {"hidden": [64]}}
    with RunFolder(tmp_path / "r", config) as run:
        run.checkpoints.save(1, {}, {})
    with RunFolder(tmp_path / "r", {**config, "steps": 20}, may_differ=("steps",)):
        pass
    with (
        pytest.raises(UserError, match=r"dqn\.hidden = \[64\], not \[32\]"),
        RunFolder(tmp_path / "r", {**config, "steps": 20, "dqn": {"hidden": [32]}}),
    ):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"), RunFolder(tmp_path / "file", config):
        pass


def test_what_a_run_folder_does_not_name_has_its_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    defaults = {"seconds": None, "dqn": {"final": None, "clip": 0.5, "trace": 1.0}}
    path = tmp_path / "config.toml"
    with RunFolder(tmp_path, {}) as run:
        run.checkpoints.save(1, {}, {})

    def go_on(text: str, **settings: float | None) -> str:
        path.write_text(text)
        with RunFolder(tmp_path, {"seconds": None, "dqn": defaults["dqn"] | settings}, (), defaults):
            return capsys.readouterr().err

    left_out = "[dqn]\ntrace = 1.0\n"  # as runs were once kept: without what was None
    written = 'seconds = "None"\n' + left_out
    note = f"{path} does not name dqn.clip, which is newer than it or was None: going on with 0.5\n"
    assert go_on(left_out) == go_on(written) == note
    assert path.read_text() == 'seconds = "None"\n\n[dqn]\nfinal = "None"\nclip = 0.5\ntrace = 1.0\n'
    assert go_on(path.read_text()) == ""  # all has a name now
    # The old file does not say whether the limit was None or had not been thought of: it may have been either.
    assert go_on(left_out, clip=None) == ""
    assert 'clip = "None"' in path.read_text()
    with pytest.raises(UserError, match=r"dqn\.clip = None, not 0\.5"):  # and now it is settled
        go_on(path.read_text())
    # A file in which None has its word would have named it.
    with pytest.raises(UserError, match=r"dqn\.clip = 0\.5, not None"):
        go_on(written, clip=None)
    for text in (left_out, written):
        with pytest.raises(UserError, match=r"dqn\.final = None, not 0\.1"):
            go_on(text, final=0.1)
        with pytest.raises(UserError, match=r"dqn\.clip = 0\.5, not 0\.2"):
            go_on(text, clip=0.2)


def test_a_second_process_on_the_same_run_folder_names_the_first(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom neuralcore.run_folder import RunFolder\n"
        "from neuralcore.errors import guarded\n"
        "def main(words):\n    with RunFolder(words[0], {}): pass\n"
        "sys.exit(guarded(main))"
    )
    with RunFolder(tmp_path, {}):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False, cwd=os.getcwd()
        )
    assert done.returncode == 2
    assert f"in use by process {os.getpid()}" in done.stderr


def test_piped_progress_is_json_lines_and_metrics_are_kept(tmp_path: Path) -> None:
    stream = io.StringIO()
    with Telemetry(100, "steps", title="t", folder=tmp_path, stream=stream) as telemetry:
        assert telemetry.due()
        telemetry.show(50, {"loss": 0.123456, "bad": float("nan")})
        assert not telemetry.due()
        telemetry.record(50, {"loss": 0.5})
        telemetry.record(60, {"loss": float("inf")})
    line = json.loads(stream.getvalue())
    assert line["run"] == "t"
    assert (line["steps"], line["of"], line["loss"], line["bad"]) == (50, 100, 0.1235, None)
    assert line["steps/s"] > 0
    rows = [json.loads(row) for row in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows == [{"step": 50, "loss": 0.5}, {"step": 60, "loss": None}]
    # A run that goes on from step 50 forgets what came after it, and a line cut in half.
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 70, "lo')
    with Telemetry(100, "steps", title="t", folder=tmp_path, start=50, stream=stream) as telemetry:
        telemetry.record(70, {"loss": 0.25})
    rows = [json.loads(row) for row in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [50, 70]


def test_a_terminal_gets_one_live_line(tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with Telemetry(100, "steps", title="pong", stream=stream, seconds=60) as telemetry:
        telemetry.show(50, {"return": -20.5})
        telemetry.show(100, {"return": 1e9}, last=True)
    assert "pong" in stream.getvalue()
    assert "ETA" in stream.getvalue()
    assert "took" in stream.getvalue()


def test_durations_and_numbers_for_people() -> None:
    assert [duration(s) for s in (4.4, 200, 7500)] == ["4 s", "3 min 20 s", "2 h 05 min"]
    assert [number(v) for v in (1234567, 0.01234, 12345.6, "x", True)] == [
        "1,234,567",
        "0.0123",
        "12,346",
        "x",
        "True",
    ]
