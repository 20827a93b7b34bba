"""What the page says and does when something is odd: hostile names, no map, one row, tokens, no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from graphkit.search.index import SearchIndex

pytestmark = pytest.mark.slow
Open = Callable[..., Any]


def text(page: Any, selector: str = "#results") -> str:
    """What is written there once the answer has come."""
    page.wait_for_selector("#results[aria-busy='false']")
    return page.inner_text(selector)


def test_a_hostile_name_stays_a_name(open_page: Open, address: str, hostile: str) -> None:
    """In suggestions, results, headings, the walk, the map, the form, the title and the words of an error."""
    page = open_page(address)
    page.fill("#query", hostile[:8])
    page.wait_for_selector("#query-list li")
    assert page.inner_text("#query-list li bdi >> nth=0") == hostile
    page.click("#query-list li >> nth=0")
    assert text(page, "#results-heading") == f"Nearest to {hostile}"
    assert page.title() == f"{hostile} – graphkit search"
    page.click("#options summary")
    page.fill("#count", "309")
    page.press("#count", "Tab")
    page.until("document.querySelectorAll('#matches li').length === 309")
    page.click("#matches a >> nth=0")
    page.until("document.querySelectorAll('#walk a').length === 2")
    assert page.inner_text("#walk a >> nth=0") == hostile
    page.until("!document.querySelector('#results-heading').textContent.includes('onerror')")  # the walk is first
    assert text(page, "#results-heading").startswith("Nearest to ")
    assert hostile in page.locator("#matches .name").all_inner_texts()
    page.goto(f"{address}#relation=acted+in&head={quote(hostile, safe='')}")
    page.until("document.querySelector('#results-heading').textContent.startsWith('Tails')")
    assert text(page, "#results-heading") == f"Tails of ({hostile}, acted in, ?)"
    assert page.input_value("#given") == hostile
    page.goto(f"{address}#q={quote(hostile + '!', safe='')}")
    page.wait_for_selector("#trouble:not([hidden])")
    assert hostile in text(page)
    page.watch.expect("status of 404")
    assert page.evaluate("[document.querySelectorAll('img, body script').length, window.hit]") == [0, None]


def test_other_odd_names(open_page: Open, address: str) -> None:
    page = open_page(f"{address}#name=duke+-+earl")
    assert text(page, "#results-heading") == "Nearest to duke - earl"
    page.goto(f"{address}#q={quote(chr(0x202E) + 'gnik')}")
    page.until("document.querySelector('#results-heading').textContent.includes('gnik')")
    assert page.evaluate("getComputedStyle(document.querySelector('#results-heading bdi')).unicodeBidi") == "isolate"
    page.goto(f"{address}#q=a%20name%20of%20five")
    page.until("document.querySelector('#results-heading').textContent.includes('five hundred')")
    assert page.evaluate(
        "document.querySelector('.panel').scrollWidth <= document.querySelector('.panel').clientWidth"
    )


def test_no_name_or_several(open_page: Open, address: str) -> None:
    page = open_page(f"{address}#q=qeuen")
    assert "no name 'qeuen'" in text(page, "#trouble").lower()
    page.click("#hints a")
    page.wait_for_selector("#matches li")
    assert text(page, "#results-heading") == "Nearest to queen"
    page.fill("#query", "pri")
    page.click("#search-form button")
    page.wait_for_selector("#trouble:not([hidden])")
    assert "type more" in text(page, "#trouble")
    assert page.locator("#hints a").all_inner_texts() == ["prince", "princess"]
    page.watch.expect("status of 404")


def test_the_network_goes_and_comes(open_page: Open, address: str) -> None:
    page = open_page(address)
    page.context.set_offline(True)
    page.fill("#query", "king")
    page.click("#search-form button")
    page.wait_for_selector("#trouble:not([hidden])")
    assert text(page, "#trouble") == (
        "The service does not answer. Is graphkit serve still running, and the network there?"
    )
    page.context.set_offline(False)
    page.click("text=Try again")
    page.wait_for_selector("#matches li")
    assert text(page, "#results-heading") == "Nearest to king"
    assert not page.is_visible("#trouble")
    page.watch.expect("ERR_INTERNET_DISCONNECTED")


def test_an_answer_that_is_no_answer(open_page: Open, address: str) -> None:
    def proxy(route: Any) -> None:
        route.fulfill(status=502, content_type="text/html", body="<h1>Bad gateway</h1>")

    page = open_page(f"{address}#q=king", routes={"search?*": proxy})
    assert text(page, "#trouble") == "The service answered 502 without words. Its log tells more."
    assert text(page, "#hints") == "Try again"
    page.watch.expect("status of 502")


def test_the_token_is_asked_for(
    open_page: Open, films: Any, serve: Callable[..., str], tmp_path: Path, token: str
) -> None:
    films.save(tmp_path / "vectors")
    address = serve(tmp_path)
    page = open_page(f"{address}?token={token}#q=king")
    assert page.url == f"{address}#q=king"  # the token is not kept in the history
    assert text(page, "#results-heading") == "Nearest to king"
    assert page.evaluate("document.cookie") == ""  # no script reads it
    page.context.clear_cookies()  # as where the service was started anew, with another token
    page.click("#matches a >> nth=0")
    page.wait_for_selector("#token[open]")
    assert page.evaluate("document.activeElement.id") == "token-value"
    page.keyboard.type("a-wrong-token-altogether")
    page.keyboard.press("Enter")
    page.until("document.querySelector('#token-trouble').textContent")
    assert page.inner_text("#token-trouble") == "The service does not take this token."
    page.keyboard.type(token)  # the wrong one is selected
    page.keyboard.press("Enter")
    page.wait_for_selector("#token", state="hidden")
    page.until("document.querySelectorAll('#walk a').length === 2")
    assert page.locator("#matches li").count() == 10
    page.context.clear_cookies()
    page.click("#matches a >> nth=0")
    page.wait_for_selector("#token[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#trouble:not([hidden])")
    assert text(page, "#trouble") == "Without the token the service tells nothing. Reload to give it."
    page.watch.expect("status of 401")


def test_one_row(open_page: Open, serve: Callable[..., str], tmp_path: Path) -> None:
    SearchIndex.build(np.ones((1, 4), np.float32), ["only"]).save(tmp_path / "index")
    page = open_page(serve(tmp_path / "index", "--without-token"))
    page.click("#hints a")
    page.until("document.querySelector('#results-heading').textContent === 'Nearest to only'")
    assert "There is no other row to be near to it." in text(page)
    assert page.inner_text("#facts").startswith("1 row · 4 numbers each")
    assert not page.is_visible("#relation")
    assert not page.is_visible("#kinds")
    page.click("#show-matches")
    page.wait_for_timeout(300)
    assert page.get_attribute("#map", "data-drawn") == "1"


EMPTY = {"index": "v", "method": "pca", "rows": [], "points": "", "kinds": [], "kind": ""}


@pytest.mark.parametrize("answer", [(404, {"error": "there is no map"}), (200, EMPTY)], ids=["none", "empty"])
def test_no_map(open_page: Open, address: str, answer: tuple[int, Any]) -> None:
    status, body = answer
    page = open_page(
        f"{address}#q=king",
        ready=False,
        routes={"map?": lambda route: route.fulfill(status=status, body=json.dumps(body))},
    )
    page.wait_for_selector("#map", state="hidden")
    assert text(page, "#results-heading") == "Nearest to king"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("m")
    assert page.locator("#matches li").count() == 10
    if status == 404:
        page.watch.expect("status of 404")


@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_other_scores_have_bars_too(open_page: Open, serve: Callable[..., str], tmp_path: Path, metric: str) -> None:
    matrix = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32) * 1000
    SearchIndex.build(matrix, [f"n{i}" for i in range(20)], metric=metric).save(tmp_path / "index")
    page = open_page(serve(tmp_path / "index", "--without-token") + "#q=n3")
    text(page)
    widths = page.evaluate("[...document.querySelectorAll('.bar span')].map(bar => parseFloat(bar.style.width))")
    assert widths[0] == 100.0
    assert widths[-1] == 10.0
    assert widths == sorted(widths, reverse=True)


def test_before_any_data(open_page: Open, address: str) -> None:
    """Nothing has answered yet, and the box is painted and can be typed in."""
    held: list[Any] = []
    later = dict.fromkeys(
        ("map?", "health?", "relations?", "entities?*", "search?*"), lambda route: held.append(route)
    )
    page = open_page(address, ready=False, routes=later)
    page.until("performance.getEntriesByName('first-contentful-paint').length === 1")
    page.keyboard.type("king")
    page.keyboard.press("Enter")
    page.wait_for_selector("#results[aria-busy='true']", state="attached")
    assert page.inner_text("#map-caption") == "Loading the map …"
    assert page.input_value("#query") == "king"
    for route in held:
        route.continue_()
    page.wait_for_selector("#matches li")
    page.wait_for_selector("#map[data-drawn='310']")
    assert page.get_attribute("#map", "data-matches") == "10"
