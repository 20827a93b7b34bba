from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from neuralcore.config import (
    defaults,
    find_config,
    from_mapping,
    parse,
    preset_folder,
    read_toml,
    to_mapping,
    to_toml,
)
from neuralcore.errors import UserError


@dataclass(frozen=True)
class Inner:
    """An algorithm's settings."""

    learning_rate: float = 0.1
    """step size"""
    hidden: tuple[int, ...] = (64,)
    """widths"""
    kind: Literal["a", "b"] = "a"
    """which"""
    clip: float | None = None
    """largest norm"""

    def __post_init__(self) -> None:
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}")


@dataclass(frozen=True)
class Outer:
    """A command."""

    steps: int = 10
    """how many"""
    name: str = "x"
    """a name"""
    fast: bool = False
    """whether"""
    inner: Inner = field(default_factory=Inner)


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "c.toml"
    path.write_text(text)
    return path


def test_toml_overrides_defaults_and_flags_override_toml(tmp_path: Path) -> None:
    path = toml(tmp_path, 'steps = 20\nname = "é"\n[inner]\nhidden = [3, 4]\nlearning_rate = 1\n')
    config = from_mapping(Outer, read_toml(path), path)
    assert config == Outer(20, "é", False, Inner(1.0, (3, 4)))
    assert isinstance(config.inner.learning_rate, float)
    config = parse(Outer, ["--steps", "30", "--kind", "b", "--fast"], prog="p", default=config)
    assert config == Outer(30, "é", True, Inner(1.0, (3, 4), "b"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step = 3\n", r"c\.toml:1: unknown key 'step': did you mean 'steps'\?"),
        ("steps = 3\n\n[inner]\nlearningrate = 1\n", r"c\.toml:4: unknown key 'learningrate': .*'learning_rate'"),
        ('steps = "3"\n', r"c\.toml:1: steps = '3': expected a whole number"),
        ("steps = true\n", r"c\.toml:1: steps = True: expected a whole number"),
        ('[inner]\nkind = "c"\n', r"c\.toml:2: kind = 'c': expected 'a' or 'b'"),
        ("[inner]\nhidden = [1, 2.5]\n", r"c\.toml:2: hidden"),
        ("[inner]\nlearning_rate = -1.0\n", r"c\.toml: learning_rate must be above 0, got -1\.0"),
        ("steps = \n", r"c\.toml: .*line 1"),
    ],
)
def test_mistakes_in_a_file_name_the_line_and_the_remedy(tmp_path: Path, text: str, message: str) -> None:
    path = toml(tmp_path, text)
    with pytest.raises(UserError, match=message):
        from_mapping(Outer, read_toml(path), path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--step", "3"], r"unknown flag --step: did you mean '--steps'"),
        (["--steps", "three"], r"--steps.*'three'"),
        (["--kind", "c"], r"invalid choice 'c'"),
        (["--learning-rate=0"], r"learning_rate must be above 0, got 0\.0"),
        (["surplus"], r"'surplus' was not expected"),
        (["--steps"], r"Missing value for argument '--steps'"),
    ],
)
def test_mistakes_in_flags_are_one_line(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        parse(Outer, words, prog="p")
    assert "\n" not in str(error.value)


def test_keys_that_need_quotes_come_back() -> None:
    values = {"rates": {"network.trunk.*.bias": 64.0, "plain": 1}, "a b": {"ü": [1]}, "x.y": "z"}
    assert tomllib.loads(to_toml(values)) == values


def test_a_resolved_configuration_reads_back() -> None:
    config = Outer(1_000, 'quote " and \\ and ☃', True, Inner(1e-05, (1, 2), "b", 0.5))
    assert from_mapping(Outer, tomllib.loads(to_toml(to_mapping(config)))) == config
    assert 'clip = "None"' in to_toml(to_mapping(Outer()))
    assert from_mapping(Outer, tomllib.loads(to_toml(to_mapping(Outer())))) == Outer()
    assert from_mapping(Outer, to_mapping(Outer())) == Outer()  # None itself, as JSON keeps it


def test_none_is_a_word_where_a_field_may_be_none() -> None:
    @dataclass(frozen=True)
    class Limits:
        """Both ways round."""

        most: float | None = 0.5
        """a limit"""
        name: str = "x"
        """a name"""
        kind: Literal["none", "all"] = "none"
        """which"""

    text = 'most = "None"\nname = "None"\nkind = "none"\n'
    config = from_mapping(Limits, tomllib.loads(text))
    assert config == Limits(None, "None", "none") == parse(Limits, ["--most", "None", "--name", "None"], prog="p")
    assert to_toml(to_mapping(config)) == text
    with pytest.raises(UserError, match=r"most = 'none': expected a number or 'None'"):
        from_mapping(Limits, {"most": "none"})


def test_a_pair_is_two() -> None:
    @dataclass(frozen=True)
    class Pair:
        """A pair."""

        both: tuple[float, float] = (0.0, 1.0)
        """two of them"""

    assert from_mapping(Pair, {"both": [1, 2.0]}) == Pair((1, 2.0))
    with pytest.raises(UserError, match=r"both = \[1.0\]: expected a list of 2 numbers"):
        from_mapping(Pair, {"both": [1.0]})


def test_defaults_are_of_those_fields_that_have_one() -> None:
    @dataclass(frozen=True)
    class Command:
        """One that must be given, the others not."""

        corpus: str
        inner: Inner = field(default_factory=Inner)
        steps: int = 3

    inner = {"learning_rate": 0.1, "hidden": [64], "kind": "a", "clip": None}
    assert defaults(Command) == {"inner": inner, "steps": 3}


def test_presets_are_found_by_short_name_and_by_path() -> None:
    path = find_config("configs/rl/cartpole_dqn.toml")
    assert path.is_file()
    assert find_config("rl/cartpole_dqn.toml").read_text() == path.read_text()
    assert preset_folder().is_dir()
    with pytest.raises(UserError, match=r"did you mean 'configs/rl/cartpole_dqn\.toml'"):
        find_config("configs/rl/cartpol_dqn.toml")


def test_help_shows_the_docstrings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(Outer, ["--help"], prog="p")
    assert stop.value.code == 0
    assert "step size" in capsys.readouterr().out
