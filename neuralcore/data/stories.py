"""Stories of people who walk between places and carry things, with a question each: drawn here, of fixed words.

    mary walks to the kitchen · mary picks up the apple · john walks to the garden · mary walks to the hall
    where is the apple ?  hall

A world like that of the bAbI tasks (Weston et al. 2015, "Towards AI-complete question answering",
https://arxiv.org/abs/1502.05698), with words and rules of our own. Asked "where is mary ?", one sentence answers;
asked for a thing, two: who had it last, and where they were then.

Axes: N stories of up to S sentences of up to L words; padding is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PEOPLE = ("mary", "john", "sandra", "daniel")
PLACES = ("kitchen", "garden", "office", "hall", "bedroom", "cellar")
THINGS = ("apple", "ball", "lamp")
WORDS = (
    *("", "where", "is", "?", "the", "walks", "to", "picks", "up", "puts", "down"),
    *(*PEOPLE, *PLACES, *THINGS),
)
NUMBER = {word: i for i, word in enumerate(WORDS)}
L = 5  # words of the longest sentence, and of the question
SENTENCES = {"walk": "{} walks to the {}", "take": "{} picks up the {}", "put": "{} puts down the {}"}


@dataclass(frozen=True)
class Stories:
    """N stories.

    Attributes:
        sentences: (N, S, L) int64, words as places in `WORDS`; a story's sentences come first, then empty ones.
        lengths: (N,) int64, sentences of each. questions: (N, L). answers: (N,), a word.
        supports: (N, 2) int64, the sentences that answer, the later-read first: for a person their last walk, twice;
            for a thing who picked it up or put it down last, and the walk that led them to where it is.
    """

    sentences: np.ndarray
    lengths: np.ndarray
    questions: np.ndarray
    answers: np.ndarray
    supports: np.ndarray

    def __len__(self) -> int:
        return len(self.answers)

    def text(self, row: int) -> list[str]:
        """The sentences of a story."""
        return [said(words) for words in self.sentences[row, : self.lengths[row]]]


def said(words: np.ndarray) -> str:
    """(L,) words as text."""
    return " ".join(WORDS[word] for word in words if word)


def numbers(text: str) -> list[int]:
    """Words of a text as their places in `WORDS`, with padding up to L.

    Raises:
        KeyError: a word that stories do not have.
    """
    found = [NUMBER[word] for word in text.split()]
    return found + [0] * (L - len(found))


def stories(count: int, sentences: int, hops: int, seed: int) -> Stories:
    """Draw stories of half of `sentences` to all of them.

    Args:
        count: N. sentences: S. hops: 1 asks for people, 2 for things. seed: of all of it.

    >>> drawn = stories(1, 6, 1, seed=0)
    >>> said(drawn.questions[0]).split()[:2]
    ['where', 'is']
    """
    if sentences < 4 or hops not in (1, 2):
        raise ValueError(f"stories have 4 sentences or more and 1 or 2 hops, got {sentences} and {hops}")
    generator = np.random.default_rng([seed, sentences, hops])
    found = Stories(
        np.zeros((count, sentences, L), np.int64),
        np.zeros(count, np.int64),
        np.zeros((count, L), np.int64),
        np.zeros(count, np.int64),
        np.zeros((count, 2), np.int64),
    )
    at = 0
    while at < count:
        for draws, length in zip(
            generator.uniform(size=(count, sentences + 1, 4)).tolist(),
            generator.integers((sentences + 1) // 2, sentences + 1, count).tolist(),
        ):
            told = _told(draws[:length])
            known = told.people if hops == 1 else told.things
            if not known or at == count:
                continue
            asked = sorted(known)[int(draws[-1][0] * len(known))]
            place, *support = known[asked]
            found.sentences[at, :length] = [numbers(line) for line in told.lines]
            found.lengths[at] = length
            found.questions[at] = numbers(f"where is {asked} ?" if hops == 1 else f"where is the {asked} ?")
            found.answers[at] = NUMBER[place]
            found.supports[at] = support
            at += 1
    return found


@dataclass
class _World:
    """What was told, and who and what is known to be where: name -> (place, the two sentences that say so)."""

    lines: list[str]
    people: dict[str, tuple[str, int, int]]
    things: dict[str, tuple[str, int, int]]


def _told(draws: list[list[float]]) -> _World:
    """A story of as many sentences as there are draws, four numbers in [0, 1) each."""
    world, held, lies = _World([], {}, {}), dict[str, str](), dict[str, str]()
    for thing, draw in zip(THINGS, draws):
        lies[thing] = PLACES[int(draw[3] * len(PLACES))]
    for line, (who, what, which, _) in enumerate(draws):
        person = PEOPLE[int(who * len(PEOPLE))]
        here = world.people.get(person, ("", 0, 0))[0]
        mine = [thing for thing in THINGS if held.get(thing) == person]
        near = [thing for thing in THINGS if here and lies.get(thing) == here]
        if mine and what < 0.3:
            thing = mine[int(which * len(mine))]
            del held[thing]
            lies[thing], action = here, ("put", thing)
        elif near and 0.3 <= what < 0.8:
            thing = near[int(which * len(near))]
            del lies[thing]
            held[thing], action = person, ("take", thing)
        else:
            others = [place for place in PLACES if place != here]
            action = "walk", others[int(which * len(others))]
            world.people[person] = action[1], line, line
            for thing in mine:
                world.things[thing] = action[1], world.things[thing][1], line
        world.lines.append(SENTENCES[action[0]].format(person, action[1]))
        if action[0] != "walk":
            world.things[action[1]] = here, line, world.people[person][1]
    return world
