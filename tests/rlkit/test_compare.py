"""Comparisons over seeds: the statistics against scipy and by hand, and what `rlkit compare` prints and writes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from neuralcore.config import parse
from neuralcore.errors import UserError
from rlkit.compare import CompareArguments, compare
from rlkit.statistics import (
    improvement_interval,
    interquartile_mean,
    probability_of_improvement,
    stratified_interval,
)


@pytest.mark.parametrize("runs", [1, 2, 3, 4, 7, 10, 101])
def test_the_interquartile_mean_is_the_trimmed_one(runs: int):
    from scipy.stats import trim_mean

    scores = np.random.default_rng(runs).normal(size=(5, runs))
    np.testing.assert_allclose(interquartile_mean(scores), trim_mean(scores, 0.25, axis=1))


def test_probability_of_improvement_by_hand():
    ours, theirs = [np.array([1.0, 3.0]), np.array([5.0])], [np.array([2.0, 3.0]), np.array([4.0, 6.0])]
    # task 1: 1 loses twice, 3 wins and ties: 1.5 of 4; task 2: 1 of 2
    assert probability_of_improvement(ours, theirs) == pytest.approx((1.5 / 4 + 1 / 2) / 2)
    assert probability_of_improvement(ours, ours) == 0.5
    low, high = improvement_interval(ours, theirs)
    assert 0 <= low <= (1.5 / 4 + 1 / 2) / 2 <= high <= 1
    better = [np.arange(5.0) + 10]
    assert improvement_interval(better, [np.arange(5.0)]) == (1, 1)


def test_the_interval_covers_as_often_as_it_says():
    """500 samples of 20 normal scores: nominal 95 %, a percentile bootstrap of an IQM covers somewhat less."""
    generator = np.random.default_rng(0)
    covered = 0
    for trial in range(500):
        low, high = stratified_interval([generator.normal(size=20)], resamples=400, seed=trial)
        covered += low <= 0 <= high
    assert 0.87 <= covered / 500 <= 0.97


def test_strata_are_kept_apart():
    """Two tasks on scales far apart: drawn within each, the mean of all scores hardly varies."""
    tasks = [np.array([0.0, 1.0]), np.array([1_000.0, 1_001.0])]
    low, high = stratified_interval(tasks, lambda scores: scores.mean(axis=-1))
    assert 500 <= low < high <= 501


def make_run(folder: Path, algorithm: str, seed: int, returns: list[float], **settings: object) -> str:
    folder.mkdir(parents=True)
    lines = [f'algorithm = "{algorithm}"', 'env = "CartPole-v1"', f"seed = {seed}", f'run = "{folder}"']
    lines += [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    (folder / "config.toml").write_text("\n".join(lines))
    (folder / "evaluation.json").write_text(json.dumps({"env": "CartPole-v1", "steps": 1_000, "returns": returns}))
    return str(folder)


def command(*words: str) -> int:
    return compare(parse(CompareArguments, words, prog="rlkit compare"))


def test_runs_are_grouped_by_their_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("matplotlib")
    good = [make_run(tmp_path / f"dqn{s}", "dqn", s, [400.0 + s, 410.0 + s], steps=5) for s in range(4)]
    poor = [make_run(tmp_path / f"a2c{s}", "a2c", s, [100.0 + s], steps=5) for s in range(4)]
    other = make_run(tmp_path / "longer", "dqn", 0, [450.0, 460.0, 470.0], steps=6)
    table, picture = tmp_path / "scores.csv", tmp_path / "scores.png"
    assert command(*good, *poor, other, "--csv", str(table), "--plot", str(picture)) == 0
    out = capsys.readouterr().out
    assert "probability of improvement of dqn over a2c on CartPole-v1: 1.00" in out
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["group"], row["runs"]) for row in rows] == [("dqn", "4"), ("a2c", "4"), ("dqn", "1")]
    assert float(rows[0]["iqm"]) == 406.5  # of 405, 406, 407, 408 the middle two
    assert float(rows[0]["iqm_low"]) <= 406.5 <= float(rows[0]["iqm_high"])
    assert float(rows[2]["mean"]) == 460
    assert picture.stat().st_size > 5_000


def test_runs_kept_before_none_had_a_word_are_of_the_same_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    runs = [make_run(tmp_path / "0", "dqn", 0, [1.0, 2.0]), make_run(tmp_path / "1", "dqn", 1, [2.0], seconds="None")]
    assert command(*runs) == 0
    assert "IQM" in capsys.readouterr().out


def test_single_runs_make_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    runs = [make_run(tmp_path / name, name, 0, [1.0, 2.0]) for name in ("dqn", "ppo")]
    assert command(*runs) == 0
    out = capsys.readouterr().out
    assert "IQM" not in out
    assert "1.50" in out


def test_refusals(tmp_path: Path):
    run = make_run(tmp_path / "dqn", "dqn", 0, [1.0])
    for words, message in (
        ((run, "--plot", "scores.gif"), "the name must end in"),
        ((run, "--csv", str(tmp_path / "no" / "scores.csv")), "there is no folder"),
        ((str(tmp_path / "nothing"),), "evaluation.json is missing: rlkit evaluate"),
        ((), "name run folders|required"),
    ):
        with pytest.raises(UserError, match=message):
            command(*words)
