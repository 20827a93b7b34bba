"""The dispatcher behind `rlkit` and `graphkit`: a table of commands, each loaded only when it is called.

A command line is data: the words a user types -> where the command lives. Printing the table imports none of the
modules in it, so `--help` answers at once on a machine where importing torch takes seconds.

    COMMANDS = {"search": Command("graphkit.search.command", "SearchArguments", "search", "Find the nearest names")}

    def main(arguments: list[str] | None = None) -> int:
        return run("graphkit", "Vectors that say what is like what.", COMMANDS, arguments)
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuralcore import __version__
from neuralcore.errors import UserError, guarded, nearest

OURS = ("neuralcore", "agents", "envs", "rlkit", "graphkit")


@dataclass(frozen=True)
class Command:
    """Where one command lives.

    Its function takes one instance of the arguments class and returns the exit code. The words are parsed by
    `neuralcore.config.parse`; a module whose words are more than flags (a TOML file first) defines
    `parse_arguments(words, prog)`, which is used instead for all the commands of that module: `prog`, such as
    "graphkit embed", says which one is meant.

    Attributes:
        module: what to import; cheap at module level, for its import is what `<command> --help` costs.
        arguments: the name in it of a frozen dataclass whose field docstrings are the help.
        function: the name in it of the function; the first line of its docstring heads the help.
        help: one line for the table of commands.
    """

    module: str
    arguments: str
    function: str
    help: str


def run(
    prog: str,
    description: str,
    commands: Mapping[str, Command],
    arguments: list[str] | None = None,
    packages: Sequence[str] = OURS,
) -> int:
    """Carry out one command line and return its exit code (2 for a user's mistake, told in one line).

    Args:
        prog: the name of the program, "graphkit".
        description: one line over the table of commands.
        commands: the words a user types -> the commands, in the order of the table.
        arguments: the words after the program's name; None takes them from `sys.argv`.
        packages: import names that must be this distribution's own before a command is loaded.
    """

    def main(words: list[str]) -> int:
        if not words or words[0] in ("-h", "--help"):
            print(_table(prog, description, commands))
            return 0
        if words[0] == "--version":
            print(f"{prog} {__version__}")
            return 0
        if words[0] not in commands:
            raise UserError(f"unknown command {words[0]!r}: {nearest(words[0], commands)}")
        check_packages(packages)
        return _call(f"{prog} {words[0]}", commands[words[0]], words[1:])

    def main_to_pipe(words: list[str]) -> int:
        try:
            code = main(words)
            sys.stdout.flush()  # here rather than at exit, where a pipe closed by `… | head` would be code 120
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise
        return code

    return guarded(main_to_pipe, arguments)


def check_packages(packages: Sequence[str] = OURS) -> None:
    """Check that import names as common as `agents` lead to our own files.

    Another installed distribution, or a folder of the user's on PYTHONPATH, may own the same name; whichever comes
    first on the path wins, and the error it leads to would be far from its cause.

    Raises:
        UserError: a package does not lie beside `neuralcore`; names its file and, if installed, its distribution.
    """
    home = Path(__file__).resolve().parent.parent
    for package in packages:
        spec = importlib.util.find_spec(package)  # finds the file without importing the package
        if spec is None:
            raise UserError(f"the package {package} is not beside {home / 'neuralcore'}: install rlgraphkit again")
        # A folder without __init__.py has no origin of its own, and ours all have one.
        origin = Path(spec.origin or next(iter(spec.submodule_search_locations or [""]))).resolve()
        if origin.parent.parent == home:
            continue
        owner = _distribution_of(package, origin)
        remedy = f"pip uninstall {owner}" if owner else "move it, or take its folder off PYTHONPATH"
        belongs = f"the distribution {owner}" if owner else "no installed distribution"
        raise UserError(f"the import name {package} leads to {origin}, of {belongs}, not to rlgraphkit: {remedy}")


def _table(prog: str, description: str, commands: Mapping[str, Command]) -> str:
    width = max(map(len, commands))
    rows = [f"  {name:<{width}}  {command.help}" for name, command in commands.items()]
    return "\n".join(
        [
            f"usage: {prog} <command> [options]",
            "",
            description,
            "",
            *rows,
            "",
            f"`{prog} <command> --help` lists a command's options, `{prog} --version` the version.",
        ]
    )


def _call(prog: str, command: Command, words: list[str]) -> int:
    module = importlib.import_module(command.module)
    function = getattr(module, command.function)
    if hasattr(module, "parse_arguments"):
        parsed: Any = module.parse_arguments(words, prog)
    else:
        from neuralcore.config import parse

        description = (function.__doc__ or command.help).strip().splitlines()[0]
        parsed = parse(getattr(module, command.arguments), words, prog=prog, description=description)
    return function(parsed)


def _distribution_of(package: str, origin: Path) -> str | None:
    """The installed distribution whose list of files has `origin`."""
    import importlib.metadata

    for name in importlib.metadata.packages_distributions().get(package, []):
        distribution = importlib.metadata.distribution(name)
        if any(Path(str(distribution.locate_file(f))).resolve() == origin for f in distribution.files or []):
            return name
    return None
