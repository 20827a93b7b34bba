"""Stories: a replay of every sentence agrees with the answer, and the sentences that answer are the right ones."""

from __future__ import annotations

import numpy as np
import pytest

from neuralcore.data.stories import PEOPLE, PLACES, THINGS, WORDS, numbers, said, stories


def replayed(lines: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Where people and things are after the sentences; of things, where they were put or who has them."""
    people: dict[str, str] = {}
    things: dict[str, str] = {}
    for line in lines:
        who, verb, *_, what = line.split()
        if verb == "walks":
            people[who] = what
        elif verb == "picks":
            assert things.get(what) not in PEOPLE
            assert things.get(what, people[who]) == people[who]  # it can only be picked up where it is
            things[what] = who
        else:
            assert things[what] == who
            things[what] = people[who]
    return people, things


def test_answers_follow_from_the_sentences() -> None:
    found = stories(200, 14, 2, seed=3)
    carried = 0
    for row in range(200):
        lines = found.text(row)
        people, things = replayed(lines)
        thing = said(found.questions[row]).split()[-2]
        assert thing in THINGS
        place = things[thing]
        carried += place in PEOPLE
        assert WORDS[found.answers[row]] == people.get(place, place)
        last, walk = found.supports[row]
        assert lines[last].endswith(f"the {thing}")
        assert not any(line.endswith(f"the {thing}") for line in lines[last + 1 :])
        assert lines[walk] == f"{lines[last].split()[0]} walks to the {WORDS[found.answers[row]]}"
    assert 100 < carried < 175
    assert found.lengths.min() >= 7
    assert found.lengths.max() == 14
    assert not found.sentences[np.arange(14) >= found.lengths[:, None]].any()


def test_people_are_where_they_walked_last() -> None:
    found = stories(100, 8, 1, seed=3)
    for row in range(100):
        lines = found.text(row)
        person = said(found.questions[row]).split()[2]
        assert WORDS[found.answers[row]] == replayed(lines)[0][person]
        walks = [i for i, line in enumerate(lines) if line.startswith(f"{person} walks")]
        assert found.supports[row].tolist() == [walks[-1]] * 2


def test_stories_are_the_seeds() -> None:
    first, again, other = stories(50, 12, 2, 0), stories(50, 12, 2, 0), stories(50, 12, 2, 1)
    assert np.array_equal(first.sentences, again.sentences)
    assert not np.array_equal(first.sentences, other.sentences)
    assert {WORDS[i] for i in stories(300, 12, 2, 0).answers} == set(PLACES)
    with pytest.raises(ValueError, match="1 or 2 hops"):
        stories(1, 12, 3, 0)
    with pytest.raises(KeyError, match="moon"):
        numbers("where is the moon ?")
