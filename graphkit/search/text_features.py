"""Free text as an entity that the graph has not: its words are the tags of a bag, whose vector is searched for.

A graph trained with bags of words as features (`[features.<type>]` with `bags`) makes an entity's vector of them, so
a text that is about an entity lies near it, and near those that are linked as it is. Texts are compared with entities
of the type that has the features: only these have vectors of the same kind.

Axes: B texts, D dimension.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

import numpy as np

from neuralcore.errors import UserError, nearest

if TYPE_CHECKING:
    from graphkit.embedding.embedding import GraphEmbedding

WORD = re.compile(r"\w+")
EDGES = re.compile(r"^\W+|\W+$")


def tags_in(text: str, known: Container[str]) -> tuple[list[str], list[str]]:
    """The known tags in a text, as often as they are there, and the words that are none, each once.

    A piece between white space is a tag as it stands, without the punctuation around it, or lower-cased ("Sci-Fi,"
    is sci-fi); else its runs of letters and digits are.
    """
    found: list[str] = []
    unknown: dict[str, None] = {}
    for piece in text.split():
        bare = EDGES.sub("", piece)
        whole = next((form for form in (piece, bare, piece.lower(), bare.lower()) if form in known), None)
        for word in [whole] if whole is not None else WORD.findall(piece):
            tag = next((form for form in (word, word.lower()) if form in known), None)
            if tag is not None:
                found.append(tag)
            else:
                unknown[word] = None
    return found, list(unknown)


class Text(str):
    """A query that is a text, and not the name that it may look like."""

    __slots__ = ()


class TextFeatures:
    """The encoder of texts in a graph trained with bags of words as features.

    Args:
        kind: the type whose features these are; None where one type alone has bags.

    Attributes:
        kind: its name. tags: the words it knows.

    Raises:
        UserError: no type has bags of words, several have and none is named, or the encoder was not loaded.
    """

    def __init__(self, embedding: GraphEmbedding, kind: str | None = None):
        from graphkit.graphs.features import Bags

        bags = {part.kind: part for part in embedding.encoded if isinstance(part.source, Bags)}
        if not bags:
            raise UserError(
                "a text is searched for by entities' bags of words, and this graph was trained without: add "
                "[features.<type>] bags = … to its file"
            )
        if kind is None and len(bags) == 1:
            (kind,) = bags
        if kind not in bags:
            raise UserError(f"of which type's features is the text? {nearest(str(kind or ''), bags)}")
        self.embedding, self.kind = embedding, kind
        source = bags[kind].source
        assert isinstance(source, Bags)
        self.tags = frozenset(source.names)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(B, D) float32, as of entities with these features and no edges; zeros where no word of a text is known.

        Rows do not depend on each other.
        """
        found = np.zeros((len(texts), self.embedding.matrix.shape[1]), np.float32)
        bags = [tags_in(text, self.tags)[0] for text in texts]
        some = [place for place, bag in enumerate(bags) if bag]
        if some:
            found[some] = self.embedding.encode([bags[place] for place in some], self.kind)
        return found

    def unknown(self, text: str) -> list[str]:
        """The words of a text that are no tags, each once, in their order."""
        return tags_in(text, self.tags)[1]
