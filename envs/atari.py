"""Atari games, seen as the DQN paper sees them: many at once for learning, one at a time for evaluation and video.

Mnih et al. (2015), Human-level control through deep reinforcement learning, Methods: grey frames of 84 x 84 pixels,
each the maximum of the last two of four emulated frames, the last four stacked; each action is repeated for four
frames; an episode begins with a random number of no-ops. The vector environment is ALE's own (C++ threads, no Python
in the loop); `envs.atari_game.AtariGame` does the same to a single game, bit for bit, and can draw it in colour.

An id chooses the game alone: "ALE/Pong-v5" and "PongNoFrameskip-v4" are the same here, and the settings below hold,
not the ones the id was registered with (such as v5's repeat_action_probability of 0.25).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
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


def make_atari_vec(env_id: str, num_envs: int, *, num_threads: int = 0, **preprocessing: Any) -> AtariVector:
    """N copies of a game, stepped by ALE's own threads.

    Observations are (N, stack_num, screen_size, screen_size) uint8, actions (N,) integers, rewards (N,) int32.
    `reset(seed=s)` seeds copy i with s + i, a list of seeds each copy with its own; a copy then behaves as
    `make_atari` seeded alike, except that each draws its own number of no-ops. Autoreset is NEXT_STEP: after an
    episode has ended, the next step ignores its action and gives the first observation of a new one. After a mere
    lost life (terminal_on_life_loss) that next step is an ordinary one of the game which goes on; a learner that
    drops it as a reset row loses just that row.

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
    settings = settings_of(preprocessing)
    vector = AtariVector(
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
    # When lives end episodes, the stack runs on over what the learner takes for a reset.
    vector.frame_stack = 1 if settings.terminal_on_life_loss else settings.stack_num
    return vector


class AtariVector(ale_py.AtariVectorEnv):
    """ALE's vector environment with Gymnasium's seeds, and an error for an action it would wait on for ever.

    `frame_stack` above 1 promises that an observation is a stack of that many frames, each the newest of one step
    since the episode began, so that a learner may store every frame once.
    """

    frame_stack: int = 1
    resets_alone = True  # a seeded reset of some copies makes all that they do from there a function of it

    def reset(
        self, *, seed: int | Sequence[int] | np.ndarray | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """As ALE's, with Gymnasium's seeds: any integer from 0, taken modulo 2^31, or N of them in a list, of which
        a reset of some copies takes theirs."""
        if seed is not None:
            seeds = np.asarray(seed)
            if seeds.ndim == 0:
                seeds = seeds + np.arange(self.num_envs)
            if seeds.shape != (self.num_envs,):
                raise ValueError(f"seed has the shape {seeds.shape}: {self.num_envs} copies take as many")
            seed = seeds[(options or {}).get("reset_mask", slice(None))] % 2**31
        return super().reset(seed=seed, options=options)

    def send(self, actions: np.ndarray) -> None:
        """As ALE's, with the actions checked: after a wrong one, `recv` would wait for ever.

        Raises:
            ValueError: actions of another shape or type, or out of range.
        """
        actions = np.asarray(actions)
        n_actions = int(self.single_action_space.n)
        if actions.shape != (self.num_envs,) or actions.dtype.kind not in "iu":
            raise ValueError(
                f"actions have shape {actions.shape} and type {actions.dtype}: need {self.num_envs} whole numbers"
            )
        if actions.min() < 0 or actions.max() >= n_actions:
            raise ValueError(f"actions are {actions.tolist()}: each must be 0 to {n_actions - 1}")
        super().send(actions.astype(np.int64, copy=False))


def settings_of(preprocessing: Mapping[str, Any]) -> AtariPreprocessing:
    """The settings with some fields given by name.

    Raises:
        ValueError: an unknown field, with the nearest known one, or a value out of range.
    """
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
    settings_of(preprocessing)  # reports a bad setting before Gymnasium wraps the error
    kwargs = {"game": registered.kwargs["game"], "preprocessing": dict(preprocessing)}
    return EnvSpec(id=env_id, entry_point="envs.atari_game:AtariGame", kwargs=kwargs)
