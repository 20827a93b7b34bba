"""An episode as a film, without a display: mp4 by imageio-ffmpeg, or GIF by Pillow (both in the extra `video`).

A GIF shows the very colours of a screen that has 256 of them or fewer, such as an Atari game's or a grid's; others
are brought to 256, without dithering, which would flicker and make the file large.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from agents.agent import Agent
from neuralcore.errors import UserError
from neuralcore.lazy import installed, lazy_import
from rlkit.environments import make_env
from rlkit.evaluation import Evaluation

imageio_ffmpeg = lazy_import("imageio_ffmpeg", extra="video")
pillow_image = lazy_import("PIL.Image", extra="video")  # matplotlib, of the extra `plots`, brings it along as well

HEIGHT = 400  # pixels, about: smaller screens are drawn larger, by whole pixels
GIF_FPS = 33  # pictures per second at most: a GIF counts hundredths, and viewers slow down those of fewer than 3


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
        path: an .mp4 or .gif file; its folder is made. max_steps: where the film ends if the episode does not.

    Returns:
        The episode's return and length.

    Raises:
        UserError: another kind of file, or what writes it is not installed; the environment cannot draw itself.
    """
    path = Path(path)
    if path.suffix not in (".mp4", ".gif"):
        raise UserError(f"{path}: films are written as .mp4 or .gif")
    # What is missing is told before the episode is played.
    if path.suffix == ".mp4" and not installed("imageio_ffmpeg"):
        raise UserError(f"{path} needs imageio-ffmpeg: pip install 'rlgraphkit[video]', or name a .gif file")
    if path.suffix == ".gif":
        _ = pillow_image.fromarray
    env = make_env(env_id, render_mode="rgb_array", **env_arguments)
    fps = env.metadata.get("render_fps", 30)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name("." + path.name)
    rewards: list[float] = []
    try:
        frames = _episode(agent, env, seed, deterministic, max_steps, rewards)
        (write_mp4 if path.suffix == ".mp4" else write_gif)(temporary, frames, fps)
    finally:
        env.close()
    temporary.replace(path)
    return Evaluation(np.array([sum(rewards)]), np.array([len(rewards)]))


def default_film() -> str:
    """The name of a film: an mp4 file where that can be written, else a GIF."""
    return "episode.mp4" if installed("imageio_ffmpeg") else "episode.gif"


def _episode(
    agent: Agent, env: gym.Env, seed: int, deterministic: bool, max_steps: int, rewards: list[float]
) -> Iterator[np.ndarray]:
    """The pictures (H, W, 3) uint8 of an episode, one more than it has steps, whose rewards go into `rewards`."""
    observation, _ = env.reset(seed=seed)
    agent.begin()
    yield _render(env)
    over = False
    while not over and len(rewards) < max_steps:
        action = agent.act(np.asarray(observation), deterministic=deterministic)
        observation, reward, terminated, truncated, _ = env.step(action)
        rewards.append(float(reward))
        over = terminated or truncated
        yield _render(env)


def write_mp4(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    """Pictures (H, W, 3) uint8 as an .mp4 file; the format wants even sizes: an odd last row is cut off."""
    writer = None
    try:
        for frame in frames:
            height, width = (side // 2 * 2 for side in frame.shape[:2])
            if writer is None:
                scale = _scale(height)
                writer = imageio_ffmpeg.write_frames(
                    str(path),
                    (width, height),
                    fps=fps,
                    quality=8,
                    macro_block_size=2,
                    output_params=["-vf", f"scale=iw*{scale}:ih*{scale}:flags=neighbor"],
                )
                writer.send(None)
            writer.send(np.ascontiguousarray(frame[:height, :width]))
    finally:
        if writer is not None:
            writer.close()


def write_gif(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    """Pictures (H, W, 3) uint8 as a GIF that runs again and again, at the speed of `fps` to a hundredth second.

    Above `GIF_FPS` only every second, third, … is kept; the last one always is.
    """
    pictures = _gif_pictures(frames, fps)
    first = next(pictures)
    first.save(path, "GIF", save_all=True, append_images=pictures, loop=0)


def _gif_pictures(frames: Iterator[np.ndarray], fps: float) -> Iterator[Any]:
    """Pillow's images with a palette and with how long each is shown."""
    every = max(1, -int(-fps // GIF_FPS))
    shown = 0  # hundredths of a second so far: rounding the sum keeps the film's speed right
    kept = number = -1
    frame = None
    for number, frame in enumerate(frames):
        if number % every == 0:
            kept = number
            until = round(100 * (number + every) / fps)
            yield _with_palette(frame, 10 * (until - shown))
            shown = until
    if frame is not None and kept != number:
        yield _with_palette(frame, 10 * round(100 / fps))


def _with_palette(frame: np.ndarray, milliseconds: int) -> Any:
    scale = _scale(len(frame))
    numbers = frame.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colours, index = np.unique(numbers, return_inverse=True)
    if len(colours) <= 256:
        image = pillow_image.fromarray(index.reshape(numbers.shape).astype(np.uint8), "P")
        image.putpalette(
            np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.uint8).tobytes()
        )
    else:
        image = pillow_image.fromarray(frame, "RGB").quantize(256, dither=pillow_image.Dither.NONE)
    image = image.resize((image.width * scale, image.height * scale), pillow_image.Resampling.NEAREST)
    image.info["duration"] = milliseconds
    return image


def _scale(height: int) -> int:
    return max(1, round(HEIGHT / height))


def _render(env: gym.Env) -> np.ndarray:
    """The environment's picture, (H, W, 3) uint8."""
    try:
        image = np.asarray(env.render())
    except gym.error.DependencyNotInstalled as error:
        raise UserError(f"this environment cannot draw itself: {error}") from None
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise UserError(f"render() gave {image.dtype} of shape {image.shape}, films need (H, W, 3) uint8")
    return image
