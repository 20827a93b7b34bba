"""The page by the keyboard alone: everything that it can do is done in one walk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def focused(page: Any) -> str:
    """The id of what has the focus, or of the list it is in."""
    return page.evaluate(
        "document.activeElement.id || document.activeElement.closest('[id]:not([id=\"results\"])')?.id || ''"
    )


def tab_to(page: Any, wanted: str, key: str = "Tab") -> None:
    """Press Tab until something has the focus; on the way each thing shows that it has it."""
    for _ in range(60):
        page.keyboard.press(key)
        ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert ring != "none", f"{focused(page)} does not show the focus"
        if focused(page) == wanted:
            return
    raise AssertionError(f"{wanted} is not reached by {key}")


def said(page: Any, words: str) -> None:
    page.until(f"document.querySelector('#said').textContent.includes({words!r})")


def test_everything_by_keys(open_page: Callable[..., Any], address: str) -> None:
    page = open_page(address)
    press = page.keyboard.press
    assert focused(page) == "query"

    # Suggestions: down and up, out at either end, Escape closes, once more empties.
    page.keyboard.type("prin")
    page.until("document.querySelectorAll('#query-list li').length === 2")
    press("ArrowDown")
    page.until("document.querySelector('#query').hasAttribute('aria-activedescendant')")
    active = page.get_attribute("#query", "aria-activedescendant")
    assert page.get_attribute(f"#{active}", "aria-selected") == "true"
    press("ArrowUp")
    assert page.get_attribute("#query", "aria-activedescendant") is None
    press("ArrowUp")
    assert page.inner_text("#query-list [aria-selected=true]") == "princess"
    press("Escape")
    assert not page.is_visible("#query-list")
    assert page.input_value("#query") == "prin"
    press("ArrowDown")
    page.wait_for_selector("#query-list li")
    press("Escape")
    press("Escape")
    assert page.input_value("#query") == ""
    page.keyboard.type("prin")
    page.until("document.querySelectorAll('#query-list li').length === 2")
    press("ArrowDown")
    press("Enter")
    said(page, "10 found")
    assert page.inner_text("#results-heading") == "Nearest to prince"

    # Results: arrows between them, Enter walks, and the focus stays in the list.
    tab_to(page, "matches")
    press("ArrowDown")
    second = page.evaluate("document.activeElement.querySelector('.name').textContent")
    press("Enter")
    page.until("document.querySelectorAll('#walk a').length === 2")
    page.until("document.activeElement.closest('#matches li:first-child')")
    assert page.inner_text("#results-heading") == f"Nearest to {second}"
    press("ArrowUp")
    assert focused(page) == "query"
    tab_to(page, "walk")
    press("Enter")
    page.until("document.querySelector('#results-heading').textContent === 'Nearest to prince'")
    page.go_back()  # the browser's own key, which no page is told of
    page.until(f"document.querySelector('#results-heading').textContent === {'Nearest to ' + second!r}")

    # Options and the way over all of it.
    press("/")
    assert focused(page) == "query"
    tab_to(page, "options")
    press("Enter")
    tab_to(page, "count")
    press("Control+a")
    page.keyboard.type("4")
    tab_to(page, "fuzzy")
    press("Space")
    page.until("document.querySelectorAll('#matches li').length === 4")
    tab_to(page, "skip", "Shift+Tab")
    press("Enter")
    assert focused(page) == "results-heading"

    # A relation.
    press("/")
    tab_to(page, "relation")
    press("Enter")
    tab_to(page, "side-tail")
    press("ArrowDown")
    assert page.is_checked("#side-head")
    press("ArrowUp")
    tab_to(page, "relation-name")
    page.wait_for_selector("#relation-list li")
    press("ArrowDown")
    press("Enter")
    assert focused(page) == "given"
    page.keyboard.type("qu")
    page.wait_for_selector("#given-list li")
    press("ArrowDown")
    press("Enter")
    press("Enter")
    page.until("document.querySelector('#results-heading').textContent === 'Tails of (queen, acted in, ?)'")

    # The map: the point in the middle is named, Enter searches its neighbours.
    tab_to(page, "theme-button", "Shift+Tab")
    press("m")
    assert focused(page) == "marks"
    press("0")
    page.until("document.querySelector('#map').dataset.drawn === '310'")
    press("+")
    press("+")
    press("ArrowRight")
    press("ArrowUp")
    page.until("Number(document.querySelector('#map').dataset.drawn) < 310")
    page.wait_for_selector("#map-tip:not([hidden])")
    page.wait_for_timeout(500)  # the move ends, and the name is said once it is known
    title = page.inner_text("#map-tip bdi")
    said(page, title)
    press("Enter")
    page.until(f"document.querySelector('#results-heading').textContent === {'Nearest to ' + title!r}")
    press("f")
    press("-")
    tab_to(page, "zoom-in")
    press("Enter")
    tab_to(page, "show-matches")
    press("Enter")
    tab_to(page, "kinds")
    press("Space")
    assert page.locator("#kinds [aria-pressed=true]").count() == 1

    # Keys and theme.
    tab_to(page, "keys-button", "Shift+Tab")
    press("Enter")
    assert page.is_visible("#keys")
    press("Escape")
    assert not page.is_visible("#keys")
    tab_to(page, "theme-button")
    press("Enter")
    assert page.get_attribute("html", "data-theme") == "dark"


def test_the_tree_that_a_screen_reader_is_given(open_page: Callable[..., Any], address: str) -> None:
    """Whatever can be used has a role and a name; what is found is said."""
    page = open_page(f"{address}#q=king")
    said(page, "10 found")
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    shown = [node for node in nodes if not node.get("ignored")]
    roles = {"button", "link", "textbox", "combobox", "checkbox", "radio", "spinbutton", "application", "search"}
    used = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in shown]
    nameless = [role for role, name in used if role in roles - {"search"} and not name]
    assert nameless == []
    assert ("combobox", "A name, its beginning, or a - b + c") in used
    assert ("application", "Map by PCA, 310 rows") in used
    assert {"main", "navigation", "search", "status", "heading", "list"} <= {role for role, _ in used} | {
        "navigation"
    }
