"""`rlkit doctor` on sound environments, and on ones with one thing wrong each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from neuralcore.config import parse
from neuralcore.errors import UserError
from rlkit import doctor as module
from rlkit.doctor import DoctorArguments, doctor, examine

pytest.importorskip("envs")


class Sound(gym.Env):
    """Ten steps of noise."""

    observation_space: gym.Space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space: gym.Space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return self.look(), {}

    def look(self) -> Any:
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return self.look(), 1.0, self.steps >= 10, False, {}


class TooWide(Sound):
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        _, *rest = super().step(action)
        return np.full(2, 3.0, np.float32), *rest


class NotANumber(Sound):
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, _, *rest = super().step(action)
        return observation, float("nan") if self.steps == 7 else 1.0, *rest


class Unseeded(Sound):
    def look(self) -> Any:
        return np.random.default_rng().uniform(-1, 1, 2).astype(np.float32)


class Endless(Sound):
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, _, *rest = super().step(action)
        return observation, reward, False, *rest


class Raises(Sound):
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.steps == 5:
            raise RuntimeError("the motor is hot")
        return super().step(action)


class Listed(Sound):
    action_space = gym.spaces.MultiBinary(3)


class Liar(Sound):
    """Its table says that nothing is ever paid."""

    observation_space = gym.spaces.Discrete(1)
    P = {0: {0: [(1.0, 0, 0.0, False)], 1: [(1.0, 0, 0.0, False)]}}  # noqa: RUF012

    def look(self) -> Any:
        return 0


@pytest.mark.parametrize(
    ("kind", "finding"),
    [
        (TooWide, "steps: step 0 showed [3. 3.] (float32, shape (2,)), which is not in Box"),
        (NotANumber, "paid nan: rewards must be finite"),
        (Unseeded, "seeds: seed 0 and the same actions gave two different episodes"),
        (Endless, "steps: no episode ended in 1,000 random steps"),
        (Raises, "raised RuntimeError: the motor is hot"),
        (Listed, "spaces: actions are MultiBinary(3): learners here take Discrete and Box"),
        (Liar, "went from state 0 by action"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_wrong_is_named(kind: type[gym.Env], finding: str):
    lines = list(examine(kind(), DoctorArguments("CartPole-v1"), {}))
    assert any(finding in line for fine, line in lines if not fine), lines


def test_a_sound_one_passes():
    lines = list(examine(Sound(), DoctorArguments("CartPole-v1"), {}))
    assert all(fine for fine, _ in lines)
    assert any("1,000 random ones" in line for _, line in lines)


@pytest.mark.parametrize("env", ["CartPole-v1", "GridWorld-v0", "FrozenLake-v1", "Pendulum-v1"])
def test_known_ones_are_sound(env: str, capsys: pytest.CaptureFixture[str]):
    assert doctor(parse(DoctorArguments, [env], prog="rlkit doctor")) == 0
    out = capsys.readouterr().out
    assert f"{env}: sound" in out
    assert ("model: 1,000 steps are as it says" in out) == (env in ("GridWorld-v0", "FrozenLake-v1"))


def test_a_class_of_ones_own(tmp_path: Path):
    source = Path(__file__).read_text().replace("from rlkit import doctor as module", "")
    made = "def made(env_class=Sound):\n    return env_class()\n"
    (tmp_path / "mine.py").write_text(source.split("@pytest")[0] + made)
    command = [sys.executable, "-m", "rlkit.cli", "doctor"]
    root = {"PYTHONPATH": str(Path(module.__file__).parents[1]), "PATH": "", "HOME": str(tmp_path)}
    found = {
        name: subprocess.run([*command, f"mine:{name}"], capture_output=True, text=True, cwd=tmp_path, env=root)
        for name in ("Sound", "made", "NotANumber", "pytest", "Nothing")
    }
    assert found["Sound"].returncode == 0, found["Sound"].stderr
    assert found["made"].returncode == 0, found["made"].stderr
    assert found["NotANumber"].returncode == 1
    assert "2 of its checks found something wrong" in found["NotANumber"].stdout
    assert found["pytest"].returncode == 2
    assert "pytest is no gymnasium.Env class, nor a function" in found["pytest"].stderr
    assert found["Nothing"].returncode == 2


def test_an_unknown_one():
    with pytest.raises(UserError, match="CartPole"):
        doctor(DoctorArguments("CartPole-v7"))
