"""WordVectors: a vector for every word of a text, asked for neighbours and analogies, kept on disk.

words = WordVectors.train("corpus.txt", dimension=100, window=5, negatives=5, run="runs/words")
words.neighbours("king")                            # [("queen", 0.71), …], by the cosine
words.analogy("man", "king", "woman")               # "man is to king as woman is to …"
words.save("vectors"); WordVectors.load("vectors")  # hashed, pickle-free
words.save_word2vec("vectors.txt")                  # for other programs; WordVectors.read("vectors.txt") reads theirs

How they are learnt is in `graphkit.words.skipgram`. Axes: V words, D dimension.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphkit.words.config import SkipGramConfig
from graphkit.words.skipgram import SkipGramTrainer
from neuralcore.config import replaced
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

if TYPE_CHECKING:
    import numpy as np

    from graphkit.words.evaluation import Analogies, Similarity
    from graphkit.words.vocabulary import Vocabulary
else:  # imported when first used, so that `graphkit words --help` answers at once
    np = lazy_import("numpy")

KIND = "word_vectors"


@dataclass(frozen=True)
class Training:
    """What one call of `WordVectors.train` did."""

    words: int
    """words of the vocabulary passed over, GloVe's co-occurrences, or nodes of walks; 0 if there was nothing to do"""
    unit: str
    """which of them"""
    seconds: float
    """what that took, without reading the text"""


