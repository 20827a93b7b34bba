"""One way to tell a person what is wrong: a single line with the place, the cause and the remedy.

`UserError` is what the user can mend (a file, a field, a flag, a missing extra). The command lines print it as
one line on stderr and exit with code 2; anything else is our defect and keeps its traceback.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable

EXIT_USER_ERROR = 2


class UserError(Exception):
    """A mistake in what was asked: the message names file, line or field and says what to do instead."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The tail of an "unknown name" message: ``did you mean 'epsilon'? known: alpha, beta, epsilon``."""
    names = sorted(map(str, known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    shown = ", ".join(names[:20]) + (f", … ({len(names)} in all)" if len(names) > 20 else "")
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
