"""Text as sentences of words.

A line is a sentence, cut after `SENTENCE_LENGTH` words (word2vec's rule), so a text without line ends works too.
There are three ways to make words of a line:

    words       runs of Unicode letters with the marks that belong to them (accents, vowel signs, joiners), and
                apostrophes between letters: "Don't stop, Zoë—42 o’clock!" -> Don't stop Zoë o'clock. The typographic
                apostrophe becomes the plain one; digits, underscores and all else separate words.
    whitespace  what stands between white space, as it stands: for text that is already cut into words, and for
                scripts without spaces, once a segmenter has been over them.
    <file>.json a tokeniser of the package `tokenizers`: the words are its tokens, without the special ones that it
                would add at both ends. Lines longer than a block (1 MB) are cut at white space before.

`Corpus.sentences` is the plain way, a block at a time in Python; `Corpus.read` and `Corpus.ids` give the same words
as numbers, many times faster (see `graphkit.words.stream`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphkit.text_files import blocks, text_files
from neuralcore.data.words import word_pattern
from neuralcore.errors import UserError, nearest
from neuralcore.lazy import lazy_import

if TYPE_CHECKING:
    import numpy as np

    from graphkit.words.stream import WordStream
    from graphkit.words.vocabulary import Vocabulary

tokenizers = lazy_import("tokenizers", extra="tokenizers")

RULES = ("words", "whitespace")
SENTENCE_LENGTH = 1000  # words, after which a longer line is cut

_SPACE = re.compile(r"[^\S\n]")  # what `str.split` splits at, but for line ends


class Tokenizer:
    """How text becomes words.

    Args:
        tokenizer: "words", "whitespace" or a path that ends in .json, see above.
        lowercase: whether text is lower-cased first (`str.lower`, which knows all scripts).

    Raises:
        UserError: there is no such tokenizer.
    """

    def __init__(self, tokenizer: str | Path = "words", lowercase: bool = True):
        self.tokenizer, self.lowercase = str(tokenizer), lowercase
        if self.tokenizer not in RULES and not self.tokenizer.endswith(".json"):
            raise UserError(f"no tokenizer {self.tokenizer!r}: {nearest(self.tokenizer, (*RULES, '<file>.json'))}")
        if self.tokenizer not in RULES and not Path(self.tokenizer).is_file():
            raise UserError(f"no tokenizer file {self.tokenizer}")

    def tokenized(self, text: str) -> list[list[str]]:
        """The words of each line; the last of them is what comes after the last line end."""
        if self.tokenizer not in RULES:
            return [list(map(self.from_file.id_to_token, line)) for line in self.token_ids(text)]
        return [line.split() for line in self.spaced(text).split("\n")]

    def spaced(self, text: str) -> str:
        """Text whose words, by this corpus's rule, are what stands between white space of ASCII; line ends stay."""
        if self.lowercase:
            text = text.lower()
        if self.tokenizer == "whitespace":
            return text if text.isascii() else _SPACE.sub(" ", text)
        return " ".join(word_pattern().findall(text.replace("’", "'")))

    def token_ids(self, text: str) -> list[list[int]]:
        """The numbers that a .json file gives the tokens of each line."""
        lines = (text.lower() if self.lowercase else text).split("\n")
        encoded = self.from_file.encode_batch_fast(lines, add_special_tokens=False)
        return [line.ids for line in encoded]

    @cached_property
    def from_file(self) -> Any:
        """The `tokenizers.Tokenizer` of a .json file.

        Raises:
            UserError: the file is none.
        """
        from_file = tokenizers.Tokenizer.from_file
        try:
            tokenizer = from_file(self.tokenizer)
        except Exception as error:  # of no closer type than this
            raise UserError(f"{self.tokenizer} is not a file of the package tokenizers ({error})") from None
        tokenizer.no_truncation()  # which such files often ask for, for the model they were made for
        tokenizer.no_padding()
        return tokenizer


class Corpus(Tokenizer):
    """The sentences of one or more text files.

    Args:
        paths: the files, in order: plain, .gz, .xz or .zst; or folders of them.
        tokenizer, lowercase: see `Tokenizer`.

    Attributes:
        paths: the files. named: of each, whether it was named, or else found in a folder.

    Raises:
        UserError: a file is not there, or there is no such tokenizer.
    """

    def __init__(
        self, paths: str | Path | Sequence[str | Path], *, tokenizer: str | Path = "words", lowercase: bool = True
    ):
        super().__init__(tokenizer, lowercase)
        given = [paths] if isinstance(paths, (str, Path)) else list(paths)
        files = text_files([Path(path) for path in given])
        self.paths, self.named = [path for path, _ in files], [named for _, named in files]

    def sentences(self) -> Iterator[list[str]]:
        """Every sentence that has a word, file after file.

        Raises:
            UserError: a file is empty, has no words, is not UTF-8 text, or is damaged; file and byte are named.
        """
        for path, named in zip(self.paths, self.named):
            sentence: list[str] = []
            empty = named  # a folder may hold files without words
            for block in blocks(path):
                lines = self.tokenized(block.text())
                # All but the last were ended by a line end; the last goes on in the next block.
                for n, words in enumerate(lines):
                    sentence += words
                    while len(sentence) >= SENTENCE_LENGTH:
                        yield sentence[:SENTENCE_LENGTH]
                        sentence, empty = sentence[SENTENCE_LENGTH:], False
                    if n < len(lines) - 1 and sentence:
                        yield sentence
                        sentence, empty = [], False
            if sentence:
                yield sentence
            elif empty:
                raise self.without_words(path)

    def read(self, min_count: int, *, folder: str | Path | None = None, threads: int = 1) -> WordStream:
        """The vocabulary, and all the text as numbers of its words; see `graphkit.words.stream.read`."""
        from graphkit.words.stream import read

        return read(self, min_count, folder=None if folder is None else Path(folder), threads=threads)

    def ids(self, vocabulary: Vocabulary, *, threads: int = 1) -> np.ndarray:
        """(N,) int32: the numbers of the words, -1 after each sentence; words outside the vocabulary are left out.

        Args:
            vocabulary: of this text or of another one.

        Raises:
            UserError: as `sentences`; none of its words is in the text.
        """
        from graphkit.words.stream import ids

        return ids(self, vocabulary, threads=threads)

    def without_words(self, path: Path) -> UserError:
        """What is wrong with a file that has no word."""
        kind = "letters" if self.tokenizer == "words" else "words"
        return UserError(f"{path} holds no words (0 {kind} in all of it): is it the right file?")
