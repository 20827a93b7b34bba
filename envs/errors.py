"""One way to say that a name is unknown: the nearest known names first."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LISTED = 12  # names a one-line message can carry before it stops being read


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """The error for a name that is not known; the caller raises it.

    Args:
        kind: what the name should have named, as in "layout".
        name: what was given.
        known: every name that would have done.

    Returns:
        ValueError with one line: the nearest known names, then the others, at most twelve in all.
    """
    known = list(known)
    nearest = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    others = [other for other in known if other not in nearest]
    listed = (nearest + others)[:LISTED]
    more = f" and {len(known) - len(listed)} more" if len(known) > len(listed) else ""
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    return ValueError(f"unknown {kind} {name!r}: {hint}known: {', '.join(listed)}{more}")
