"""Configuration: frozen dataclass <- TOML <- command line, each level overriding the one before.

A config is a frozen dataclass beside its algorithm; its field docstrings are the `--help`. A TOML file names some
of its fields, flags name others, and what comes out is checked the same way whichever door a value came through.
TOML rather than YAML because YAML reads `1e-4` as a string. TOML has no null: where a field may be None, the
string "None" stands for it, which is tyro's word on the command line.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import re
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from neuralcore.errors import UserError, nearest

T = TypeVar("T")

NONE = "None"  # in TOML and on the command line


def preset_folder() -> Path:
    """The shipped TOML presets: `configs/` in a checkout, `neuralcore/presets` in an installed wheel."""
    package = Path(__file__).resolve().parent
    installed = package / "presets"
    return installed if installed.is_dir() else package.parent / "configs"


def find_config(path: str) -> Path:
    """A TOML file by path, or a shipped preset by its path under `configs/` (`configs/rl/x.toml`, `rl/x.toml`)."""
    given = Path(path)
    if given.is_file():
        return given
    presets = preset_folder()
    preset = presets / path.removeprefix("configs/")
    if preset.is_file():
        return preset
    known = [f"configs/{p.relative_to(presets).as_posix()}" for p in presets.rglob("*.toml")]
    raise UserError(f"no configuration file {path}: {nearest(path, known)}")


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; syntax errors name the file, line and column."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: {error}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None


def from_mapping(cls: type[T], values: dict[str, Any], source: Path | None = None) -> T:
    """A dataclass from plain values, nested dataclasses from nested tables.

    Raises:
        UserError: an unknown key (with the nearest known one), a value of the wrong type, or what the dataclass's
            own `__post_init__` refuses; each names the file and line.
    """
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key not in fields:
            raise UserError(f"{_place(source, key)}unknown key {key!r}: {nearest(key, fields)}")
        hint = hints[key]
        item = _item_class(hint)
        if item is not None and isinstance(value, dict):
            arguments[key] = {name: _from_table(item, table, name, source) for name, table in value.items()}
        elif dataclasses.is_dataclass(hint) and isinstance(value, dict):
            arguments[key] = from_mapping(typing.cast(type, hint), value, source)
        else:
            arguments[key] = _checked(value, hint, key, source)
    missing = [
        n
        for n, f in fields.items()
        if n not in arguments and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise UserError(f"{source or 'configuration'}: {missing[0]!r} is required")
    try:
        return cls(**arguments)
    except ValueError as error:
        raise UserError(f"{source or 'configuration'}: {error}") from None


def _item_class(hint: Any) -> Any:
    """The dataclass of a table of tables, dict[str, dataclass], or None."""
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    parts = typing.get_args(hint)
    found = typing.get_origin(hint) is dict and dataclasses.is_dataclass(parts[1])
    return parts[1] if found else None


def _from_table(cls: type[T], table: Any, name: str, source: Path | None) -> T:
    if not isinstance(table, dict):
        raise UserError(f"{_place(source, name)}{name} = {table!r} is not a table of settings")
    return from_mapping(cls, table, source)


def _place(source: Path | None, key: str) -> str:
    """`file:line: ` of a key, for messages."""
    if source is None:
        return ""
    pattern = re.compile(rf"^\s*\[?\s*([\"']?){re.escape(key)}\1\s*[=\].]")
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), 1):
        if pattern.match(line):
            return f"{source}:{number}: "
    return f"{source}: "


def _checked(value: Any, hint: Any, key: str, source: Path | None) -> Any:
    """The value as the annotated type, or one clear error. An int is taken for a float, nothing else converts."""

    def fits(value: Any, hint: Any) -> tuple[bool, Any]:
        origin, parts = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Annotated:
            return fits(value, parts[0])
        if origin is typing.Literal:
            return value in parts, value
        if origin in (typing.Union, types.UnionType):
            if type(None) in parts and value == NONE:
                return True, None
            return next(((True, v) for ok, v in (fits(value, p) for p in parts) if ok), (False, value))
        if origin is tuple:
            if not isinstance(value, (list, tuple)):
                return False, value
            if parts[-1] is not Ellipsis and len(parts) != len(value):
                return False, value
            pairs = [fits(item, parts[0]) for item in value]
            return all(ok for ok, _ in pairs), tuple(item for _, item in pairs)
        if origin is dict:
            return isinstance(value, dict), value
        if hint is float:
            return isinstance(value, (int, float)) and not isinstance(value, bool), value
        if hint is int:
            return isinstance(value, int) and not isinstance(value, bool), value
        if hint is type(None):
            return value is None, value
        return isinstance(value, hint), value

    ok, converted = fits(value, hint)
    if not ok:
        raise UserError(f"{_place(source, key)}{key} = {value!r}: expected {_in_words(hint)}")
    return float(converted) if hint is float else converted


WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", type(None): repr(NONE)}
MANY = {int: "whole numbers", float: "numbers", bool: "true or false", str: "texts"}


def _in_words(hint: Any) -> str:
    """What a field takes, as one says it.

    >>> _in_words(typing.Literal["a", 3] | None), _in_words(tuple[float, float]), _in_words(tuple[str, ...])
    ("'a' or 3 or 'None'", 'a list of 2 numbers', 'a list of texts')
    """
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _in_words(parts[0])
    if origin in (typing.Literal, typing.Union, types.UnionType):
        choices = [repr(part) if origin is typing.Literal else _in_words(part) for part in parts]
        return " or ".join([", ".join(choices[:-1]), choices[-1]]) if len(choices) > 1 else choices[0]
    if origin is tuple:
        many = MANY.get(parts[0]) or f"items, each {_in_words(parts[0])}"
        return f"a list of {many}" if parts[-1] is Ellipsis else f"a list of {len(parts)} {many}"
    if dict in (origin, hint):
        return "a table of settings"
    return WORDS.get(hint) or f"a {getattr(hint, '__name__', hint)}"


def parse(
    cls: type[T],
    arguments: Sequence[str],
    *,
    prog: str,
    description: str = "",
    default: T | None = None,
) -> T:
    """Flags over defaults, by tyro; every mistake is one line.

    Args:
        cls: a frozen dataclass; nested dataclasses give their flags without a prefix.
        arguments: the words after the command.
        default: where the fields not named by a flag come from (a TOML file's values); None: the class's own.
    """
    import tyro

    caught = io.StringIO()
    try:
        with contextlib.redirect_stderr(caught):
            parsed, unknown = tyro.cli(
                cls,
                prog=prog,
                description=description,
                args=list(arguments),
                default=default if default is not None else tyro.MISSING_NONPROP,
                return_unknown_args=True,
                config=(tyro.conf.OmitArgPrefixes,),
            )
    except ValueError as error:  # from a __post_init__
        raise UserError(str(error)) from None
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UserError(f"{_first_paragraph(caught.getvalue())} (see {prog} --help)") from None
    for word in unknown:
        if word.startswith("-"):
            flag = word.split("=")[0]
            raise UserError(f"unknown flag {flag}: {nearest(flag, _flags(cls))}")
        raise UserError(f"{word!r} was not expected here (see {prog} --help)")
    return parsed


def _first_paragraph(box: str) -> str:
    """The message inside tyro's drawn box, as one line."""
    lines = [line.strip("│╭╮╰╯─ ").strip() for line in box.splitlines()[1:]]
    rule = next((i for i, line in enumerate(box.splitlines()[1:]) if "──" in line), len(lines))
    message = re.sub(r"\s+", " ", " ".join(lines[:rule])).strip().rstrip(".")
    # A contradiction found by a nested config is told as it stands; a bad flag keeps its name in front.
    return re.sub(r"^Error parsing (?!-)\S+: ", "", message)


def _flags(cls: Any) -> list[str]:
    hints = typing.get_type_hints(cls)
    names: list[str] = []
    for field in dataclasses.fields(cls):
        if _item_class(hints[field.name]) is not None:
            continue  # only a file can say it
        if dataclasses.is_dataclass(hints[field.name]):
            names += _flags(hints[field.name])
        else:
            names.append("--" + field.name.replace("_", "-"))
    return names


def replaced(config: T, settings: Mapping[str, Any]) -> T:
    """The dataclass with some fields changed, as the caller of a Python function names them.

    Raises:
        UserError: an unknown field (with the nearest known one), or what the dataclass's own `__post_init__` refuses.
    """
    known = [field.name for field in dataclasses.fields(config)]  # type: ignore[arg-type]
    for name in settings:
        if name not in known:
            raise UserError(f"unknown setting {name!r}: {nearest(name, known)}")
    try:
        return dataclasses.replace(config, **settings)  # type: ignore[type-var]
    except ValueError as error:
        raise UserError(str(error)) from None


def to_mapping(config: Any) -> dict[str, Any]:
    """A dataclass as plain values."""
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def defaults(cls: type) -> dict[str, Any]:
    """The plain values of those of a dataclass's fields that need not be given."""
    out: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        if field.default is not dataclasses.MISSING:
            out[field.name] = _plain(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            out[field.name] = _plain(field.default_factory())
    return out


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_mapping(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def to_toml(values: dict[str, Any], heading: str = "") -> str:
    """TOML text of plain values, nested tables after the plain keys.

    `tomllib` reads them back to the same values, but for None, which comes back as the string "None".
    """
    lines = [f"[{heading}]"] if heading else []
    for key, value in values.items():
        if not isinstance(value, dict):
            lines.append(f"{_toml_key(key)} = {_toml_value(value)}")
    text = "\n".join(lines) + "\n"
    for key, value in values.items():
        if isinstance(value, dict):
            text += "\n" + to_toml(value, f"{heading}.{_toml_key(key)}" if heading else _toml_key(key))
    return text


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _toml_value(value: Any) -> str:
    if value is None:
        return json.dumps(NONE)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML basic string
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml_value(v) for v in value) + "]"
    raise TypeError(f"{value!r} has no TOML form")
