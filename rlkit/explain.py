"""`rlkit explain`: what an agent that sees images looks at, over frames of an episode.

Grad-CAM and gradients of the value of the action that it takes, or of the state's (`neuralcore.understanding`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import tyro

from neuralcore.errors import UserError

if TYPE_CHECKING:
    from neuralcore.understanding.methods import Method

METHODS: tuple[Method, ...] = ("guided", "occlusion", "grad-cam")  # drawn where none is named


@dataclass(frozen=True)
class ExplainArguments:
    """Draw what an agent that sees images looks at, over frames of an episode."""

    run: tyro.conf.Positional[str]
    """run folder, agent folder, or pretrained:pong_a2c"""
    env: str = ""
    """environment id; by default the run's own"""
    method: Literal[
        "all",
        "gradient",
        "input-gradient",
        "smooth-gradient",
        "integrated-gradients",
        "guided",
        "deconvolution",
        "occlusion",
        "grad-cam",
    ] = "all"
    """how; all: guided, occlusion and grad-cam"""
    of: Literal["action", "value"] = "action"
    """what is asked about: the action that it takes, or the state's value"""
    frames: int = 6
    """how many are drawn"""
    start: int = 100
    """steps before the first of them"""
    every: int = 15
    """steps between them"""
    seed: int = 10_000
    """of the environment"""
    out: str = ""
    """picture; by default explained.png in the run folder, or for a pretrained agent in runs/<name>"""


def explain(arguments: ExplainArguments) -> int:
    """Draw what an agent that sees images looks at, over frames of an episode."""
    import torch

    import agents
    from agents import pretrained
    from neuralcore.device import set_threads
    from neuralcore.understanding.methods import pixel_map
    from neuralcore.understanding.pictures import maps_picture
    from neuralcore.understanding.score import output_score, unvarying
    from rlkit.frame_model import FrameModel
    from rlkit.inspect_runs import environment_of

    for name in ("frames", "every"):
        if getattr(arguments, name) < 1:
            raise UserError(f"--{name} must be 1 or more, got {getattr(arguments, name)}")
    set_threads(1)
    run = pretrained.resolve(arguments.run)
    home = run if run == Path(arguments.run) else Path("runs") / run.name
    out = Path(arguments.out or home / "explained.png")
    if out.suffix not in (".png", ".pdf", ".svg"):
        raise UserError(f"--out {out}: name a .png, .pdf or .svg file")
    agent = agents.load(run)
    model = FrameModel(agent)
    env, env_args = environment_of(run, arguments.env)
    numbers, observations = frames(agent, env, env_args, arguments)
    images = model.images(np.stack(observations))
    methods: tuple[Method, ...] = METHODS if arguments.method == "all" else (arguments.method,)
    maps: dict[str, list[np.ndarray]] = {method: [] for method in methods}
    titles = []
    with unvarying(model):
        with torch.no_grad():
            outputs = model(images)
        for number, image, row in zip(numbers, images, outputs):
            target = len(row) - 1 if arguments.of == "value" else int(row[:-1].argmax())
            what = f"value {float(row[-1]):.2f}" if arguments.of == "value" else f"action {target}"
            titles.append(f"step {number}: {what}")
            for method in methods:
                score = output_score(model, target)
                found = pixel_map(method, model, score, image[None], target=target, seed=arguments.seed)
                maps[method].append(found[0].detach().numpy())
    out.parent.mkdir(parents=True, exist_ok=True)
    maps_picture(images.numpy(), titles, {name: np.stack(found) for name, found in maps.items()}, out)
    print(f"{out}: {len(images)} frames of {env}, {', '.join(methods)}")
    return 0


def frames(
    agent: Any, env: str, env_args: dict[str, Any], arguments: ExplainArguments
) -> tuple[list[int], list[np.ndarray]]:
    """The steps and observations that are drawn; fewer where the episode ends before.

    Raises:
        UserError: the episode ends before the first of them, or the agent is of another environment.
    """
    from rlkit.environments import make_env

    environment = make_env(env, **env_args)
    numbers, seen = [], []
    try:
        if environment.observation_space.shape != agent.observation_space.shape:
            raise UserError(
                f"{env} gives observations of shape {environment.observation_space.shape}, the agent takes "
                f"{agent.observation_space.shape}: choose another --env"
            )
        observation, _ = environment.reset(seed=arguments.seed)
        agent.begin()
        for step in range(arguments.start + (arguments.frames - 1) * arguments.every + 1):
            if step >= arguments.start and (step - arguments.start) % arguments.every == 0:
                numbers.append(step)
                seen.append(np.asarray(observation).copy())
            action = agent.act(np.asarray(observation), deterministic=True)
            observation, _, terminated, truncated, _ = environment.step(action)
            if terminated or truncated:
                break
    finally:
        environment.close()
    if not seen:
        raise UserError(f"the episode of {env} ended before step {arguments.start}: --start earlier")
    return numbers, seen
