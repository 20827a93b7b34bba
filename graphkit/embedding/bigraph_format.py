"""The checkpoints of PyTorch-BigGraph, read and written, so that vectors move between the two programs.

    <folder>/  config.json  checkpoint_version.txt (N)
               embeddings_<type>_<partition>.vN.h5    dataset `embeddings` (rows, D)
               model.vN.h5                            datasets `model/relations/<i>/operator/<lhs|rhs>/<parameter>`
               entity_count_<type>_<partition>.txt  entity_names_<type>_<partition>.json
               dynamic_rel_count.txt  dynamic_rel_names.json

Every HDF5 file has the attribute `format_version` 1. The last two lines are the `entity_path` of config.json: the
same folder where we write; where we read, it is looked for where config.json says, here, and in `entities` beside it.
Format: https://torchbiggraph.readthedocs.io/en/latest/input_output.html; Lerer et al. 2019.

**Two ways of relations.** With `dynamic_relations`, all have one operator and each has two sets of numbers: `lhs`
acts on the head to ask for tails, `rhs` on the tail to ask for heads; these are our two rows. Without, a relation has
`rhs` only, c(x_h, f(x_t)), which asks for heads. What asks for tails is then the operator moved to the other side,
where the comparator allows it (`_moved`). A graph of several types or operators is written in this way, each relation
with a second one, `<name>_reverse`, which asks for its tails; such pairs are one relation again when they are read.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.embedding.config import EmbedConfig
from graphkit.embedding.format_files import Allocate
from graphkit.embedding.vectors import GraphVectors, check, parameters_of, pieces
from neuralcore.checkpoint import sync
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import
from neuralcore.mapped import forget_pages

h5py = lazy_import("h5py", extra="hdf5")

FORMAT = 1
VERSION = 1  # of the checkpoint we write
REVERSE = "_reverse"
THEIRS = {"identity": "none", "rotation": "complex_diagonal"}  # operators with another name there
OURS = {"none": "identity"}


def is_bigraph(folder: Path) -> bool:
    """Whether a folder holds such a checkpoint."""
    return (folder / "checkpoint_version.txt").is_file()


# -- writing ------------------------------------------------------------------------------------------------------


def write_bigraph(vectors: GraphVectors, folder: Path) -> Path:
    """Write a checkpoint of one partition into a new folder, table by table in pieces; returns the folder.

    Rotations become complex_diagonal, of the same scores. Of the settings, those of the model, the loss, the margin
    and the learning rate are carried over.

    Raises:
        UserError: the folder is there already, a type's name cannot be in a file's name, or it cannot be written,
            and then nothing is left.
    """
    if folder.exists():
        raise UserError(f"{folder} is there already: name a new folder, or take it away")
    for kind in vectors.types:
        if not kind or set("./\\") & set(kind):
            raise UserError(f"the type {kind!r} would be part of a file's name: it may have no '.' and no '/'")
    if vectors.config is None:
        raise UserError("how these vectors are compared is not known, and PyTorch-BigGraph's config.json must say it")
    if vectors.config.comparator not in ("dot", "cos", "l2", "squared_l2"):
        raise UserError(f"PyTorch-BigGraph has no comparator {vectors.config.comparator}: write another format")
    dynamic = len(set(vectors.sides)) == 1 and len(set(vectors.operators)) == 1
    if not dynamic:
        clash = {name + REVERSE for name in vectors.relations} & set(vectors.relations)
        if clash:
            raise UserError(f"the relation {min(clash)!r} has the name of another's reverse: rename it")
    temporary = folder.with_name(folder.name + ".tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        start = 0
        for kind, count in vectors.types.items():
            names, rows = vectors.names[start : start + count], vectors.matrix[start : start + count]
            _write_names(temporary, f"entity_names_{kind}_0.json", f"entity_count_{kind}_0.txt", names)
            with h5py.File(temporary / f"embeddings_{kind}_0.v{VERSION}.h5", "w") as file:
                file.attrs["format_version"] = FORMAT
                data = file.create_dataset("embeddings", rows.shape, "f4")
                for piece in pieces(rows):
                    data[piece] = rows[piece]
                    forget_pages(rows)
            start += count
        with h5py.File(temporary / f"model.v{VERSION}.h5", "w") as file:
            file.attrs["format_version"] = FORMAT
            group = file.create_group("model", track_order=True)
            (_write_dynamic if dynamic else _write_single)(group, vectors)
        if dynamic:
            _write_names(temporary, "dynamic_rel_names.json", "dynamic_rel_count.txt", vectors.relations)
        (temporary / "config.json").write_text(json.dumps(_config(vectors, folder, dynamic), indent=4))
        (temporary / "checkpoint_version.txt").write_text(f"{VERSION}\n")
        for path in temporary.iterdir():
            sync(path)
        sync(temporary)
        os.rename(temporary, folder)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError):
            raise UserError(f"{folder} could not be written ({error.strerror or error}); nothing was left") from None
        raise
    return folder


def _write_names(folder: Path, names_file: str, count_file: str, names: Sequence[str]) -> None:
    with open(folder / names_file, "w", encoding="ascii") as file:
        json.dump(list(names), file, indent=4)
    (folder / count_file).write_text(f"{len(names)}\n")


def _write_dynamic(group: Any, vectors: GraphVectors) -> None:
    operator, table = vectors.operators[0], next(iter(vectors.tables.values()))
    operator, table = _theirs(operator, table)
    half = len(table) // 2
    for side, rows in (("lhs", table[:half]), ("rhs", table[half:])):
        for name, values in _split(operator, vectors.matrix.shape[1], rows, single=False):
            data = group.create_dataset(f"relations/0/operator/{side}/{name}", data=values)
            data.attrs["state_dict_key"] = f"{side}_operators.0.{name}"


def _write_single(group: Any, vectors: GraphVectors) -> None:
    for i, row in enumerate(vectors.rows_of_relations()):
        operator, both = _theirs(vectors.operators[i], vectors.parameters(i, row))
        # The relation itself asks for heads, its reverse for tails.
        for number, mine in ((2 * i, both[1:]), (2 * i + 1, both[:1])):
            for name, values in _split(operator, vectors.matrix.shape[1], mine, single=True):
                data = group.create_dataset(f"relations/{number}/operator/rhs/{name}", data=values[0])
                data.attrs["state_dict_key"] = f"rhs_operators.{number}.{name}"


def _theirs(operator: str, table: np.ndarray) -> tuple[str, np.ndarray]:
    """An operator that PyTorch-BigGraph has, and its numbers."""
    if operator == "rotation":
        return "complex_diagonal", np.concatenate([np.cos(table), np.sin(table)], axis=1)
    return operator, table


def _split(operator: str, dimension: int, rows: np.ndarray, single: bool) -> list[tuple[str, np.ndarray]]:
    """The arrays that rows (n, W) are there, by name."""
    found, start = [], 0
    for part in parameters_of(operator, dimension):
        end = start + int(np.prod(part.shape))
        name = part.single if single else part.name
        found.append((name, np.ascontiguousarray(rows[:, start:end]).reshape(len(rows), *part.shape)))
        start = end
    return found


def _config(vectors: GraphVectors, folder: Path, dynamic: bool) -> dict[str, Any]:
    config = vectors.config
    assert config is not None
    operators = [THEIRS.get(operator, operator) for operator in vectors.operators]
    relations = []
    if dynamic:
        (head, tail), operator = vectors.sides[0], operators[0]
        relations.append({"name": "all", "lhs": head, "rhs": tail, "operator": operator})
    else:
        for name, (head, tail), operator in zip(vectors.relations, vectors.sides, operators):
            relations.append({"name": name, "lhs": head, "rhs": tail, "operator": operator})
            relations.append({"name": name + REVERSE, "lhs": tail, "rhs": head, "operator": operator})
    loss = {"margin": 1.0 if config.margin is None else config.margin} if config.loss == "ranking" else {}
    return {
        "entities": {kind: {"num_partitions": 1} for kind in vectors.types},
        "relations": relations,
        "dynamic_relations": dynamic,
        "dimension": vectors.matrix.shape[1],
        "global_emb": False,
        "comparator": config.comparator,
        "loss_fn": config.loss,
        **loss,
        "lr": config.learning_rate,
        "entity_path": str(folder),
        "edge_paths": [],
        "checkpoint_path": str(folder),
    }


# -- reading ------------------------------------------------------------------------------------------------------


def read_bigraph(folder: Path, allocate: Allocate = np.empty) -> GraphVectors:
    """The vectors of a checkpoint, of all its types and partitions; `allocate` makes the float32 matrix.

    The vector that is common to a type (`global_emb`) is added to each. A relation without what asks for tails, and
    whose operator cannot be moved there, is left out.

    Raises:
        UserError: a file is missing, damaged, of another format, or holds a model that is not one of vectors.
    """
    try:
        return check(str(folder), _read(folder, allocate))
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{folder}: the PyTorch-BigGraph checkpoint cannot be read ({error})") from None


def _read(folder: Path, allocate: Allocate) -> GraphVectors:
    version = int((folder / "checkpoint_version.txt").read_text())
    config = json.loads((folder / "config.json").read_text())
    dimension = config["dimension"]
    for kind, mine in config["entities"].items():
        if mine.get("featurized") or mine.get("dimension") not in (None, dimension):
            raise UserError(
                f"{folder}: the entities {kind!r} have features or a dimension of their own: not read here"
            )
    named = _entity_path(folder, config)
    names: list[str] = []
    parts: list[tuple[str, Path, int]] = []
    types: dict[str, int] = {}
    for kind, mine in config["entities"].items():
        before = len(names)
        for part in range(mine["num_partitions"]):
            some = _names(named / f"entity_names_{kind}_{part}.json")
            names += some
            parts.append((kind, folder / f"embeddings_{kind}_{part}.v{version}.h5", len(some)))
        types[kind] = len(names) - before
    model = _model(folder / f"model.v{version}.h5")
    matrix = allocate((len(names), dimension), np.float32)
    start = 0
    for kind, path, count in parts:
        common = model.get(f"entities/{kind}/global_embedding")
        with _opened(path) as file:
            data = file["embeddings"]
            if data.shape != (count, dimension):
                raise UserError(
                    f"{path}: embeddings are {data.shape}, but there are {count:,} names of {dimension:,}"
                )
            for piece in pieces(data):
                rows = data[piece]
                matrix[start + piece.start : start + piece.stop] = rows if common is None else rows + common
                forget_pages(matrix)
        start += count
    relations, sides, operators, tables = _relations(config, model, named)
    mine = None
    if not config.get("bias"):  # whose first number is no part of the vector
        settings: dict[str, Any] = {"operator": operators[0] if operators else "identity"}
        settings["comparator"], settings["loss"] = config.get("comparator", "cos"), config.get("loss_fn", "ranking")
        if settings["loss"] == "ranking":
            settings["margin"] = config.get("margin", 0.1)
        mine = EmbedConfig(dimension=dimension, learning_rate=config.get("lr", 1e-2), **settings)
    return GraphVectors(names, matrix, [], types, relations, sides, operators, tables, mine)


def _entity_path(folder: Path, config: Mapping[str, Any]) -> Path:
    name = f"entity_names_{next(iter(config['entities']))}_0.json"
    said = Path(str(config["entity_path"]).removeprefix("file://"))
    places = [said, folder, folder.parent / "entities", folder.parent / said.name]
    for place in places:
        if (place / name).is_file():
            return place
    raise UserError(f"{name} is neither in {said} nor in {folder}: put the files of names there")


def _names(path: Path) -> list[str]:
    try:
        names = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} is not there: a checkpoint without names cannot be matched with anything") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path} is no list of names")
    return names


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise UserError(f"{path} is not there: is the checkpoint whole?")
    file = h5py.File(path, "r")
    if file.attrs.get("format_version") != FORMAT:
        found = file.attrs.get("format_version")
        file.close()
        raise UserError(f"{path} is of format {found}, this version reads {FORMAT}")
    return file


def _model(path: Path) -> dict[str, np.ndarray]:
    """The parameters, by their names below `model/`."""
    found: dict[str, np.ndarray] = {}
    with _opened(path) as file:
        if "model" in file:
            file["model"].visititems(
                lambda name, item: found.update({name: item[...]}) if isinstance(item, h5py.Dataset) else None
            )
    return found


def _relations(
    config: Mapping[str, Any], model: Mapping[str, np.ndarray], named: Path
) -> tuple[list[str], list[tuple[str, str]], list[str], dict[str, np.ndarray]]:
    """Names, sides, operators and tables."""
    dimension, settings = config["dimension"], config["relations"]
    if config.get("dynamic_relations"):
        names, only = _names(named / "dynamic_rel_names.json"), settings[0]
        operator = OURS.get(only.get("operator", "none"), only.get("operator", "none"))
        halves = [_join(model, 0, side, operator, dimension, len(names)) for side in ("lhs", "rhs")]
        sides = [(only["lhs"], only["rhs"])] * len(names)
        return names, sides, [operator] * len(names), {operator: np.concatenate(halves)}
    places = {mine["name"]: i for i, mine in enumerate(settings)}
    kept, sides, operators = [], [], []
    rows: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for i, mine in enumerate(settings):
        name, operator = mine["name"], OURS.get(mine.get("operator", "none"), mine.get("operator", "none"))
        if name.endswith(REVERSE) and name.removesuffix(REVERSE) in places:
            continue
        asks_heads = _join(model, i, "rhs", operator, dimension, None)[0]
        other = places.get(name + REVERSE)
        if other is None:
            asks_tails = _moved(operator, config.get("comparator", "cos"), asks_heads, dimension)
            if asks_tails is None:
                continue
        else:
            asks_tails = _join(model, other, "rhs", operator, dimension, None)[0]
        kept.append(name)
        sides.append((mine["lhs"], mine["rhs"]))
        operators.append(operator)
        rows.setdefault(operator, []).append((asks_tails, asks_heads))
    tables = {operator: np.concatenate([np.stack(half) for half in zip(*both)]) for operator, both in rows.items()}
    return kept, sides, operators, tables


def _join(
    model: Mapping[str, np.ndarray], number: int, side: str, operator: str, dimension: int, count: int | None
) -> np.ndarray:
    """(n, W) the numbers of relations; `count` None: of a single one."""
    parts = [np.zeros((1 if count is None else count, 0), np.float32)]
    for part in parameters_of(operator, dimension):
        name = f"relations/{number}/operator/{side}/{part.single if count is None else part.name}"
        shape = part.shape if count is None else (count, *part.shape)
        if name not in model or model[name].shape != shape:
            found = f"of shape {model[name].shape}" if name in model else "not there"
            raise UserError(f"the dataset model/{name} is {found}, expected {shape}")
        parts.append(model[name].reshape(len(parts[0]), -1).astype(np.float32))
    return np.concatenate(parts, axis=1)


def _moved(operator: str, comparator: str, numbers: np.ndarray, dimension: int) -> np.ndarray | None:
    """Numbers g with which c(g(x_h), x_t) orders tails as c(x_h, f(x_t)) does, or None if the operator has none.

    By the dot product they are the transpose's, and shifts add the same to every tail.
    """
    if operator == "identity":
        return numbers
    if comparator in ("l2", "squared_l2"):
        return -numbers if operator == "translation" else None
    if comparator != "dot":
        return None
    moved = numbers.copy()
    if operator == "complex_diagonal":
        moved[dimension // 2 :] *= -1.0  # the conjugate
    elif operator in ("linear", "affine"):
        moved[: dimension**2] = numbers[: dimension**2].reshape(dimension, dimension).T.ravel()
        moved[dimension**2 :] = 0.0
    elif operator == "translation":
        moved[:] = 0.0
    return moved
