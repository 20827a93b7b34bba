"""PPO: "Proximal policy optimization algorithms" (Schulman et al. 2017), with the clipped objective.

N environments go T steps with the same policy. Several epochs of minibatches then learn from the segment, and the
objective stops paying where the policy has moved away from the one that acted:

    loss = mean of  -min(ρ A, clip(ρ, 1 - ε, 1 + ε) A) + value_weight (v(s) - G)² - entropy_weight H(π(s)),
    ρ = π(a | s) / π_old(a | s)

with advantages A and returns G of op `neuralcore.kernels.returns`, through which no gradient flows.

Numbered differences from the paper, of which its authors' code has the first two:
1. `normalise_advantages`, over a whole segment, and a limit to the gradient's norm. Rewards may be normalised too.
2. Adam's epsilon is 1e-5. The code's clipping of values is left out.
3. The network is that of Mnih et al. (2015), larger than the paper's; policy and value share it with Box actions too.
   With a recurrent core, which the paper has not, a minibatch is made of whole environments' sequences, each from the
   state it had when the segment began. Gradients stop there.
4. Where an episode is truncated, what follows is valued by its last observation. The paper does not tell such ends.
5. Reset rows of the vector environment are no transitions: a segment may have fewer than T N of them, and is dealt
   into minibatches of about equal size.
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch

from rlkit.policy_gradient import clipped_surrogate_loss, normalised, squared_error
from rlkit.policy_learner import PolicyLearner
from rlkit.ppo_config import PPOConfig
from rlkit.segment import Segment


class PPO(PolicyLearner):
    """Learns a `PolicyAgent` from segments of `n_step` steps, several times from each.

    A segment is never cut short: `advance` goes to its end, so a checkpoint finds nothing that is not yet learned
    from.

    Args:
        env: an environment id, or a gymnasium vector environment in autoreset mode NEXT_STEP whose number of
            environments is the config's.
        config: see `PPOConfig`.
        seed: of everything random here; on the CPU the same seed gives the same bytes.
        device: "auto", "cpu" or "cuda".

    Attributes:
        agent: the `PolicyAgent` being trained. steps: transitions seen. updates: gradient steps done.
    """

    config: PPOConfig

    def __init__(
        self,
        env: str | gym.vector.VectorEnv,
        config: PPOConfig | None = None,
        *,
        seed: int = 0,
        device: str = "auto",
    ):
        config = config or PPOConfig()
        super().__init__(env, config, "ppo", seed, device)
        self.segment = Segment(config.n_step, config.num_envs, self.agent)

    def advance(self) -> None:
        """Act `n_step` times in every environment, then all updates, with schedules as they were at the beginning."""
        segment = self.segment
        segment.state = self.state_now()
        for t in range(segment.steps):
            segment.outputs[t], segment.values[t] = self.evaluate(self.rollout.observations)
            segment.put(t, *self.step(segment.outputs[t]))
        segment.observations[-1] = self.rollout.observations
        segment.values[-1] = self.value(self.rollout.observations)
        self.learn_from_segment()
        self.steps += int(np.count_nonzero(segment.transition))

    def learn_from_segment(self) -> None:
        """The epochs of minibatches."""
        config, segment = self.config, self.segment
        rows = np.flatnonzero(segment.transition)
        if not len(rows):  # reset rows alone, as one environment has with an n_step of 1
            return
        advantages, returns = (segment.rows(a)[rows] for a in segment.returns(config.discount, config.trace))
        if config.normalise_advantages:
            advantages = normalised(advantages)
        action, advantage = self.tensor(segment.rows(segment.actions)[rows]), self.tensor(advantages)
        target = self.tensor(returns)
        with torch.no_grad():
            old_log_probability, _ = self.judge(self.tensor(segment.rows(segment.outputs)[rows]), action)
        if segment.state is not None:
            self.learn_from_sequences(rows % segment.count, action, old_log_probability, advantage, target)
            return
        observation = self.encode(segment.rows(segment.observations[:-1])[rows])
        batch = observation, action, old_log_probability, advantage, target
        generator, parts = self.generators.numpy("minibatches"), -(-len(rows) // config.minibatch)
        for _ in range(config.epochs):
            for part in np.array_split(generator.permutation(len(rows)), parts):
                index = self.tensor(part)
                self.update(*(array[index] for array in batch))

    def learn_from_sequences(self, owner: np.ndarray, *batch: torch.Tensor) -> None:
        """The epochs with a core, whose minibatches are the whole sequences of some environments.

        Args:
            owner: (B,) whose each transition is. batch: the arrays that follow `observation` in `update`, of B rows.
        """
        config, segment = self.config, self.segment
        generator, at_once = self.generators.numpy("minibatches"), config.minibatch // segment.steps
        for _ in range(config.epochs):
            for part in np.array_split(generator.permutation(segment.count), -(-segment.count // at_once)):
                envs = np.sort(part)  # as the rows lie
                index = self.tensor(np.flatnonzero(np.isin(owner, envs)))
                if len(index):
                    observation = self.encode(segment.rows(segment.observations[:-1, envs]))
                    self.update(observation, *(array[index] for array in batch), envs=envs)

    def update(
        self,
        observation: torch.Tensor,
        action: torch.Tensor,
        old_log_probability: torch.Tensor,
        advantage: torch.Tensor,
        target: torch.Tensor,
        *,
        envs: np.ndarray | None = None,
    ) -> None:
        """One gradient step on B transitions; with a core all those of `envs`, whose observations have all T rows."""
        clip = self.scheduled("clip")
        if envs is None:
            outputs, value = self.forward(observation)
        else:
            outputs, value = self.unroll(observation, envs)
        log_probability, entropy = self.judge(outputs, action)
        policy_loss = clipped_surrogate_loss(log_probability, old_log_probability, advantage, clip).mean()
        value_loss = squared_error(value, target).mean()
        entropy = entropy.mean()
        loss = policy_loss + self.config.value_weight * value_loss - self.entropy_weight * entropy
        with torch.no_grad():
            log_ratio = log_probability - old_log_probability
            ratio = log_ratio.exp()
            divergence = (ratio - 1.0 - log_ratio).mean()  # an estimate of KL(π_old, π) that is never below 0
            clipped = ((ratio - 1.0).abs() > clip).float().mean()
        figures = {"policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy}
        self.descend(loss, **figures, divergence=divergence, clipped=clipped)

    def unroll(self, observations: torch.Tensor, envs: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """What the network with its core gives in those of the T rows of N `envs` that are transitions."""
        segment = self.segment
        assert segment.state is not None
        state, begins = segment.state[self.tensor(envs)], segment.begins[:, envs]
        outputs, value = self.forward(observations, state=state, begins=begins)
        kept = self.tensor(np.flatnonzero(segment.transition[:, envs]))
        return outputs[kept], value[kept]
