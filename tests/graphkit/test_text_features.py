"""Free text searched for in a graph that was trained with bags of words: the vector, the command, the prompt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphkit import Bags, Features, Graph, GraphEmbedding
from graphkit.cli import main
from graphkit.search import prompt
from graphkit.search.opened import Opened
from graphkit.search.text_features import Text, TextFeatures, tags_in
from neuralcore.errors import UserError

PAGES = ["lion", "zebra", "tram", "train"]
TEXTS = ["big cat of the savannah", "striped animal of the savannah", "rails in the city", "rails and steam"]


def trained(types: int = 2) -> GraphEmbedding:
    """Four pages about two topics; `types` of these have bags."""
    edges = np.array([[0, 0, 4], [1, 0, 4], [2, 0, 5], [3, 0, 5]])
    bags = Bags.of([text.split() for text in TEXTS])
    features = {"page": Features(bags, row=False)} if types else {}
    if types == 2:
        features["topic"] = Features(Bags.of([["animal"], ["rails"]]))
    graph = Graph.of(
        [*PAGES, "animals", "traffic"], ["about"], edges, types={"page": 4, "topic": 2}, sides=[("page", "topic")]
    )
    return GraphEmbedding(graph, dimension=8, operator="identity", learning_rate=0.3, features=features).fit(40)


@pytest.fixture(scope="module")
def model() -> GraphEmbedding:
    return trained(1)


def test_tags_in_a_text():
    known = {"sci-fi", "heat", "New", "flow"}
    assert tags_in("Sci-Fi, HEAT and New/flow (heat)!", known) == (["sci-fi", "heat", "New", "flow", "heat"], ["and"])
    assert tags_in("", known) == ([], [])
    assert tags_in("-- foo.bar", known) == ([], ["foo", "bar"])


def test_the_vector_is_that_of_an_entity_with_these_words(model):
    encoder = TextFeatures(model)
    texts = ["Striped: animal of the savannah!", "", "steam, xyzzy", "rails and steam"]
    found = encoder.encode(texts)
    np.testing.assert_allclose(found[0], model.matrix[1], rtol=1e-5)  # row = false: its features are all there is
    np.testing.assert_allclose(found[3], model.matrix[3], rtol=1e-5)
    assert not found[1].any()
    np.testing.assert_array_equal(found[2], encoder.encode(["steam"])[0])
    assert encoder.unknown("steam, xyzzy") == ["xyzzy"]
    assert encoder.encode([]).shape == (0, 8)


def test_the_command_finds_pages(run: str, capsys, lines):
    assert main(["search", run, "--text", "a striped Animal", "steam on rails", "--k", "2"]) == 0
    found = lines()
    assert [line["query"] for line in found] == ["a striped Animal", "steam on rails"]
    assert [line["mode"] for line in found] == ["text", "text"]
    assert found[0]["unknown"] == ["a"]
    assert found[0]["understood"] is None
    assert {m["name"] for m in found[0]["matches"]} == {"zebra", "lion"}  # pages alone, and those that are like it
    assert {m["name"] for m in found[1]["matches"]} == {"tram", "train"}
    assert main(["search", run, "--text", "savannah", "--where", "type=topic", "--k", "1"]) == 0
    assert lines()[0]["matches"][0]["name"] == "animals"
    assert main(["search", run, "--text", "savannah", "--where", "type!=page"]) == 0
    assert {m["name"] for m in lines()[0]["matches"]} == {"animals", "traffic"}
    assert main(["search", run, "zebra", "zebra, about, ?", "--text", "zebra rails", "--format", "table"]) == 0
    shown = capsys.readouterr().out
    assert "zebra rails (text, 1 words known, 1 not) · cosine" in shown
    assert "zebra (exact) · cosine" in shown
    assert "zebra, about, ? (relation) · dot" in shown


def test_what_is_refused(run: str, capsys):
    assert main(["search", run, "--text", "quarks"]) == 2
    assert "no word of the text 'quarks' is known ('quarks'): use others" in capsys.readouterr().err
    assert main(["search", run, "--text", "rails", "--where", "type=pgae"]) == 2
    assert "no row has type = 'pgae'" in capsys.readouterr().err
    trained(0).save("plain")
    assert main(["search", "plain", "--text", "rails"]) == 2
    assert "this graph was trained without: add [features.<type>]" in capsys.readouterr().err
    Opened(Path(run)).index.save("index")
    assert main(["search", "index", "--text", "rails"]) == 2
    assert "index holds an index and no trained graph" in capsys.readouterr().err


def test_several_types_with_words(tmp_path: Path):
    both = trained(2)
    both.save(tmp_path)
    opened = Opened(tmp_path)
    with pytest.raises(UserError, match="of which type's features is the text"):
        opened.answers([Text("rails")], 3)
    for where in ({"type": "topic"}, ["type=topic"]):
        (found,) = opened.answers([Text("rails")], 3, where=where)
        assert found[0].name == "traffic"
        assert len(found) == 2
    assert TextFeatures(both, "page").kind == "page"


def test_the_prompt(run: str, capsys):
    left = iter([":text striped animals of the savannah", ":text", "zebra"])

    def read(_: str) -> str:
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    prompt.ask(Opened(Path(run)), 1, read=read)
    printed = capsys.readouterr()
    assert "striped animals of the savannah (text, 4 words known, 1 not)" in printed.out
    assert "no word of the text ''" in printed.err