class WordVectors:
    """V words and their vectors.

    Args:
        vocabulary: the words and their counts.
        matrix: (V, D) float32, row i for word i.
        ngrams: (B, D) float32 of the n-grams' buckets, for words that are not among them; None without.
        config: how they were trained; None where another program did.

    Attributes:
        training: a `Training` if they were trained just now, None if they were loaded.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        matrix: np.ndarray,
        config: SkipGramConfig | None = None,
        ngrams: np.ndarray | None = None,
    ):
        self.vocabulary, self.matrix, self.config, self.ngrams = vocabulary, matrix, config, ngrams
        self.training: Training | None = None

    @classmethod
    def train(
        cls,
        corpus: str | Path | Sequence[str | Path],
        config: SkipGramConfig | None = None,
        *,
        run: str | Path | None = None,
        corpora: str | Path | None = None,
        start: str | Path | None = None,
        **settings: Any,
    ) -> WordVectors:
        """Learn vectors from text.

        Args:
            corpus: one or more UTF-8 text files (also .gz, .xz, .zst) or folders of them, a line a sentence, or
                "sample:tinyshakespeare".
            config: see `SkipGramConfig`; `settings` are fields of it, for short.
            run: a run folder, for progress, metrics, checkpoints and, in the end, `vectors/`. A run that was
                killed goes on by the same call, and with one thread ends with the same bytes.
            corpora: a folder that keeps texts as numbers, so that the same text is not read twice; by default
                `.corpora` beside the run folder, and none without a run.
            start: a run folder, or vectors in any form, whose words go on from where they stand
                (`graphkit.words.warm_start`).

        Raises:
            UserError: a text cannot be read or leaves no word; there is no such device; the run folder is in use or
                holds a run of other settings or another text; the loss is no longer finite.

        >>> WordVectors.train("corpus.txt", dimension=100, window=5, epochs=5).neighbours("king")  # doctest: +SKIP
        """
        from graphkit.samples import resolve
        from graphkit.words.corpus import Corpus
        from graphkit.words.glove import GloVeTrainer
        from graphkit.words.phrases import join_phrases
        from graphkit.words.warm_start import WarmStart
        from neuralcore.config import defaults, to_mapping
        from neuralcore.device import gpu
        from neuralcore.run_folder import RunFolder
        from neuralcore.telemetry import Telemetry

        config = replaced(config or SkipGramConfig(), settings)
        gpu(config.device)  # one that is missing is told before the text is read
        named = [corpus] if isinstance(corpus, (str, Path)) else list(corpus)
        text = Corpus([resolve(c) for c in named], tokenizer=config.tokenizer, lowercase=config.lowercase)
        folder = None if run is None else Path(run)
        if folder is not None:
            RunFolder.check(folder)
            for c in named:  # or the next call would find the run's own files among the text
                if Path(c).is_dir() and folder.resolve().is_relative_to(Path(c).resolve()):
                    raise UserError(f"the run folder {folder} lies in {c}, whose files are the text: choose another")
        keep_in = corpora if corpora is not None else folder and folder.parent / ".corpora"
        if start is not None and config.loss == "glove":
            raise UserError(
                "GloVe's counts are of one text: name the old text and the new one together, without start"
            )
        warm = None if start is None else WarmStart(start, config)
        if warm is not None and config.phrases:
            raise UserError("phrases are found in one text: they do not go with start")
        least = 1 if config.phrases else config.min_count  # a word left out would leave no gap between its neighbours
        stream = text.read(least, folder=keep_in, threads=config.threads)
        if config.phrases:
            stream, _ = join_phrases(stream, min_count=config.min_count, thresholds=config.phrases)
        vocabulary, ids = stream
        if warm is not None:
            vocabulary = warm.joined(vocabulary)
            ids = text.ids(vocabulary, threads=config.threads)
        with contextlib.ExitStack() as stack:
            store = None
            if folder is not None:
                words = {"corpus": [str(c) for c in named], "run": str(run), "start": str(start or "")}
                kept = {**words, "config": to_mapping(config)}
                may_differ = ("run", "config.threads", "config.device", "config.checkpoint_every")
                keeping = RunFolder(folder, kept, may_differ, {"config": defaults(SkipGramConfig), "start": ""})
                store = stack.enter_context(keeping).checkpoints
            trainer: SkipGramTrainer | GloVeTrainer
            if config.loss == "glove":
                trainer = GloVeTrainer(ids, vocabulary, config, None if keep_in is None else Path(keep_in))
            else:
                trainer = SkipGramTrainer(ids, vocabulary, config)
            checkpoint = store.load() if store else None
            if checkpoint is not None:
                trainer.restore(checkpoint)
            elif warm is not None:
                assert isinstance(trainer, SkipGramTrainer)  # GloVe was refused above
                warm.into(trainer)
            before = trainer.done
            trainer.compile()  # before the clock starts
            with Telemetry(
                trainer.total, trainer.unit, title=trainer.title, folder=folder, start=before
            ) as telemetry:
                started = time.monotonic()
                trainer.fit(telemetry, store)
                seconds = time.monotonic() - started
            matrix, ngrams = trainer.vectors()
            vectors = cls(vocabulary, matrix, config, ngrams)
            vectors.training = Training(trainer.done - before, trainer.unit, seconds)
            if folder is not None:
                vectors.save(folder / "vectors")
        return vectors

    # -- asking -------------------------------------------------------------------------------------------------

    @property
    def words(self) -> list[str]:
        """The words, the commonest first."""
        return self.vocabulary.words

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __contains__(self, word: object) -> bool:
        return word in self.vocabulary

    def __getitem__(self, word: str) -> np.ndarray:
        """(D,) float32: an unknown word's is the mean of its n-grams', if there are any.

        Raises:
            UserError: the word is unknown and there are no n-grams; similar words are named.
        """
        return self.vectors_of([word])[0]

    def vectors_of(self, words: Sequence[str]) -> np.ndarray:
        """(N, D) float32 of N words, see `__getitem__`; a word shorter than all n-grams has a vector of zeros."""
        subwords = self.config.subwords if self.config is not None and self.ngrams is not None else None
        if subwords is None or self.ngrams is None:
            return self.matrix[self.vocabulary.ids(words)]
        found = subwords.rows(words, known=False).means(self.ngrams)
        for row, word in enumerate(words):
            if word in self.vocabulary:
                found[row] = self.matrix[self.vocabulary[word]]
        return found

    @cached_property
    def unit(self) -> np.ndarray:
        """(V, D) float32: the vectors at length one."""
        return unit_length(self.matrix)

    def similarity(self, a: str, b: str) -> float:
        """The cosine of two words' vectors, between -1 and 1."""
        one, other = unit_length(self.vectors_of([a, b]))
        return float(one @ other)

    def neighbours(self, word: str, k: int = 10) -> list[tuple[str, float]]:
        """The k words of the largest cosine with a word, the nearest first; itself is left out."""
        return self.neighbours_of([word], k)[word]

    def neighbours_of(self, words: Sequence[str], k: int = 10) -> dict[str, list[tuple[str, float]]]:
        """`neighbours` of many words at once, by matrix products."""
        index = self.vocabulary.index
        left_out = [[index[word]] if word in index else [] for word in words]
        return dict(zip(words, self._nearest(unit_length(self.vectors_of(words)), left_out, k)))

    def analogy(self, a: str, b: str, c: str, k: int = 10) -> list[tuple[str, float]]:
        """ "a is to b as c is to …": the k words nearest to b - a + c, at length one each; a, b, c are left out."""
        return self.most_similar([b, c], [a], k)

    def most_similar(
        self, positive: Sequence[str], negative: Sequence[str] = (), k: int = 10
    ) -> list[tuple[str, float]]:
        """The k words nearest to the sum of the positive words less that of the negative ones, at length one each.

        The words themselves are left out (3CosAdd, Mikolov, Yih & Zweig 2013).
        """
        numbers = self.vocabulary.ids([*positive, *negative])
        if not numbers.size:
            raise UserError("most_similar: name at least one word")
        sign = np.array([1] * len(positive) + [-1] * len(negative), dtype=np.float32)
        direction = sign @ self.unit[numbers]
        return self._nearest(direction[None] / max(float(np.linalg.norm(direction)), 1e-30), [numbers.tolist()], k)[0]

    def odd_one_out(self, words: Sequence[str]) -> str:
        """The word of three or more that is furthest from the mean of them all, each at length one."""
        if len(words) < 3:
            raise UserError(f"the odd one out of {len(words)} words: name at least 3")
        rows = self.unit[self.vocabulary.ids(words)]
        return words[int(np.argmin(rows @ rows.mean(axis=0)))]

    def evaluate(self, files: Sequence[str | Path], **settings: Any) -> list[Analogies | Similarity]:
        """The figures of analogy files and similarity sets: see `graphkit.words.evaluation.evaluate`."""
        from graphkit.words.evaluation import evaluate

        return evaluate(self, files, **settings)

    def _nearest(self, directions: np.ndarray, left_out: list[list[int]], k: int) -> list[list[tuple[str, float]]]:
        from graphkit.words.nearest import nearest

        if k < 1:
            raise UserError(f"k = {k}: ask for at least 1 neighbour")
        found = nearest(self.unit, directions, left_out, k)
        return [[(self.words[row], cosine) for row, cosine in rows] for rows in found]

    # -- keeping ------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> Path:
        """Write words, counts, vectors and settings into a folder, in place of what it held."""
        from graphkit.vectors_folder import write_vectors
        from neuralcore.config import to_mapping

        columns = {"word": self.words, "count": self.vocabulary.counts.tolist()}
        details = {"config": to_mapping(self.config)} if self.config is not None else {}
        arrays = {"vectors": self.matrix} if self.ngrams is None else {"vectors": self.matrix, "ngrams": self.ngrams}
        return write_vectors(Path(folder), KIND, arrays, columns, details)

    @classmethod
    def load(cls, folder: str | Path) -> WordVectors:
        """The vectors that `save` wrote, in that folder or a run folder's `vectors/`.

        Raises:
            UserError: there are none, or a file is not as it was written.
        """
        from graphkit.vectors_folder import read_vectors
        from graphkit.words.vocabulary import Vocabulary
        from neuralcore.config import from_mapping

        arrays, columns, manifest = read_vectors(Path(folder), KIND)
        config = from_mapping(SkipGramConfig, manifest["config"]) if "config" in manifest else None
        return cls(Vocabulary(columns["word"], columns["count"]), arrays["vectors"], config, arrays.get("ngrams"))

    @classmethod
    def read(cls, path: str | Path) -> WordVectors:
        """Vectors in any form: what `load` takes, or a file of another program (`graphkit.words.formats`).

        Such files are in the order of frequency but without counts: the words get V, V-1, …, 1, as gensim does it.

        Raises:
            UserError: there are none, or a file is damaged; line or byte are named.
        """
        from graphkit.words.formats import read_word2vec
        from graphkit.words.vocabulary import Vocabulary

        path = Path(path)
        if path.is_dir():
            return cls.load(path)
        words, matrix = read_word2vec(path)
        return cls(Vocabulary(words, range(len(words), 0, -1)), matrix)

    def save_word2vec(self, path: str | Path, *, binary: bool = False) -> Path:
        """Write word2vec's text or binary format, which most other programs read; see `graphkit.words.formats`."""
        from graphkit.words.formats import write_word2vec

        return write_word2vec(Path(path), self.words, self.matrix, binary=binary)


def unit_length(rows: np.ndarray) -> np.ndarray:
    """(N, D) rows at length one; zeros stay."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
