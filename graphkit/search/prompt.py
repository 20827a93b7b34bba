"""The prompt of `graphkit search`: a query a line, its answer after it, until the end of the input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from graphkit.search.answers import print_tables
from graphkit.search.filters import CONDITION
from neuralcore.errors import UserError

if TYPE_CHECKING:
    from graphkit.search.index import SearchIndex
    from graphkit.search.opened import Opened

HELP = """a name, its beginning, or a - b + c: the nearest names; Tab completes a name
berlin, capital of, ?      in a trained graph: what completes an edge; ?, capital of, germany; berlin, ?, germany
:new                       leave out what completes an edge the graph has; :new again takes it in
:k 20                      how many
:where type=film year>=90  conditions that have to hold for names; :where alone lifts them
:quit                      or Ctrl-D"""


def ask(
    opened: Opened,
    k: int,
    where: Sequence[str] = (),
    fuzzy: bool = False,
    new_only: bool = False,
    read: Callable[[str], str] = input,
) -> None:
    """Answer queries until there are no more; a mistake is told in a line, and the next query is asked for.

    Args:
        read: what gives a line for a prompt, and raises EOFError at the end.
    """
    index = opened.index
    _complete_names(index)
    print(f"{len(index):,} names of dimension {index.dimension}; :help tells what can be asked")
    while True:
        try:
            line = read("search> ").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return
        word, _, rest = line.partition(" ")
        try:
            if word in (":quit", ":q"):
                return
            if word == ":help":
                print(HELP)
            elif word == ":k":
                k = _count(rest)
            elif line == ":new":
                new_only = not new_only
                print(f"edges of the graph are {'left out' if new_only else 'among the answers'}")
            elif word == ":where":
                wanted = _conditions(rest)
                index.check_where(wanted)
                where = wanted
            elif word.startswith(":") and line not in index:
                print(f"no command {word}; :help tells what can be asked")
            elif line:
                conditions = () if opened.is_edge(line) else where
                found = opened.answers([line], k, where=conditions, fuzzy=fuzzy, new_only=new_only)
                print_tables([(line, found[0])], index.metric)
        except UserError as error:
            print(error, file=sys.stderr)


def _count(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise UserError(f":k {text}: give a whole number of at least 1")
    return int(text)


def _conditions(text: str) -> list[str]:
    """Conditions apart at white space; a word that is none belongs to the value before it: country=New Zealand."""
    out: list[str] = []
    for word in text.split():
        if CONDITION.fullmatch(word) or not out:
            out.append(word)
        else:
            out[-1] += f" {word}"
    return out


def _complete_names(index: SearchIndex) -> None:
    """Let Tab complete the whole line, where Python has readline."""
    try:
        import readline
    except ImportError:
        return
    found: list[str] = []

    def complete(text: str, state: int) -> str | None:
        if state == 0:
            found[:] = [name for name in index.suggest(text, 50) if name.startswith(text)] if text else []
        return found[state] if state < len(found) else None

    readline.set_completer_delims("")
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
