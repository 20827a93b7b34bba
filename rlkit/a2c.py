"""A2C: "Asynchronous methods for deep reinforcement learning" (Mnih et al. 2016), its threads in step.

N environments go T steps with the same policy; the value network says how much better each action turned out than
expected, and one gradient step makes the better ones likelier:

    loss = mean over transitions of  -A_t log π(a_t | s_t) + value_weight (v(s_t) - G_t)² - entropy_weight H(π(s_t))

with advantages A and returns G of op `neuralcore.kernels.returns`, through which no gradient flows.

Numbered differences from the paper:
1. Environments step together and pay for one update, instead of threads that each change shared weights at any time.
2. The loss is a mean over the transitions of the update, not a sum, and the gradient's norm may be limited.
3. `trace` below 1: generalised advantage estimation (Schulman et al. 2016); advantages and rewards may be normalised.
4. The network is that of Mnih et al. (2015), larger than the paper's; the core is recurrent if asked for. Gradients
   then stop where the segment begins, and the core's state there was given by older weights.
5. Where an episode is truncated, what follows is valued by its last observation. The paper does not tell such ends.
6. RMSprop adds its epsilon outside of the root, as torch has it, and `optimizer = "adam"` may take its place.
7. Box actions have one deviation each, whatever is observed, where the paper's network gives them; and the draws, not
   the network's means, are clipped to the space.
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np

from neuralcore.layers.rectified import Memory, rectified
from neuralcore.optimizers import Adam, RMSprop
from rlkit.a2c_config import A2CConfig
from rlkit.policy_gradient import masked_mean, normalised, policy_gradient_loss, squared_error
from rlkit.policy_learner import PolicyLearner
from rlkit.segment import Segment


class A2C(PolicyLearner):
    """Learns a `PolicyAgent` from segments of `n_step` steps.

    A segment is never cut short: `advance` goes to its end, so a checkpoint finds nothing that is not yet learned
    from.

    Args:
        env: an environment id, or a gymnasium vector environment in autoreset mode NEXT_STEP whose number of
            environments is the config's.
        config: see `A2CConfig`.
        seed: of everything random here; on the CPU the same seed gives the same bytes.
        device: "auto", "cpu" or "cuda".

    Attributes:
        agent: the `PolicyAgent` being trained. steps: transitions seen. updates: gradient steps done.
    """

    config: A2CConfig

    def __init__(
        self,
        env: str | gym.vector.VectorEnv,
        config: A2CConfig | None = None,
        *,
        seed: int = 0,
        device: str = "auto",
    ):
        config = config or A2CConfig()
        super().__init__(env, config, "a2c", seed, device)
        self.segment = Segment(config.n_step, config.num_envs, self.agent)
        # What the layers gave while acting is what they would give while learning. Small ones are quicker done twice,
        # and in the residual trunk hardly any has its ReLU at once.
        self.memory = Memory() if self.agent.architecture["network"] == "nature" else None

    def make_optimizer(self) -> Adam | RMSprop:
        config = self.config
        if config.optimizer == "adam":
            return super().make_optimizer()
        return RMSprop(list(self.network.parameters()), config.learning_rate, 0.99, config.rmsprop_epsilon)

    def advance(self) -> None:
        """Act `n_step` times in every environment, then one update, with schedules as they were at the beginning.

        A segment of reset rows alone, as one environment has with an `n_step` of 1, teaches nothing.
        """
        segment, memory = self.segment, self.memory
        segment.state = self.state_now()
        for t in range(segment.steps):
            outputs, _ = self.evaluate(self.rollout.observations, memory.keep if memory else rectified)
            segment.put(t, *self.step(outputs))
        segment.observations[-1] = self.rollout.observations
        if segment.transition.any():
            self.update()
        elif memory:
            memory.clear()
        self.steps += int(np.count_nonzero(segment.transition))

    def update(self) -> None:
        """One gradient step on the segment."""
        config, segment, memory = self.config, self.segment, self.memory
        observations = self.encode(segment.rows(segment.observations[:-1]))
        outputs, value = self.forward(
            observations, memory.recall if memory else rectified, segment.state, segment.begins
        )
        if memory:
            memory.clear()
        log_probability, entropy = self.judge(outputs, self.tensor(segment.rows(segment.actions)))
        # Values come from the pass that is differentiated; only those after the segment need one of their own.
        segment.values[:-1] = value.detach().cpu().numpy().reshape(segment.steps, segment.count)
        segment.values[-1] = self.value(segment.observations[-1])
        advantages, returns = segment.returns(config.discount, config.trace)
        if config.normalise_advantages:
            advantages[segment.transition] = normalised(advantages[segment.transition])
        advantage, target = (self.tensor(segment.rows(array)) for array in (advantages, returns))
        mask = self.tensor(segment.rows(segment.transition)).float()
        policy_loss = masked_mean(policy_gradient_loss(log_probability, advantage), mask)
        value_loss = masked_mean(squared_error(value, target), mask)
        entropy = masked_mean(entropy, mask)
        loss = policy_loss + config.value_weight * value_loss - self.entropy_weight * entropy
        self.descend(loss, policy_loss=policy_loss, value_loss=value_loss, entropy=entropy)
