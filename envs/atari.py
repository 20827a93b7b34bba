"""Atari games, seen as the DQN paper sees them: many at once for learning, one at a time for evaluation and video.

Mnih et al. (2015), Human-level control through deep reinforcement learning, Methods: grey frames of 84 x 84 pixels,
each the maximum of the last two of four emulated frames, the last four stacked; each action is repeated for four
frames; an episode begins with a random number of no-ops. The vector environment is ALE's own (C++ threads, no Python
in the loop); `AtariGame` does the same to a single game in NumPy, bit for bit, and can draw it in colour.

An id chooses the game alone: "ALE/Pong-v5" and "PongNoFrameskip-v4" are the same here, and the settings below hold,
not the ones the id was registered with (such as v5's repeat_action_probability of 0.25).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
from ale_py import roms
from gymnasium.envs.registration import EnvSpec

from envs.errors import unknown_name

SCREEN_WIDTH = 160  # pixels; every console drew that many, in 210 or 250 rows


@dataclasses.dataclass(frozen=True)
class AtariPreprocessing:
    """What happens between the emulator and the agent. Defaults are the DQN paper's unless said otherwise."""

    frameskip: int = 4
    """Emulated frames (1/60 s) an action is held; a step is that many frames."""
    stack_num: int = 4
    """Frames in an observation, oldest first; before the first frame of an episode there are zeros."""
    screen_size: int = 84
    """Height and width of a frame in pixels, at most the console's width of 160."""
    noop_max: int = 30
    """The emulator begins an episode with 0 to noop_max - 1 no-op frames, drawn uniformly (the paper: up to 30)."""
    repeat_action_probability: float = 0.0
    """Sticky actions: chance that a frame repeats the action before. Machado et al. (2018) advise 0.25."""
    reward_clipping: bool = False
    """Clip the reward of a step to [-1, 1]. The paper clips for learning; here that is left to the algorithm."""
    terminal_on_life_loss: bool = False
    """Report a lost life as terminated, though the game goes on (the paper does in learning, never in evaluation)."""
    use_fire_reset: bool = False
    """Press FIRE for the first frame of an episode, where the game has that button (not in the paper)."""
    full_action_space: bool = False
    """All 18 actions of the console instead of the ones the game uses."""
    max_episode_steps: int = 27_000
    """Steps after which an episode is truncated; 27,000 steps of 4 frames are 30 minutes of play."""

    def __post_init__(self) -> None:
        for name, least in (
            ("frameskip", 1),
            ("stack_num", 1),
            ("screen_size", 1),
            ("noop_max", 0),
            ("max_episode_steps", 1),
        ):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < least:
                raise ValueError(f"{name} is {value!r}: it must be a whole number of at least {least}")
        if self.screen_size > SCREEN_WIDTH:
            raise ValueError(
                f"screen_size is {self.screen_size}: frames are only made smaller, so at most {SCREEN_WIDTH}"
            )
        if not 0 <= self.repeat_action_probability <= 1:
            raise ValueError(f"repeat_action_probability is {self.repeat_action_probability}: it must lie in [0, 1]")


def is_atari(spec: EnvSpec) -> bool:
    """Whether a registered environment is one of ALE's games."""
    return spec.entry_point == "ale_py.env:AtariEnv"


def make_atari(env_id: str, *, render_mode: str | None = None, **preprocessing: Any) -> gym.Env:
    """A single game, preprocessed as `make_atari_vec` does it.

    Args:
        env_id: a registered id of ALE, as in "ALE/Pong-v5".
        render_mode: "rgb_array" for full-colour pictures (210, 160, 3) uint8, or None.
        **preprocessing: fields of `AtariPreprocessing`.

    Returns:
        An `AtariGame` in Gymnasium's usual wrappers.

    Raises:
        ValueError: an unknown game or setting, or a setting out of range.
    """
    return gym.make(atari_spec(env_id, preprocessing), render_mode=render_mode)


