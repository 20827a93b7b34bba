"""`rlkit sweep`: search the settings of an algorithm, by Optuna on a SQLite file; killed, the same command goes on.

rlkit sweep configs/rl/cartpole_dqn.toml --over learning_rate=1e-4..1e-2:log n_step=1..5 --trials 20 --seeds 2

All flags of `rlkit train` fix what is not searched. Each trial's settings have a folder of their own, named after
them, with a run for each seed, so that a run that was killed half way is gone on with.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from neuralcore.config import NONE, defaults, to_mapping
from neuralcore.errors import UserError, nearest
from neuralcore.lazy import lazy_import
from rlkit import train as training

optuna = lazy_import("optuna", extra="sweep")

USAGE = (
    "usage: rlkit sweep ALGORITHM|FILE.toml --over name=low..high[:log] name=a|b|c … [--trials 20] [--seeds 1] "
    "[--out FOLDER] [flags of rlkit train]"
)
OWN = {"--over": True, "--trials": False, "--seeds": False, "--out": False}  # flag -> whether it takes several words


@dataclass(frozen=True)
class Dimension:
    """One setting that is searched.

    Attributes:
        name: a field of the algorithm's config. choices: values to choose from, or empty for a range.
        low, high: ends of the range, both included. log: whether it is drawn on a logarithmic scale.
    """

    name: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    def draw(self, trial: Any) -> Any:
        """The value that Optuna suggests."""
        if self.choices:
            return json.loads(trial.suggest_categorical(self.name, [json.dumps(choice) for choice in self.choices]))
        if isinstance(self.low, int):
            return trial.suggest_int(self.name, self.low, self.high, log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)

    def ends(self) -> tuple[Any, ...]:
        """Values to try on the config before anything is trained."""
        return self.choices or (self.low, self.high)


@dataclass(frozen=True)
class Sweep:
    """What is searched: dimensions over the fixed arguments of a training."""

    algorithm: str
    arguments: Any
    over: tuple[Dimension, ...]
    trials: int
    seeds: int
    out: Path

    @property
    def table(self) -> str:
        """The name of the algorithm's config among the arguments."""
        return training.table_of(self.algorithm)

    def config(self, values: dict[str, Any]) -> Any:
        """The algorithm's config with these values in place of the fixed ones."""
        fixed = getattr(self.arguments, self.table)
        listed = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        try:
            return dataclasses.replace(fixed, **listed)
        except ValueError as error:
            raise UserError(f"{', '.join(f'{k} {v}' for k, v in values.items())}: {error}") from None


def parse_arguments(words: Sequence[str], prog: str) -> Sweep:
    """The sweep's own flags, and all others as `rlkit train` takes them."""
    if not words or words[0] in ("-h", "--help"):
        print(f"{USAGE}\n\nhelp on the algorithms' settings: rlkit train dqn --help")
        raise SystemExit(0)
    own, rest = _split(words)
    algorithm, arguments = training.parse_arguments(rest, prog)
    if not own["--over"]:
        raise UserError(f"name settings to search: --over learning_rate=1e-4..1e-2:log ({USAGE})")
    if not arguments.evaluate_episodes:
        raise UserError("evaluate_episodes is 0: a sweep compares evaluations, give it some")
    if arguments.run or arguments.seconds is not None:
        raise UserError("--run and --seconds are for one run: a sweep takes --out, and compares whole trainings")
    config = getattr(arguments, training.table_of(algorithm))
    over = tuple(_dimension(word, type(config)) for word in own["--over"])
    out = Path(own["--out"][0] if own["--out"] else f"runs/sweep-{algorithm}-{training.safe(arguments.env)}")
    sweep = Sweep(algorithm, arguments, over, _count(own, "--trials", 20), _count(own, "--seeds", 1), out)
    for dimension in over:
        for value in dimension.ends():
            sweep.config({dimension.name: value})  # what contradicts dies here, not in trial 7
    return sweep


def sweep(plan: Sweep) -> int:
    """Search the settings of an algorithm."""
    from neuralcore.run_folder import RunFolder, completed, flat

    settings = {"algorithm": plan.algorithm, "over": [repr(d) for d in plan.over], "seeds": plan.seeds}
    settings |= {"training": to_mapping(plan.arguments)}
    path = plan.out / "config.toml"
    if (plan.out / "study.db").is_file() and path.is_file():
        earlier = tomllib.loads(path.read_text(encoding="utf-8"))
        if completed(earlier, settings, {"training": defaults(type(plan.arguments))}) != flat(settings):
            raise UserError(f"{plan.out} holds a sweep with other settings (see {path}): choose another --out")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with RunFolder(plan.out, settings), _study(plan) as study:
        done = [t for t in study.trials if t.state.is_finished() and t.value is not None]
        if done:
            print(f"{plan.out}: going on after {len(done)} trials")
        started, first = time.monotonic(), len(done)
        for number in range(first, plan.trials):
            trial = study.ask()
            values = {dimension.name: dimension.draw(trial) for dimension in plan.over}
            score = _score(plan, values)
            if score is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            study.tell(trial, score)
            left = (time.monotonic() - started) / (number + 1 - first) * (plan.trials - number - 1)
            best = study.best_value
            print(f"trial {number + 1} of {plan.trials}: {score:.2f} (best {best:.2f}) {_words(values)}", end="")
            print(f" · ETA {left / 60:.0f} min" if left > 60 else "", flush=True)
        return _report(plan, study)


