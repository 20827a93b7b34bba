"""Two maps on the page: which one is shown, by mouse and keys, in both themes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit.embedding.embedding import GraphEmbedding
from graphkit.search.plane import Plane, write_plane

pytestmark = pytest.mark.slow

SHOWN = 100  # rows of the map that was made beforehand


@pytest.fixture(scope="module")
def mapped(films: GraphEmbedding, serve: Callable[..., str]) -> Iterator[str]:
    """Where the graph is served with a map of some of its rows."""
    with tempfile.TemporaryDirectory() as folder:
        films.save(Path(folder) / "run" / "vectors")
        points = np.random.default_rng(0).uniform(-1, 1, (SHOWN, 2)).astype(np.float32)
        plane = Plane(np.arange(SHOWN), points, {"method": "tsne", "metric": "cosine"})
        write_plane(Path(folder) / "run" / "vectors", plane)
        yield serve(Path(folder) / "run", "--without-token")


def caption(page: Any, words: str) -> None:
    page.until(f"document.querySelector('#map-caption').textContent.startsWith({words!r})")
    assert page.get_attribute("#marks", "aria-label").startswith(f"Map by {words}")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_one_is_chosen_by_mouse_or_keys(open_page: Callable[..., Any], mapped: str, theme: str) -> None:
    page = open_page(f"{mapped}#q=king", color_scheme=theme)
    caption(page, f"t-SNE, {SHOWN} rows of")
    before = page.locator("#points").screenshot()
    page.get_by_label("PCA").check()
    caption(page, "PCA, 310 rows")
    page.until("document.querySelector('#map').dataset.drawn > 0")
    assert page.locator("#points").screenshot() != before
    page.keyboard.press("ArrowUp")  # the group is one stop of Tab, its arrows choose
    caption(page, f"t-SNE, {SHOWN} rows of")
    assert page.evaluate("document.activeElement.value") == "tsne"
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert ring != "none"
    names = page.get_by_role("group", name="Map by").get_by_role("radio")
    assert names.count() == 2


def test_kinds_and_matches_stay_with_the_other_map(open_page: Callable[..., Any], mapped: str) -> None:
    page = open_page(f"{mapped}#name=king")
    caption(page, "t-SNE")
    page.until("document.querySelector('#map').dataset.matches !== undefined")
    page.locator("#kinds button").filter(has_text="film").click()
    page.get_by_label("PCA").check()
    caption(page, "PCA")
    assert page.locator("#kinds [aria-pressed=true]").inner_text().startswith("film")
    page.until("document.querySelector('#map').dataset.matches === '10'")


def test_without_another_map_there_is_no_choice(open_page: Callable[..., Any], address: str) -> None:
    page = open_page(address)
    caption(page, "PCA")
    assert not page.is_visible("#map-methods")
