"""Running text cut into sentences and words nearly as the Penn Treebank has them, which many labelled texts follow.

"I don't (really) know." becomes `i do n't -lrb- really -rrb- know .`: clitics and punctuation are words of their own,
hyphens join, everything is lower-case. By a handful of patterns: no list of abbreviations but the commonest.
"""

from __future__ import annotations

import re

SIGNS = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "—": " -- ", "–": "-", "…": " ... ", "_": " "})
OPENING = re.compile(r"(?:(?<=^)|(?<=[\s(\[`]))(\"|'(?!(?:s|m|d|re|ve|ll)\b))(?=[^\s'])")
CUTS = (
    (re.compile(r"\.\.\.+"), " ... "),
    (re.compile(r"--+"), " -- "),
    (re.compile(r"([;!?\[\]{}&%$#@*/|<>=+])"), r" \1 "),
    (re.compile(r"([,:])(?!\d)"), r" \1 "),
    (re.compile(r"\("), " -lrb- "),
    (re.compile(r"\)"), " -rrb- "),
    (re.compile(r'"'), " '' "),
    (re.compile(r"n't\b"), " n't"),
    (re.compile(r"(?<=\w)'(s|m|d|re|ve|ll)\b"), r" '\1"),
    (re.compile(r"(?<=[\w.,])'(?=\s|$)"), " '"),
    (
        re.compile(
            r"(?<![\s.])(?<!\b[a-hj-z])(?<!\b(?:mr|ms|dr|st|jr|sr|vs|no))(?<!\b(?:mrs|rev|gen|col|sgt|etc))\.(?=[\s'`]|$)"
        ),
        " .",
    ),
)
ENDS = re.compile(r"(?<=[.!?])[\"'”’)]*\s+(?=[\"'“‘(]?[A-Z])")
TITLES = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Prof|Rev|Gen|Col|Capt|Lt|Sgt|[A-Z])\.$")


def penn_words(text: str) -> list[str]:
    """The words of a sentence, lower-case."""
    text = text.translate(SIGNS).lower()
    text = OPENING.sub(lambda found: " `` " if found[1] == '"' else " ` ", text)
    for pattern, put in CUTS:
        text = pattern.sub(put, text)
    return text.split()


def sentences(text: str) -> list[str]:
    """A paragraph's sentences: they end at . ! ? before a capital letter, but for titles and initials."""
    found: list[str] = []
    start = 0
    for end in ENDS.finditer(text):
        piece = text[start : end.end()].strip()
        if not TITLES.search(piece):
            found.append(piece)
            start = end.end()
    rest = text[start:].strip()
    return [*found, rest] if rest else found