@contextlib.contextmanager
def _study(plan: Sweep) -> Iterator[Any]:
    """The study on disk, closed at the end; trials that a kill cut off are queued again with their settings."""
    from neuralcore.seeding import derived_seed

    storage = optuna.storages.RDBStorage(f"sqlite:///{plan.out / 'study.db'}")
    try:
        study = optuna.create_study(storage=storage, study_name="sweep", direction="maximize", load_if_exists=True)
        begun = len(study.trials)
        study.sampler = optuna.samplers.TPESampler(seed=derived_seed(plan.arguments.seed, "sweep", begun) % 2**32)
        for trial in study.trials:
            if trial.state == optuna.trial.TrialState.RUNNING:
                study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
                study.enqueue_trial(trial.params)
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _score(plan: Sweep, values: dict[str, Any]) -> float | None:
    """Mean over the seeds of the evaluation's mean return; None if a training failed."""
    scores = []
    for seed in range(plan.arguments.seed, plan.arguments.seed + plan.seeds):
        run = _folder(plan, values) / f"seed{seed}"
        trained = {"run": str(run), "seed": seed, plan.table: plan.config(values)}
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                training.train((plan.algorithm, dataclasses.replace(plan.arguments, **trained)))
        except UserError as error:
            print(f"failed, {_words(values)}: {error}", flush=True)
            return None
        scores.append(json.loads((run / "evaluation.json").read_text(encoding="utf-8"))["mean_return"])
    return sum(scores) / len(scores)


def _report(plan: Sweep, study: Any) -> int:
    finished = sorted((t for t in study.trials if t.value is not None), key=lambda t: -t.value)
    if not finished:
        raise UserError(f"no trial of {plan.out} came to an end: see what failed above")
    for trial in finished[:5]:
        print(f"{trial.value:10.2f}  {_words(_read(trial.params))}")
    best = _folder(plan, _read(finished[0].params)) / f"seed{plan.arguments.seed}" / "config.toml"
    print(f"the best once more with another seed:\nrlkit train {best} --seed 1000 --run {plan.out}/best")
    return 0


def _read(params: dict[str, Any]) -> dict[str, Any]:
    """Settings as drawn: choices are kept as JSON texts."""
    return {name: json.loads(value) if isinstance(value, str) else value for name, value in params.items()}


def _folder(plan: Sweep, values: dict[str, Any]) -> Path:
    """A trial's folder, named after its settings."""
    return plan.out / hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]


def _words(values: dict[str, Any]) -> str:
    shown = {k: f"{v:.4g}" if isinstance(v, float) else json.dumps(v) for k, v in values.items()}
    return " ".join(f"{name}={value}" for name, value in shown.items())


def _split(words: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The words of the sweep's own flags, and the rest."""
    own: dict[str, list[str]] = {flag: [] for flag in OWN}
    rest: list[str] = []
    words = list(words)
    while words:
        flag, equals, value = words.pop(0).partition("=")
        if flag not in OWN:
            rest.append(f"{flag}{equals}{value}")
            continue
        taken = [value] if equals else []
        while words and not words[0].startswith("--") and (OWN[flag] or not taken):
            taken.append(words.pop(0))
        if not taken:
            raise UserError(f"{flag} needs a value ({USAGE})")
        own[flag] += taken
    return own, rest


def _dimension(word: str, config: type) -> Dimension:
    """`learning_rate=1e-4..1e-2:log`, `n_step=1..5`, `hidden=[64]|[256]`."""
    name, _, text = word.partition("=")
    name = name.replace("-", "_")
    hints = get_type_hints(config)
    if name not in hints:
        raise UserError(f"--over {word}: unknown setting {name!r}: {nearest(name, hints)}")
    if ".." in text:
        ends, _, scale = text.partition(":")
        low, high = (_value(word, end) for end in ends.split("..", 1))
        numbers = all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in (low, high))
        if not numbers or not low < high or scale not in ("", "log") or (scale == "log" and low <= 0):
            raise UserError(f"--over {word}: a range is low..high, as 1..5, or 1e-4..1e-2:log with both above 0")
        if hints[name] is not int:
            low, high = float(low), float(high)
        return Dimension(name, (), low, high, scale == "log")
    choices = tuple(_value(word, part) for part in text.split("|"))
    if len(choices) < 2:
        raise UserError(f"--over {word}: give a range, as 1..5, or choices, as 32|64")
    return Dimension(name, choices)


def _value(word: str, text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if text == NONE:
            return None
        if text.isidentifier():
            return text  # a bare word, as adam|rmsprop
        raise UserError(f"--over {word}: {text!r} is no value") from None


def _count(own: dict[str, list[str]], flag: str, default: int) -> int:
    text = own[flag][-1] if own[flag] else str(default)
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{flag} is {text!r}: it must be a number from 1")
    return int(text)