def make_atari_vec(
    env_id: str, num_envs: int, *, num_threads: int = 0, **preprocessing: Any
) -> ale_py.AtariVectorEnv:
    """N copies of a game, stepped by ALE's own threads.

    Observations are (N, stack_num, screen_size, screen_size) uint8, actions (N,) int64 or int32 arrays, rewards (N,)
    int32. `reset(seed=s)` seeds copy i with s + i; a copy then behaves as `make_atari` seeded alike, except that each
    draws its own number of no-ops. Autoreset is NEXT_STEP: after an episode has ended, the next step ignores its
    action and gives the first observation of a new one. After a mere lost life (terminal_on_life_loss) that next step
    is an ordinary one of the game which goes on; a learner that drops it as a reset row loses just that row.

    Args:
        env_id: a registered id of ALE, as in "ALE/Pong-v5".
        num_envs: N, the number of copies.
        num_threads: emulator threads; 0 takes one a copy, at most one a core. It does not change the results.
        **preprocessing: fields of `AtariPreprocessing`.

    Returns:
        The vector environment. Its `spec` makes the matching single game: `gymnasium.make(vector.spec)`.

    Raises:
        ValueError: an unknown game or setting, or a setting out of range.
    """
    if num_envs < 1:
        raise ValueError(f"num_envs is {num_envs}: it must be at least 1")
    if num_threads < 0:
        raise ValueError(f"num_threads is {num_threads}: it must be 0 (automatic) or more")
    spec = atari_spec(env_id, preprocessing)
    settings = _settings(preprocessing)
    vector = ale_py.AtariVectorEnv(
        spec.kwargs["game"],
        num_envs,
        num_threads=num_threads,
        autoreset_mode=gym.vector.AutoresetMode.NEXT_STEP,
        frameskip=settings.frameskip,
        stack_num=settings.stack_num,
        img_height=settings.screen_size,
        img_width=settings.screen_size,
        noop_max=settings.noop_max,
        repeat_action_probability=settings.repeat_action_probability,
        reward_clipping=settings.reward_clipping,
        # ALE's `episodic_life` would restart the whole game at each lost life; the paper plays on.
        life_loss_info=settings.terminal_on_life_loss,
        use_fire_reset=settings.use_fire_reset,
        full_action_space=settings.full_action_space,
        max_num_frames_per_episode=settings.max_episode_steps * settings.frameskip,
    )
    vector.spec = spec
    return vector


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
        self.settings = _settings(preprocessing or {})
        self.metadata = {**self.metadata, "render_fps": 60 // self.settings.frameskip or 1}
        self.ale = ale_py.ALEInterface()
        self.ale.setLoggerMode(ale_py.LoggerMode.Error)
        self.ale.setFloat("repeat_action_probability", self.settings.repeat_action_probability)
        self._rom = roms.get_rom_path(game)
        self.ale.loadROM(self._rom)
        full = self.settings.full_action_space
        self.actions = self.ale.getLegalActionSet() if full else self.ale.getMinimalActionSet()
        size = self.settings.screen_size
        self._frames = np.zeros(
            (2, *self.ale.getScreenDims()), np.uint8
        )  # the last two emulated frames, newest first
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


def _settings(preprocessing: Mapping[str, Any]) -> AtariPreprocessing:
    known = [field.name for field in dataclasses.fields(AtariPreprocessing)]
    for name in preprocessing:
        if name not in known:
            raise unknown_name("Atari setting", name, known)
    return AtariPreprocessing(**preprocessing)


def atari_spec(env_id: str, preprocessing: Mapping[str, Any]) -> EnvSpec:
    """How `gymnasium.make` builds the single game with these settings.

    Raises:
        ValueError: an unknown game or setting, or a setting out of range.
    """
    registered = gym.registry.get(env_id)
    if registered is None or not is_atari(registered):
        games = [known for known, spec in gym.registry.items() if spec.namespace == "ALE"]
        raise unknown_name("Atari environment", env_id, games)
    _settings(preprocessing)  # reports a bad setting before Gymnasium wraps the error
    kwargs = {"game": registered.kwargs["game"], "preprocessing": dict(preprocessing)}
    return EnvSpec(id=env_id, entry_point="envs.atari:AtariGame", kwargs=kwargs)
