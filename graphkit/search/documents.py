"""Documents, queries and judgements as they usually lie on disk.

    a folder           a document a .txt file (also .gz, .xz) in it and below: its name is the path without the ending
    .tsv               name<TAB>text, or name<TAB>title<TAB>text, a document a line
    .jsonl             {"_id": …, "title": …, "text": …} a line, as BEIR (Thakur et al. 2021) has it; "id" will do,
                       and the title may be missing

Queries are read the same way. Judgements (qrels) have a line each: query, document, grade, between tabs or spaces,
perhaps under BEIR's header; or TREC's four columns, of which the second is not looked at. All also .gz and .xz.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphkit.walks.graph import read_lines
from neuralcore.errors import UserError, nearest

COMPRESSED = (".gz", ".xz")
TSV, JSON_LINES = (".tsv", ".tab"), (".jsonl", ".json", ".ndjson")


@dataclass(frozen=True)
class Document:
    """A text with a name of its own and perhaps a title."""

    name: str
    text: str
    title: str = ""

    @property
    def full_text(self) -> str:
        """The title before the text, as it is indexed."""
        return f"{self.title}\n{self.text}" if self.title else self.text


def read_documents(path: str | Path) -> list[Document]:
    """The documents of a folder or file, in its order (a folder's by name); see the file's docstring.

    Raises:
        UserError: there are none, a row is not as it should be or a name is there twice; file and line are named.
    """
    path = Path(path)
    if not path.exists():
        siblings = [p.name for p in path.absolute().parent.glob("[!.]*")]
        raise UserError(f"there is no {path}" + (f": {nearest(path.name, siblings)}" if siblings else ""))
    rows = _of_folder(path) if path.is_dir() else _of_lines(path)
    found: dict[str, Document] = {}
    for place, document in rows:
        if document.name in found:
            raise UserError(f"{place}: the name {document.name!r} is there twice: names must be unique")
        found[document.name] = document
    if not found:
        raise UserError(f"{path} holds no documents" + (": put .txt files into it" if path.is_dir() else ""))
    return list(found.values())


def read_qrels(path: str | Path) -> dict[str, dict[str, int]]:
    """query -> document -> grade.

    Raises:
        UserError: there are none, a line is not as it should be, or a pair is judged twice; the line is named.
    """
    path = Path(path)
    found: dict[str, dict[str, int]] = {}
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        fields = [field.strip() for field in line.split("\t")] if "\t" in line else line.split()
        if number == 1 and fields[0].casefold() in ("query-id", "query_id", "qid"):
            continue
        if len(fields) not in (3, 4) or not all(fields):
            raise UserError(
                f"{path}:{number}: {len(fields)} columns, expected query, document and grade (or TREC's 4)"
            )
        query, name, grade = fields[0], fields[-2], fields[-1]
        try:
            value = int(grade)
        except ValueError:
            raise UserError(f"{path}:{number}: grade {grade!r} is not a whole number") from None
        if name in found.setdefault(query, {}):
            raise UserError(f"{path}:{number}: document {name!r} is judged twice for query {query!r}")
        found[query][name] = value
    if not found:
        raise UserError(f"{path} holds no judgements")
    return found


def _kind(path: Path) -> str:
    """The ending, without that of the compression."""
    return Path(path.stem).suffix if path.suffix in COMPRESSED else path.suffix


def _of_folder(folder: Path) -> Iterator[tuple[str, Document]]:
    for path in sorted(folder.rglob("*.txt*"), key=lambda path: path.relative_to(folder).parts):
        if path.is_file() and _kind(path) == ".txt":
            name = path.relative_to(folder).as_posix()
            yield str(path), Document(name[: name.rindex(".txt")], "\n".join(_lines(path)).strip())


def _of_lines(path: Path) -> Iterator[tuple[str, Document]]:
    kind = _kind(path)
    if kind not in (*TSV, *JSON_LINES):
        raise UserError(f"{path}: ending {kind!r}: documents are a folder of .txt files, .tsv or .jsonl")
    for number, line in enumerate(_lines(path), 1):
        place = f"{path}:{number}"
        if line.strip():
            yield place, _of_json(line, place) if kind in JSON_LINES else _of_tsv(line, place)


def _of_tsv(line: str, place: str) -> Document:
    fields = line.split("\t")
    if len(fields) not in (2, 3):
        raise UserError(f"{place}: {len(fields)} columns, expected name, text or name, title, text between tabs")
    if not fields[0].strip():
        raise UserError(f"{place}: the name is empty; every document has one")
    return Document(fields[0].strip(), fields[-1].strip(), fields[1].strip() if len(fields) == 3 else "")


def _of_json(line: str, place: str) -> Document:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise UserError(f"{place}: not JSON: every line is an object with _id, text and perhaps title") from None
    if not isinstance(row, dict):
        raise UserError(f"{place}: not an object: every line is one with _id, text and perhaps title")
    name = row.get("_id", row.get("id"))
    if isinstance(name, bool) or not isinstance(name, (str, int)) or not str(name).strip():
        raise UserError(f"{place}: no name: give _id (or id), a string or a whole number")
    text, title = row.get("text"), row.get("title", "")
    if not isinstance(text, str):
        raise UserError(f"{place}: no text: give the field text, a string; there are {', '.join(map(repr, row))}")
    if title is not None and not isinstance(title, str):
        raise UserError(f"{place}: title is {title!r}, not a string")
    try:
        f"{name}{text}{title}".encode()
    except UnicodeEncodeError:
        raise UserError(f"{place}: a lone surrogate (\\ud800 to \\udfff) is no character: mend the text") from None
    return Document(str(name).strip(), text.strip(), (title or "").strip())


def _lines(path: Path) -> list[str]:
    """The lines of a text file, without a byte order mark."""
    lines = read_lines(path)
    lines[0] = lines[0].removeprefix("\ufeff")
    return lines
