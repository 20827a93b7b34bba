"""The page's files, read without a browser: nothing from elsewhere, nothing inline, all of it in the wheel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "graphkit" / "serve" / "page"
FILES = sorted(PAGE.iterdir())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
HTML = (PAGE / "index.html").read_text()
NAMESPACE = "http://www.w3.org/2000/svg"


def without_comments(script: str) -> str:
    return re.sub(r"^\s*//.*|/\*.*?\*/", "", script, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_names_another_place(path: Path) -> None:
    text = path.read_text().replace(NAMESPACE, "")
    assert re.findall(r"\w+://|[\"'(]//\w|@import|data:", text) == []


def test_nothing_is_inline() -> None:
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", HTML) == []
    assert re.findall(r"<script(?![^>]*\ssrc=)[^>]*>", HTML) == []
    assert re.findall(r"<script[^>]*>(.+?)</script>", HTML) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_markup_or_code_of_text(path: Path) -> None:
    unsafe = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc|"
        r"\beval\(|new Function|setAttribute\(\s*[\"']style|import\("
    )
    assert re.findall(unsafe, without_comments(path.read_text())) == []


def test_every_file_that_is_named_is_there() -> None:
    named = set(re.findall(r"(?:href|src)=\"static/([^\"]+)\"", HTML))
    for path in SCRIPTS:
        named |= set(re.findall(r"from \"\./([^\"]+)\"", path.read_text()))
    names = {path.name for path in FILES}
    assert named <= names
    # Each module is fetched at once with the others, not when the one that needs it has been read.
    preloaded = set(re.findall(r"modulepreload\" href=\"static/([^\"]+)\"", HTML))
    assert {path.name for path in SCRIPTS} == preloaded | {"theme.js", "main.js"}


def test_every_element_that_a_script_asks_for_is_there() -> None:
    ids = re.findall(r"\sid=\"([^\"]+)\"", HTML)
    assert len(ids) == len(set(ids))
    for path in SCRIPTS:
        text = path.read_text()
        asked = re.findall(r"(?:part|getElementById)\(\"([\w-]+)\"\)|querySelector\(\"#([\w-]+)\"\)", text)
        assert {one or other for one, other in asked} <= set(ids), path.name
    referred = re.findall(r"(?:for|aria-controls|aria-labelledby|aria-describedby)=\"([^\"]+)\"", HTML)
    assert {each for value in referred for each in value.split()} <= set(ids)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_is_read_against_its_ground(theme: int) -> None:
    """WCAG 2.2: 4.5 for text, 3 for the edges of boxes and what a picture consists of."""
    style = (PAGE / "style.css").read_text()
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", style)
    colours = {name: luminance(values[theme]) for name, *values in found}

    def contrast(one: str, other: str) -> float:
        low, high = sorted((colours[one], colours[other]))
        return (high + 0.05) / (low + 0.05)

    for ink in ("ink", "muted", "accent", "warn"):
        for ground in ("ground", "panel", "tint"):
            assert contrast(ink, ground) >= 4.5, (ink, ground)
    assert contrast("on-accent", "accent") >= 4.5
    kinds = [name for name in colours if name.startswith("kind-")]
    assert len(kinds) == 10
    for mark in ("edge", "match", *kinds):
        assert contrast(mark, "ground") >= 3, mark


def test_the_wheel_carries_the_page() -> None:
    builder = WheelBuilder(str(ROOT))
    carried = {file.distribution_path for file in builder.recurse_included_files()}
    assert {f"graphkit/serve/page/{path.name}" for path in FILES} <= carried


def test_every_link_is_relative() -> None:
    """A proxy may have put the service behind a prefix."""
    for path in FILES:
        assert re.findall(r"(?:href|src)=\"/|(?:fetch|get|request|url)\([\"'`]?/", path.read_text()) == [], path.name
