"""The page in a real browser, as a person with a mouse uses it; all requests and complaints are listened to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

pytestmark = pytest.mark.slow

Open = Callable[..., Any]
POINTS = 310


def names(page: Any) -> list[str]:
    """What the results are called."""
    page.wait_for_selector("#results[aria-busy='false']")
    return page.locator("#matches .name").all_inner_texts()


def heading(page: Any) -> str:
    page.wait_for_selector("#results[aria-busy='false']")
    return page.inner_text("#results-heading")


def crumbs(page: Any) -> list[str]:
    return page.locator("#walk a").all_inner_texts()


def test_what_is_seen_first(open_page: Open, address: str) -> None:
    page = open_page(address)
    assert page.evaluate("document.activeElement.id") == "query"
    page.until("document.querySelector('#facts').textContent")
    assert page.inner_text("#facts") == f"{POINTS} rows · 16 numbers each · cosine · Flat"
    assert page.inner_text("#map-caption") == f"PCA, {POINTS} rows"
    assert page.locator("#kinds button").all_inner_texts() == ["film\n300", "person\n10"]
    assert page.get_attribute("#map", "data-drawn") == str(POINTS)
    page.wait_for_selector("#hints a")
    assert page.locator("#hints a").first.inner_text() == "king"
    assert page.evaluate("performance.getEntriesByName('first-contentful-paint').length") == 1


def test_suggestions_come_while_typing(open_page: Open, address: str) -> None:
    page = open_page(address)
    page.type("#query", "KIN")
    page.wait_for_selector("#query-list li")
    assert page.get_attribute("#query", "aria-expanded") == "true"
    assert page.locator("#query-list li bdi:first-child").all_inner_texts() == ["king", "King Lear"]
    page.click("#query-list li >> nth=1")
    assert heading(page) == "Nearest to King Lear"
    assert page.url.endswith("/#name=King+Lear")
    page.fill("#query", "king - queen + pri")
    page.wait_for_selector("#query-list li")
    page.click("text=princess")
    assert page.input_value("#query") == "king - queen + princess"
    page.click("#search-form button")
    assert heading(page) == "Nearest to king - queen + princess"
    assert "(analogy: a sum of names, without these)" in page.inner_text("#understood")


@pytest.mark.parametrize(
    ("typed", "understood", "mode"),
    [
        ("king", "king", "exact"),
        ("The Title 7", "film 7", "title"),
        ("KING LEAR", "King Lear", "case-folded: whatever the case"),
        ("queen", "queen", "exact"),
        ("duke -", "duke - earl", "prefix: the only one that begins so"),
        ("皇", "皇帝", "prefix: the only one that begins so"),
    ],
)
def test_the_mode_is_told(open_page: Open, address: str, typed: str, understood: str, mode: str) -> None:
    page = open_page(f"{address}#q={quote(typed)}", ready=False)
    assert len(names(page)) == 10
    assert page.inner_text("#understood") == f"understood as {understood} ({mode})"
    assert page.inner_text("#matches li >> nth=0 >> .rank") == "1"
    page.until("document.title.startsWith('The Title 7') || !location.hash.includes('Title')")


def test_walking_and_going_back(open_page: Open, address: str) -> None:
    page = open_page(f"{address}#q=king")
    first = names(page)
    page.click("#matches a >> nth=0")
    page.until("document.querySelectorAll('#walk a').length === 2")
    assert heading(page) == f"Nearest to {first[0]}"
    page.click("#matches a >> nth=1")
    page.until("document.querySelectorAll('#walk a').length === 3")
    page.until("document.querySelector('#results-heading').innerText.includes('Title')")
    third = heading(page)
    assert crumbs(page)[:2] == ["king", first[0]]
    page.go_back()
    page.until("document.querySelectorAll('#walk a').length === 2")
    assert heading(page) == f"Nearest to {first[0]}"
    page.go_forward()
    page.until("document.querySelectorAll('#walk a').length === 3")
    page.reload()
    page.until(f"document.querySelector('#results-heading').innerText === {third!r}")  # titles come after the list
    page.click("#walk a >> nth=0")
    page.until("document.querySelector('#walk').hidden")
    assert names(page) == first
    shared = open_page(page.url, ready=False)
    assert names(shared) == first


def test_options_are_kept_in_the_address(open_page: Open, address: str) -> None:
    page = open_page(f"{address}#q=king")
    assert len(names(page)) == 10
    page.click("#options summary")
    page.fill("#count", "3")
    page.fill("#where", "type=person")
    page.press("#where", "Tab")
    # Leaving the count has asked as well, without a condition: 3 matches alone may be those.
    page.until("document.querySelector('#matches .attribute')?.innerText === 'type person'")
    assert page.locator("#matches .attribute").all_inner_texts() == ["type person"] * 3
    assert page.url.endswith("#q=king&k=3&where=type%3Dperson")
    shared = open_page(page.url, ready=False)
    assert len(names(shared)) == 3
    assert (shared.input_value("#count"), shared.input_value("#where")) == ("3", "type=person")
    page.check("#fuzzy")
    page.fill("#query", "kyng")
    page.click("#search-form button")
    page.until("document.querySelector('#understood').textContent.includes('fuzzy')")
    assert page.url.endswith("#q=kyng&k=3&where=type%3Dperson&fuzzy=1")
    page.fill("#where", "type=nobody")
    page.press("#where", "Tab")
    page.wait_for_selector("#matches:empty", state="attached")
    page.watch.complaints[:] = [line for line in page.watch.complaints if "status of 4" not in line]
    assert page.inner_text("#results").strip() != ""


def test_asking_by_relation(open_page: Open, address: str) -> None:
    page = open_page(address)
    page.click("#relation summary")
    page.click("#relation-name")
    page.wait_for_selector("#relation-list li")
    assert page.locator("#relation-list li").all_inner_texts() == [
        "acted in person → film",
        "directed person → film",
        "married to person → person",
    ]
    page.type("#relation-name", "mar")
    page.until("document.querySelectorAll('#relation-list li').length === 1")
    page.press("#relation-name", "ArrowDown")
    page.press("#relation-name", "Enter")
    assert page.input_value("#relation-name") == "married to"
    assert page.evaluate("document.activeElement.id") == "given"
    page.type("#given", "qu")
    page.wait_for_selector("#given-list li")
    page.click("#given-list li >> nth=0")
    page.click("text=/^Ask$/")
    assert heading(page) == "Tails of (queen, married to, ?)"
    assert {"king", "queen", "prince", "princess"} & set(names(page)[:5])
    assert page.url.endswith("#relation=married+to&head=queen")
    page.check("#side-head")
    page.click("text=/^Ask$/")
    page.until("document.querySelector('#results-heading').textContent.startsWith('Heads')")
    assert heading(page) == "Heads of (?, married to, queen)"
    shared = open_page(page.url, ready=False)
    assert heading(shared) == "Heads of (?, married to, queen)"
    assert shared.input_value("#given") == "queen"
    shared.fill("#relation-name", "directed")
    assert shared.is_disabled("#side-head")
    assert shared.inner_text("#relation-types") == "person → film, only its tails can be asked for"
    shared.press("#relation-name", "Tab")  # the list closes
    shared.click("text=/^Ask$/")
    shared.until("document.querySelector('#results-heading').textContent.includes('directed')")
    shared.click("#matches a >> nth=0")
    shared.until("document.querySelector('#results-heading').textContent.startsWith('Nearest')")
    assert crumbs(shared)[0] == "(queen, directed, ?)"


def spots(page: Any) -> list[list[float]]:
    """Where the points lie on the map that shows all of them, in pixels of the canvas, and their rows."""
    return page.evaluate(
        """async () => {
          const data = await (await fetch("map")).json();
          const raw = Uint8Array.from(atob(data.points), letter => letter.charCodeAt(0));
          const points = new Float32Array(raw.buffer);
          const box = document.querySelector("#marks").getBoundingClientRect();
          const [xs, ys] = [0, 1].map(axis => data.rows.map((_, i) => points[2 * i + axis]));
          const [wide, high] = [xs, ys].map(list => Math.max(...list) - Math.min(...list));
          const scale = 0.92 * Math.min(box.width / wide, box.height / high);
          const [x0, y0] = [xs, ys].map(list => (Math.max(...list) + Math.min(...list)) / 2);
          return data.rows.map((row, i) =>
            [box.left + box.width / 2 + (xs[i] - x0) * scale, box.top + box.height / 2 - (ys[i] - y0) * scale, row]);
        }"""
    )


def test_the_map(open_page: Open, address: str) -> None:
    page = open_page(address)
    places = spots(page)
    # The point that lies farthest from all others, so that it alone is meant.
    x, y, row = max(places, key=lambda p: min((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 for q in places if q is not p))
    page.mouse.move(x, y)
    page.wait_for_selector("#map-tip:not([hidden])")
    entity = page.evaluate(f"fetch('entities?rows={row}').then(r => r.json())")["entities"][0]
    assert (entity["title"] or entity["name"]) in page.inner_text("#map-tip")
    for _ in range(4):
        page.mouse.wheel(0, -400)
    page.until(f"Number(document.querySelector('#map').dataset.drawn) < {POINTS}")
    # Zoomed about the pointer, the point stays under it; and it goes along when it is dragged, which is no click.
    right, down = (120 if x < 840 else -120), (80 if y < 400 else -80)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=3)
    page.mouse.up()
    page.mouse.move(x + right + 1, y + down)
    page.wait_for_selector("#map-tip:not([hidden])")
    assert (entity["title"] or entity["name"]) in page.inner_text("#map-tip")
    assert page.url == address
    page.click("#show-all")
    page.until(f"document.querySelector('#map').dataset.drawn === '{POINTS}'")
    page.mouse.click(x + 2, y + 2)
    page.wait_for_selector("#matches li")
    assert heading(page) == f"Nearest to {entity['title'] or entity['name']}"
    assert page.get_attribute("#map", "data-matches") == "10"
    page.click("#show-matches")
    page.until("Number(document.querySelector('#map').dataset.labels) > 3")
    page.click("#zoom-out")
    page.click("#zoom-in")
    page.click("#kinds button >> nth=1")
    page.click("#show-all")
    page.until("document.querySelector('#map').dataset.drawn === '10'")
    page.click("#kinds button >> nth=1")
    page.until(f"document.querySelector('#map').dataset.drawn === '{POINTS}'")


def test_matches_are_seen_on_the_map(open_page: Open, address: str) -> None:
    page = open_page(f"{address}#q=king")
    names(page)
    page.until("document.querySelector('#map').dataset.matches === '10'")

    def pixels(canvas: str, colour: str) -> int:
        return page.evaluate(
            """([canvas, colour]) => {
              const probe = document.body.appendChild(document.createElement("i"));
              probe.style.color = `var(${colour})`;
              const wanted = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
              probe.remove();
              const {width, height} = document.querySelector(canvas);
              const data = document.querySelector(canvas).getContext("2d").getImageData(0, 0, width, height).data;
              let found = 0;
              for (let i = 0; i < data.length; i += 4)
                if (wanted.every((channel, c) => Math.abs(data[i + c] - channel) < 3) && data[i + 3] > 250) found++;
              return found;
            }""",
            [canvas, colour],
        )

    page.wait_for_timeout(400)
    assert pixels("#marks", "--match") > 10 * 20
    assert pixels("#marks", "--accent") > 30  # the ring around the row that was asked about
    assert pixels("#points", "--ground") > 200_000


def test_two_fingers_zoom(open_page: Open, address: str) -> None:
    page = open_page(address, has_touch=True, viewport={"width": 800, "height": 800})
    page.locator("#map").scroll_into_view_if_needed()
    box = page.locator("#marks").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)

    def fingers(kind: str, apart: float | None) -> None:
        points = [] if apart is None else [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", 20)
    for apart in (40, 80, 120, 160):
        fingers("touchMove", apart)
    fingers("touchEnd", None)
    page.until(f"Number(document.querySelector('#map').dataset.drawn) < {POINTS}")
    assert page.url == address


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_themes(open_page: Open, address: str, scheme: str) -> None:
    def ground() -> tuple[int, list[int]]:
        page.wait_for_timeout(150)
        shown = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        corner = page.evaluate(
            "[...document.querySelector('#points').getContext('2d').getImageData(2, 2, 1, 1).data]"
        )
        assert corner == [*shown, 255]  # the map follows
        return sum(shown), shown

    page = open_page(address, color_scheme=scheme)
    before, _ = ground()
    assert (before > 600) == (scheme == "light")
    page.click("#theme-button")
    after, _ = ground()
    assert (after > 600) != (scheme == "light")
    page.reload()
    page.wait_for_selector("#map[data-drawn]")
    assert ground()[0] == after
    page.click("#theme-button")
    assert ground()[0] == before


@pytest.mark.parametrize("place", ["", "#q=king", "#q=ki", "#relation=acted+in&head=king", "#q=a%20name%20of%20five"])
def test_a_narrow_screen(open_page: Open, address: str, place: str) -> None:
    page = open_page(address + place, viewport={"width": 360, "height": 740})
    page.wait_for_selector("#results[aria-busy='false']")
    page.click("#options summary")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.locator("#marks").scroll_into_view_if_needed()
    box = page.locator("#marks").bounding_box()
    assert box["width"] == 360
    if place == "#q=ki":
        page.watch.expect("status of 404")


def test_another_index_is_noticed(open_page: Open, address: str) -> None:
    """Its rows have other numbers: names and map are loaded anew."""
    asked: list[str] = []

    def other(route: Any) -> None:
        answer = route.fetch()
        asked.append(route.request.url)
        route.fulfill(response=answer, body=json.dumps({**answer.json(), "index": "another"}))

    page = open_page(
        address, routes={"search?*": other, "map?": lambda route: (asked.append("map"), route.continue_())}
    )
    page.fill("#query", "king")
    page.click("#search-form button")
    assert heading(page) == "Nearest to king"
    assert asked[0] == "map"
    assert asked.count("map") == 2
