"""Settings of DQN; apart from `rlkit.dqn` so that `rlkit train dqn --help` need not wait for torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from neuralcore.config import find_config, from_mapping, read_toml


@dataclass(frozen=True)
class DQNConfig:
    """Defaults are the paper's, for Atari; `configs/rl/` holds presets for other environments."""

    num_envs: int = 1
    """environments stepped together (paper: 1)"""
    network: Literal["auto", "mlp", "nature", "impala", "resnet"] = "auto"
    """trunk of the Q-network (paper: nature); auto: nature for images, impala for small ones, or mlp"""
    hidden: tuple[int, ...] = (512,)
    """widths of the fully connected layers (paper: 512)"""
    trunk_from: str = ""
    """run folder of `neuralcore fit` from whose classifier the trunk takes its first weights; empty: drawn"""
    dueling: bool = False
    """separate value and advantage streams (Wang et al. 2016; paper: no)"""
    double: bool = False
    """the online network picks the action that the target network rates (van Hasselt et al. 2016; paper: no)"""
    n_step: int = 1
    """rewards summed before bootstrapping (Sutton 1988; paper: 1)"""
    discount: float = 0.99
    """discount per transition (paper: 0.99)"""
    replay_capacity: int = 1_000_000
    """transitions kept (paper: 1,000,000)"""
    replay_folder: str = ""
    """folder whose disk holds the replay's frames, in a file that vanishes with the process; empty: memory"""
    replay_on_device: bool = False
    """keep the replay's frames in the memory of the GPU that learns, where batches are then gathered"""
    prioritised: bool = False
    """draw transitions by their last error (Schaul et al. 2016; paper: uniformly); three fields below belong to it"""
    priority_exponent: float = 0.6
    """power of the priorities by which to draw; 0 is uniform (Schaul et al.: 0.6)"""
    initial_importance: float = 0.4
    """power of the importance weights at the start, rising in a straight line to 1 at the end (Schaul et al.: 0.4)"""
    priority_floor: float = 1e-6
    """added to the size of every error, so that none is never drawn again (Schaul et al.: "small", not given)"""
    learning_starts: int = 50_000
    """transitions before the first update (paper: 50,000)"""
    train_every: int = 4
    """transitions between two updates (paper: 4)"""
    updates_at_once: int = 1
    """updates that wait for each other and are then done in a row; small networks are faster so (paper: 1)"""
    batch_size: int = 32
    """transitions in an update (paper: 32)"""
    target_every: int = 10_000
    """updates between two copies into the target network (paper: 10,000)"""
    target_rate: float = 1.0
    """share of the online weights that such a copy takes over; below 1 the target follows softly (paper: 1)"""
    optimizer: Literal["rmsprop", "adam"] = "rmsprop"
    """rmsprop is centred with decay 0.95 and epsilon 0.01, as in the paper; adam has epsilon 1e-5"""
    learning_rate: float = 0.00025
    """step size at the start (paper: 0.00025)"""
    final_learning_rate: float | None = None
    """step size at the end of training, reached in a straight line; none keeps it constant (paper: constant)"""
    max_gradient_norm: float | None = None
    """gradients of a larger L2 norm are scaled down to it; none leaves them (paper: none)"""
    error_clip: float | None = 1.0
    """temporal-difference errors beyond it count linearly in the loss (paper: 1); none leaves them squared"""
    clip_rewards: bool = True
    """rewards are clipped to [-1, 1] for learning, never in the returns that are reported (paper: yes)"""
    initial_epsilon: float = 1.0
    """chance of a random action at the start (paper: 1)"""
    final_epsilon: float = 0.1
    """chance of a random action once annealed (paper: 0.1)"""
    epsilon_steps: int = 1_000_000
    """transitions over which epsilon falls in a straight line (paper: 1,000,000)"""
    precision: Literal["fp32", "bf16"] = "fp32"
    """arithmetic of the forward and backward pass; weights and losses stay fp32 (paper: fp32)"""

    @classmethod
    def preset(cls, path: str) -> DQNConfig:
        """The `[dqn]` table of a TOML file, or of a shipped preset such as "configs/rl/cartpole_dqn.toml"."""
        file = find_config(path)
        return from_mapping(cls, read_toml(file).get("dqn", {}), file)

    def __post_init__(self) -> None:
        for name in ("num_envs", "n_step", "train_every", "updates_at_once", "batch_size", "target_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if not 0.0 < self.target_rate <= 1.0:
            raise ValueError(f"target_rate must lie in (0, 1], got {self.target_rate}")
        if not 0.0 <= self.discount <= 1.0:
            raise ValueError(f"discount must lie in [0, 1], got {self.discount}")
        for name in ("learning_rate", "error_clip", "max_gradient_norm"):
            if getattr(self, name) is not None and getattr(self, name) <= 0.0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("initial_epsilon", "final_epsilon"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        self._check_priorities()
        if self.replay_on_device and self.replay_folder:
            raise ValueError(
                "the replay's frames are kept in replay_folder or, by replay_on_device, on a GPU: not both"
            )
        if self.learning_starts < self.batch_size:
            raise ValueError(f"learning_starts {self.learning_starts} is less than one batch of {self.batch_size}")
        if self.learning_starts > self.replay_capacity:
            raise ValueError(
                f"learning_starts {self.learning_starts} is more than the replay holds ({self.replay_capacity})"
            )

    def _check_priorities(self) -> None:
        if not self.prioritised:
            for name in ("priority_exponent", "initial_importance", "priority_floor"):
                if getattr(self, name) != getattr(type(self), name):
                    raise ValueError(f"{name} {getattr(self, name)} changes nothing unless prioritised is on")
        for name in ("priority_exponent", "initial_importance"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if self.priority_floor <= 0.0:
            raise ValueError(f"priority_floor must be above 0, got {self.priority_floor}")
