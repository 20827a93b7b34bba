"""An episode as a film, without a display: mp4 by imageio-ffmpeg."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from agents.agent import Agent
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import
from rlkit.environments import make_env
from rlkit.evaluation import Evaluation

imageio_ffmpeg = lazy_import("imageio_ffmpeg", extra="video")


def record_video(
    agent: Agent,
    env_id: str,
    path: str | Path,
    *,
    seed: int = 10_000,
    deterministic: bool = True,
    max_steps: int = 20_000,
    **env_arguments: Any,
) -> Evaluation:
    """Play one episode and film it.

    Args:
        path: an .mp4 file; its folder is made. max_steps: where the film ends if the episode does not.

    Returns:
        The episode's return and length.
    """
    path = Path(path)
    if path.suffix != ".mp4":
        raise UserError(f"{path}: films are written as .mp4")
    write_frames = imageio_ffmpeg.write_frames  # a missing extra is told before the episode is played
    env = make_env(env_id, render_mode="rgb_array", **env_arguments)
    fps = env.metadata.get("render_fps", 30)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name("." + path.name)
    writer = None
    observation, _ = env.reset(seed=seed)
    total, length, over = 0.0, 0, False
    try:
        while True:
            frame = _even(_render(env))
            if writer is None:
                scale = max(1, 400 // frame.shape[0])  # small screens are drawn larger, by whole pixels
                height, width = frame.shape[:2]
                writer = write_frames(
                    str(temporary),
                    (width, height),
                    fps=fps,
                    quality=8,
                    macro_block_size=2,
                    output_params=["-vf", f"scale=iw*{scale}:ih*{scale}:flags=neighbor"],
                )
                writer.send(None)
            writer.send(np.ascontiguousarray(frame))
            if over or length >= max_steps:
                break
            observation, reward, terminated, truncated, _ = env.step(
                agent.act(np.asarray(observation), deterministic=deterministic)
            )
            total, length, over = total + float(reward), length + 1, terminated or truncated
    finally:
        if writer is not None:
            writer.close()
        env.close()
    temporary.replace(path)
    return Evaluation(np.array([total]), np.array([length]))


def _render(env: gym.Env) -> Any:
    try:
        return env.render()
    except gym.error.DependencyNotInstalled as error:
        raise UserError(f"this environment cannot draw itself: {error}") from None


def _even(frame: Any) -> np.ndarray:
    """The frame with even height and width, which the common video format needs."""
    image = np.asarray(frame)
    if image.ndim != 3 or image.dtype != np.uint8:
        raise UserError(f"render() gave {image.dtype} of shape {image.shape}, films need (H, W, 3) uint8")
    return image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
