"""One Atari game, preprocessed in NumPy exactly as ALE's vector environment does it in C++.

The order of events, the stack of frames and the arithmetic of the shrinking are those of ALE's
`src/ale/vector/preprocessed_env.cpp`, so that an agent trained there sees the same pixels here; unlike there, the
emulator can be asked for a picture in colour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
from ale_py import roms

from envs.atari import settings_of
from envs.errors import unknown_name


class AtariGame(gym.Env):
    """One game with the preprocessing of ALE's vector environment.

    Observations are (stack_num, screen_size, screen_size) uint8. The info holds "lives", "frame_number" and
    "episode_frame_number". When terminal_on_life_loss has ended an episode but not the game, `reset()` goes on with
    the game by one no-op step, as is usual; `reset(seed=…)` always begins a new game.

    Args:
        game: ALE's name of the game, in snake case, as in "ms_pacman".
        preprocessing: fields of `AtariPreprocessing` by name; the others keep their defaults.
        render_mode: "rgb_array" or None.

    Raises:
        ValueError: an unknown game, setting or render mode.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 (Gymnasium's)

    def __init__(self, game: str, preprocessing: Mapping[str, Any] | None = None, *, render_mode: str | None = None):
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise unknown_name("render_mode", render_mode, self.metadata["render_modes"])
        if game not in roms.get_all_rom_ids():
            raise unknown_name("Atari game", game, sorted(roms.get_all_rom_ids()))
        self.render_mode = render_mode
        self.settings = settings_of(preprocessing or {})
        self.metadata = {**self.metadata, "render_fps": 60 // self.settings.frameskip or 1}
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)  # before the emulator greets on stderr
        self.ale = ale_py.ALEInterface()
        self.ale.setFloat("repeat_action_probability", self.settings.repeat_action_probability)
        self._rom = roms.get_rom_path(game)
        self.ale.loadROM(self._rom)
        full = self.settings.full_action_space
        self.actions = self.ale.getLegalActionSet() if full else self.ale.getMinimalActionSet()
        size = self.settings.screen_size
        # The last two emulated frames, newest first.
        self._frames = np.zeros((2, *self.ale.getScreenDims()), np.uint8)
        self._stack = np.zeros((self.settings.stack_num, size, size), np.uint8)
        self._seeded = False
        self._plays_on = False  # whether the last episode ended with a life and not with the game
        self.action_space = gym.spaces.Discrete(len(self.actions))
        self.observation_space = gym.spaces.Box(0, 255, self._stack.shape, np.uint8)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None or not self._seeded:
            emulator_seed = int(self.np_random.integers(2**31)) if seed is None else seed % 2**31
            self.ale.setInt("random_seed", emulator_seed)
            self.ale.loadROM(self._rom)  # only loading puts the seed into effect
            self._seeded = True
        elif self._plays_on:
            observation, _, terminated, truncated, info = self.step(0)
            if not (terminated or truncated):
                return observation, info
        self._new_game()
        return self._observe(), self._info()

    def _new_game(self) -> None:
        settings = self.settings
        self.ale.reset_game()
        fire = settings.use_fire_reset and ale_py.Action.FIRE in self.actions
        if fire:
            self.ale.act(ale_py.Action.FIRE)
        noops = int(self.np_random.integers(settings.noop_max)) if settings.noop_max else 0
        for _ in range(noops - fire):
            self.ale.act(ale_py.Action.NOOP)
            if self.ale.game_over():
                self.ale.reset_game()
        self.ale.getScreenGrayscale(self._frames[0])
        self._frames[1] = 0
        self._stack[:] = 0
        self._push_frame()
        self._lives, self._elapsed_frames, self._plays_on = self.ale.lives(), 0, False

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        if not self.action_space.contains(action):
            names = ", ".join(f"{number} {name.name}" for number, name in enumerate(self.actions))
            raise ValueError(f"action is {action!r}: actions are {names}")
        settings = self.settings
        frame_limit = settings.max_episode_steps * settings.frameskip
        reward = 0
        for remaining in range(settings.frameskip - 1, -1, -1):
            reward += self.ale.act(self.actions[action])
            self._elapsed_frames += 1
            if self.ale.game_over() or self._elapsed_frames >= frame_limit:
                break  # as in ALE's vector environment, the frame that ends an episode is not seen
            if remaining <= 1:
                self.ale.getScreenGrayscale(self._frames[remaining])
        self._push_frame()
        lives = self.ale.lives()
        game_over, out_of_time = self.ale.game_over(), self._elapsed_frames >= frame_limit
        terminated = game_over or (settings.terminal_on_life_loss and 0 < lives < self._lives)
        truncated = out_of_time and not terminated
        self._plays_on = terminated and not (game_over or out_of_time)
        self._lives = lives
        if settings.reward_clipping:
            reward = max(-1, min(1, reward))
        return self._observe(), float(reward), terminated, truncated, self._info()

    def render(self) -> np.ndarray | None:
        """The screen in colour, (210, 160, 3) uint8 (250 rows in a few games), or None without a render mode."""
        return self.ale.getScreenRGB() if self.render_mode == "rgb_array" else None

    def _push_frame(self) -> None:
        np.maximum(self._frames[0], self._frames[1], out=self._frames[0])
        self._stack[:-1] = self._stack[1:]
        self._stack[-1] = shrink(self._frames[0], self.settings.screen_size)

    def _observe(self) -> np.ndarray:
        return self._stack.copy()

    def _info(self) -> dict[str, Any]:
        return {
            "lives": self.ale.lives(),
            "frame_number": self.ale.getFrameNumber(),
            "episode_frame_number": self.ale.getEpisodeFrameNumber(),
        }


def shrink(frame: np.ndarray, size: int) -> np.ndarray:
    """A frame averaged down to size x size pixels, with OpenCV's INTER_AREA arithmetic, which ALE uses.

    Single precision, and the order of the sums, are part of it: they decide ties in the rounding.

    Args:
        frame: (H, W) uint8, H and W at least `size`.
        size: pixels.

    Returns:
        (size, size) uint8.
    """
    height, width = frame.shape
    columns, column_weights = _overlaps(width, size)
    rows, row_weights = _overlaps(height, size)
    narrow = np.zeros((height, size), np.float32)
    for column, weight in zip(columns, column_weights, strict=True):
        narrow += frame[:, column] * weight
    small = np.zeros((size, size), np.float32)
    for row, weight in zip(rows, row_weights, strict=True):
        small += narrow[row] * weight[:, None]
    return np.rint(small).astype(np.uint8)


@lru_cache
def _overlaps(source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of `source` pixels each of `target` pixels covers, and by what share of itself.

    Returns:
        indices (K, target) int and weights (K, target) float32; a pixel that covers fewer than K has weights 0.
    """
    scale = source / target
    covered: list[list[tuple[int, float]]] = []
    for pixel in range(target):
        begin, end = pixel * scale, min((pixel + 1) * scale, source)
        parts = [(i, min(i + 1, end) - max(i, begin)) for i in range(int(begin), math.ceil(end))]
        covered.append([(i, part / scale) for i, part in parts if part > 1e-3])
    most = max(map(len, covered))
    padded = [parts + [(0, 0.0)] * (most - len(parts)) for parts in covered]
    table = np.array(padded).transpose(2, 1, 0)  # (2, K, target)
    return table[0].astype(np.intp), table[1].astype(np.float32)
