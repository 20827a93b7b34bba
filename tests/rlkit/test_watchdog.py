"""An environment that hangs ends the command; one that is merely slow does not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from rlkit.rollout import Rollout
from rlkit.watchdog import watch

HANGS = """
import time
import gymnasium as gym
import numpy as np

class Hangs(gym.Env):
    observation_space = gym.spaces.Box(0, 100, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)
    copies = 0

    def __init__(self, after=70, seconds=1000.0):
        self.after, self.seconds, self.t = after, seconds, 0
        Hangs.copies += 1
        self.last = Hangs.copies % 2 == 0

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.t += 1
        if self.last and self.t == self.after:
            time.sleep(self.seconds)
        return np.zeros(1, np.float32), 1.0, self.t % 10 == 0, False, {}
"""


def train(here: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (here / "slow_module.py").write_text(HANGS)
    command = [sys.executable, "-m", "rlkit.cli", "train", "a2c", "--env", "slow_module:Hangs", "--num-envs", "2"]
    options = ["--steps", "200", "--checkpoint-every", "50", "--run", "r", "--evaluate-episodes", "0"]
    return subprocess.run([*command, *options, *words], capture_output=True, text=True, check=False, timeout=60)


class Sleeps(gym.Env):
    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[int, dict]:
        return 0, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict]:
        time.sleep(0.1 if action else 0.0)
        return 0, 0.0, False, False, {}


@pytest.mark.parametrize(("seconds", "code"), [(0.04, 2), (30.0, None), (0.0, None)])
def test_the_step_that_takes_too_long_is_named(
    seconds: float, code: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    rollout = Rollout(gym.vector.SyncVectorEnv([Sleeps, Sleeps, Sleeps]), seed=0)
    with watch(rollout, seconds):
        rollout.step(np.array([0, 0, 0]))
        rollout.step(np.array([0, 1, 0]))
    error = capsys.readouterr().err
    if code is None:
        assert (codes, error) == ([], "")
    else:
        assert set(codes) == {code}
        assert "time.sleep(0.1 if action else 0.0)" in error
        assert (
            "error: environment 1, action 1, at step 2 since the last restart, has not answered for 0.04 s" in error
        )


@pytest.mark.slow
# 70 steps of episodes of 10 are 76 with the reset rows.
def test_a_step_that_hangs_ends_the_command_and_the_checkpoint_is_whole(here: Path) -> None:
    started = time.monotonic()
    done = train(here, "--step-timeout", "1")
    assert done.returncode == 2
    assert time.monotonic() - started < 40
    *stack, error = done.stderr.strip().splitlines()
    assert error.startswith("error: environment 1, action ")
    assert ", at step 76 since the last restart, has not answered for 1 s: " in error
    assert "--step-timeout 2" in error
    assert any("time.sleep(self.seconds)" in line for line in stack)
    # Mended, as its arguments say, which are otherwise those of another run.
    (here / "r" / "config.toml").write_text((here / "r" / "config.toml").read_text().replace("[]", '["after=0"]'))
    again = train(here, "--step-timeout", "0", "--env-args", "after=0")
    assert again.returncode == 0, again.stderr
    assert "going on from step 1" in again.stdout


@pytest.mark.slow
def test_a_slow_step_is_waited_for(here: Path) -> None:
    done = train(here, "--step-timeout", "3", "--env-args", "seconds=0.8")
    assert done.returncode == 0, done.stderr
