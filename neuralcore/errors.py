"""One way to tell a person what is wrong: a single line with the place, the cause and the remedy.

`UserError` is what the user can mend (a file, a field, a flag, a missing extra). The command lines print it as
one line on stderr and exit with code 2; anything else is our defect and keeps its traceback.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

EXIT_USER_ERROR = 2
COMPARED = 10_000  # names that are compared letter by letter, which takes a few tenths of a second
SHOWN = 20  # names in a message


class UserError(Exception):
    """A mistake in what was asked: the message names file, line or field and says what to do instead."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The tail of an "unknown name" message: ``did you mean 'epsilon'? known: alpha, beta, epsilon``.

    Of many names, as those of a graph's entities, only the likeliest are compared letter by letter, and the first few
    are shown rather than the first by the alphabet: sorting and comparing millions takes minutes.
    """
    many: Any = known if isinstance(known, Sequence) else list(known)
    if len(many) > COMPARED:
        from neuralcore.similar_names import most_alike

        names, first = most_alike(name, many, COMPARED // 10), [str(many[i]) for i in range(SHOWN)]
    else:
        names = sorted(map(str, many))
        first = names[:SHOWN]
    close = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.5)
    shown = ", ".join(first) + (f", … ({len(many)} in all)" if len(many) > SHOWN else "")
    return (f"did you mean {close[0]!r}? " if close else "") + f"known: {shown}"


def guarded(main: Callable[[list[str]], int | None], arguments: list[str] | None = None) -> int:
    """Run a command line: a `UserError` becomes one line and code 2, Ctrl-C becomes code 130.

    A pipe closed by the reader (`… | head`) ends the command quietly.
    """
    program = sys.argv[0].rsplit("/", 1)[-1]
    try:
        return main(sys.argv[1:] if arguments is None else arguments) or 0
    except UserError as error:
        print(f"{program}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print(f"\n{program}: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
