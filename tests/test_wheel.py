"""The wheel carries everything: installed outside the checkout, both command lines find their presets and samples."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_a_wheel_in_an_empty_environment_runs_both_command_lines(tmp_path: Path) -> None:
    """The dependencies are borrowed from this environment by a path file, our own packages only from the wheel."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"rlkit", "graphkit", "envs", "agents", "neuralcore"}
    for preset in (ROOT / "configs").rglob("*.toml"):
        assert f"neuralcore/presets/{preset.relative_to(ROOT / 'configs').as_posix()}" in names
    for page in (ROOT / "graphkit" / "serve" / "page").iterdir():
        assert f"graphkit/serve/page/{page.name}" in names
    assert "agents/pretrained/pong_a2c/agent/weights.safetensors" in names
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = venv / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", str(wheel)], check=True)
    site = next(venv.glob("lib/python*/site-packages"))
    borrowed = [p for p in sys.path if p.endswith("site-packages")]
    # At the end of the path, so that a checkout installed here as editable cannot come first.
    (site / "zz_borrowed.pth").write_text("\n".join(borrowed))

    def run(*words: str) -> str:
        done = subprocess.run(
            [venv / "bin" / words[0], *words[1:]],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = "import rlkit, graphkit, envs, agents, neuralcore; print(rlkit.__file__, neuralcore.__file__)"
    assert all(path.startswith(str(site)) for path in run("python", "-c", where).split())
    assert "→" in run("rlkit", "solve", "GridWorld-v0", "--env-args", "layout=russell_norvig")
    run(
        "rlkit", "train", "configs/rl/cartpole_dqn.toml", "--steps", "2_000", "--evaluate-episodes", "1", "--run", "r"
    )
    run("graphkit", "words", "configs/words/tinyshakespeare.toml", "--epochs", "1", "--run", "w")
    assert "king" in run("graphkit", "search", "w", "king")
    assert "mean return" in run("rlkit", "evaluate", "pretrained:pong_a2c", "--episodes", "1")
