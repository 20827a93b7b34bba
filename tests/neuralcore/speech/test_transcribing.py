"""What is spoken, the networks that write it down, and the task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neuralcore.config import from_mapping, preset_folder, read_toml
from neuralcore.fitting import FitConfig, fit
from neuralcore.seeding import seeded_torch
from neuralcore.sequence.recurrent import parameter_count
from neuralcore.speech.models import CTC, MODELS, Transducer
from neuralcore.speech.spoken import BANDS, BLANK, FRAMES, padded, spectra, spoken
from neuralcore.speech.transcribe_config import TranscribeConfig

K, W = 5, 12


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Steps so small cost many times as much where two threads wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(name: str, width: int = W) -> Any:
    with seeded_torch(0, "weights"):
        return MODELS[name](BANDS, K, width)


def some(count: int, noise: float = 0.1) -> tuple[torch.Tensor, ...]:
    return tuple(map(torch.from_numpy, padded(spoken(count, K, 4, noise, seed=3))))


def test_what_is_spoken() -> None:
    found = spoken(200, K, 4, 0.3, seed=1)
    again = spoken(200, K, 4, 0.3, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(found.frames, again.frames))
    assert not np.array_equal(found.frames[0][:2], spoken(1, K, 4, 0.3, seed=2).frames[0][:2])
    counts = [len(s) for s in found.symbols]
    assert set(counts) == {1, 2, 3, 4}
    assert set(np.concatenate(found.symbols)) == set(range(1, K + 1))
    for frames, count in zip(found.frames, counts):
        assert count * FRAMES[0] <= len(frames) <= (2 * count + 1) * FRAMES[1]
    batch = padded(found)
    assert not batch.frames[0, batch.lengths[0] :].any()
    np.testing.assert_array_equal(batch.frames[7, : batch.lengths[7]], found.frames[7])
    assert not spectra(K)[BLANK].any()


@pytest.mark.parametrize("name", MODELS)
def test_padding_changes_nothing(name: str) -> None:
    model = made(name)
    frames, lengths, symbols, counts = some(3)
    losses = model.losses(frames, lengths, symbols, counts)
    for row in range(3):
        t, u = int(lengths[row]), int(counts[row])
        alone = model.losses(
            frames[row : row + 1, :t], lengths[row : row + 1], symbols[row : row + 1, :u], counts[row : row + 1]
        )
        torch.testing.assert_close(alone[0], losses[row], rtol=1e-4, atol=1e-4)
        assert model.written(frames[row : row + 1, :t], lengths[row : row + 1]) == [
            model.written(frames, lengths)[row]
        ]


@pytest.mark.parametrize("name", MODELS)
def test_learns_one_batch_by_heart(name: str) -> None:
    model = made(name, 24)
    frames, lengths, symbols, counts = some(3)
    optimiser = torch.optim.Adam(model.parameters(), 0.03)
    for _ in range(100):
        loss = model.losses(frames, lengths, symbols, counts).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.2
    if name == "ctc":  # a transducer's probability may be spread over many paths, none of them the likeliest
        assert model.written(frames, lengths) == [s[:n].tolist() for s, n in zip(symbols, counts)]


def test_parameter_counts() -> None:
    encoder = parameter_count("lstm", BANDS, W, 1, True)
    assert sum(p.numel() for p in CTC(BANDS, K, W).parameters()) == encoder + (2 * W + 1) * (K + 1)
    predictor = (K + 1) * W + parameter_count("lstm", W, W)
    joint = (2 * W + 1) * W + W * W + (W + 1) * (K + 1)
    assert sum(p.numel() for p in Transducer(BANDS, K, W).parameters()) == encoder + predictor + joint


def test_a_transducer_writes_by_its_own_probabilities() -> None:
    """Decoded one by one from the logits that training sees, symbols are the same."""
    model = made("transducer")
    frames, lengths, symbols, counts = some(3)
    optimiser = torch.optim.Adam(model.parameters(), 0.03)
    for _ in range(15):
        optimiser.zero_grad()
        model.losses(frames, lengths, symbols, counts).mean().backward()
        optimiser.step()
    for row, written in enumerate(model.written(frames, lengths)):
        with torch.no_grad():
            t = int(lengths[row])
            encoded = model.of_frame(model.encoder(frames[row : row + 1, :t])[0])
            found: list[int] = []
            for at in range(t):
                for _ in range(4):
                    given = torch.tensor([[BLANK, *found]])
                    predicted = model.of_symbols(model.predictor(model.symbols(given))[0][:, -1])
                    new = int(model.head(torch.tanh(encoded[:, at] + predicted)).argmax())
                    if new == BLANK:
                        break
                    found.append(new)
        assert written == found
    with pytest.raises(ValueError, match="decoded greedily"):
        model.written(frames, lengths, beam=2)


def test_the_task_learns_and_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    config = TranscribeConfig(width=12, kinds=3, longest=3, noise=0.2, examples=320, beam=4)
    runs = []
    for _ in range(2):
        task = config.build(0)
        fit(task, FitConfig(epochs=3, batch_size=16, learning_rate=0.02, evaluate_every=0), seed=0)
        runs.append(task)
    one, again = ([p.detach().numpy().tobytes() for p in task.model.parameters()] for task in runs)
    assert one == again
    found = runs[0].evaluate("test")
    assert found["error_rate"] < 0.15
    assert found["beam_error_rate"] < 0.15
    assert set(runs[0].evaluate("valid")) == {"error_rate", "whole", "loss"}
    pytest.importorskip("matplotlib")
    with torch.no_grad():
        runs[0].draw(tmp_path)
    assert (tmp_path / "example.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    "path", sorted((preset_folder() / "sequence").glob("transcribe*.toml")), ids=lambda path: path.stem
)
def test_presets_are_read(path: Path) -> None:
    values = read_toml(path)
    assert values.pop("task") == "transcribe"
    assert from_mapping(TranscribeConfig, values, path).fit.epochs > 0


def test_bad_settings_are_told() -> None:
    with pytest.raises(ValueError, match="decoded greedily"):
        TranscribeConfig(model="transducer", beam=4)
    with pytest.raises(ValueError, match="kinds must be 1 or more"):
        TranscribeConfig(kinds=0)
    with pytest.raises(ValueError, match="noise must be 0 or more"):
        TranscribeConfig(noise=-1.0)
