from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import agents
from neuralcore.errors import UserError
from rlkit import video
from rlkit.environments import make_env
from rlkit.inspect_runs import WatchArguments, watch
from rlkit.video import default_film, record_video, write_gif


def shown(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """A GIF's pictures, (H, W, 3) each, and their milliseconds."""
    image_module = pytest.importorskip("PIL.Image", reason="needs Pillow (extra video)")
    pictures, milliseconds = [], []
    with image_module.open(path) as image:
        for number in range(image.n_frames):
            image.seek(number)
            pictures.append(np.array(image.convert("RGB")))
            milliseconds.append(image.info["duration"])
    return pictures, milliseconds


def random_agent(env_id: str) -> agents.RandomAgent:
    env = make_env(env_id)
    return agents.RandomAgent(env.observation_space, env.action_space, seed=1)


@pytest.mark.parametrize("colours", [2, 256])
def test_a_gif_shows_the_colours_of_the_screen(tmp_path: Path, colours: int) -> None:
    pytest.importorskip("PIL", reason="needs Pillow (extra video)")
    rng = np.random.default_rng(colours)
    frames = [
        rng.integers(256, size=(colours, 3), dtype=np.uint8)[rng.integers(colours, size=(50, 31))] for _ in "abc"
    ]
    write_gif(tmp_path / "a.gif", iter(frames), fps=15)
    pictures, milliseconds = shown(tmp_path / "a.gif")
    assert pictures[0].shape == (400, 248, 3)  # eight times as large
    for frame, picture in zip(frames, pictures, strict=True):
        np.testing.assert_array_equal(picture, frame.repeat(8, axis=0).repeat(8, axis=1))
    assert milliseconds == [70, 60, 70]  # 200 in all, as 15 a second want it


def test_more_colours_than_a_gif_has(tmp_path: Path) -> None:
    pytest.importorskip("PIL", reason="needs Pillow (extra video)")
    ramp = np.linspace(0, 255, 400).astype(np.uint8)
    frame = np.stack(
        [np.tile(ramp, (400, 1)), np.tile(ramp[:, None], (1, 400)), np.zeros((400, 400), np.uint8)], axis=2
    )
    write_gif(tmp_path / "a.gif", iter([frame]), fps=15)
    (picture,), _ = shown(tmp_path / "a.gif")
    error = np.abs(picture.astype(int) - frame)
    assert error.mean() < 10 < error.max()


@pytest.mark.parametrize(("fps", "count", "kept"), [(50, 6, [0, 2, 4, 5]), (50, 5, [0, 2, 4]), (33, 3, [0, 1, 2])])
def test_a_fast_film_leaves_pictures_out_but_not_the_last(
    tmp_path: Path, fps: int, count: int, kept: list[int]
) -> None:
    pytest.importorskip("PIL", reason="needs Pillow (extra video)")
    frames = [np.full((400, 10, 3), 40 * number, np.uint8) for number in range(count)]
    write_gif(tmp_path / "a.gif", iter(frames), fps)
    pictures, milliseconds = shown(tmp_path / "a.gif")
    assert [int(picture[0, 0, 0]) // 40 for picture in pictures] == kept
    assert sum(milliseconds) == pytest.approx(1000 * count / fps, abs=1000 / fps + 10)


def test_a_game_as_a_gif(tmp_path: Path) -> None:
    pytest.importorskip("PIL", reason="needs Pillow (extra video)")
    film = tmp_path / "v" / "pong.gif"
    result = record_video(random_agent("ALE/Pong-v5"), "ALE/Pong-v5", film, max_steps=30, deterministic=False)
    assert result.lengths[0] == 30
    assert [p.name for p in film.parent.iterdir()] == ["pong.gif"]
    pictures, milliseconds = shown(film)
    assert sum(milliseconds) == pytest.approx(31_000 / 15, abs=10)  # equal pictures are shown as one
    env = make_env("ALE/Pong-v5", render_mode="rgb_array")
    env.reset(seed=10_000)
    screen = env.render()
    np.testing.assert_array_equal(pictures[0], screen.repeat(2, axis=0).repeat(2, axis=1))


def test_without_ffmpeg_a_film_is_a_gif(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("PIL", reason="needs Pillow (extra video)")
    monkeypatch.setattr(video, "installed", lambda name: False)
    assert default_film() == "episode.gif"
    random_agent("GridWorld-v0").save("run/agent")
    Path("run/config.toml").write_text('env = "GridWorld-v0"\n')
    assert watch(WatchArguments("run", max_steps=3)) == 0
    assert "episode.gif" in capsys.readouterr().out
    assert Path("run/video/episode.gif").read_bytes()[:6] == b"GIF89a"
    with pytest.raises(UserError, match=r"imageio-ffmpeg.*or name a \.gif file"):
        watch(WatchArguments("run", out="film.mp4"))


def test_an_environment_that_draws_something_else(tmp_path: Path) -> None:
    pytest.importorskip("PIL", reason="needs Pillow (extra video)")

    class Grey(gym.Wrapper):
        def render(self) -> np.ndarray:
            return np.zeros((4, 4), np.float32)

    with pytest.raises(UserError, match=r"float32 of shape \(4, 4\)"):
        video._render(Grey(gym.make("GridWorld-v0")))
