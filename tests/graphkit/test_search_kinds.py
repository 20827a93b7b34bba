"""Which index is chosen, the recall it says it has, files that stay on disk, foreign files, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphkit import SearchIndex
from graphkit.search import folder as search_folder
from graphkit.search import kinds
from neuralcore.errors import UserError

faiss = pytest.importorskip("faiss")
N, D = 1501, 9
METRICS = ("cosine", "dot", "l2")


@pytest.fixture
def matrix() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)


@pytest.fixture
def names() -> list[str]:
    return [f"row {i}." for i in range(N)]


# ---- kinds and recall


@pytest.mark.parametrize(
    ("rows", "dimension", "factory"),
    [
        (50_000, 100, "Flat"),
        (50_001, 100, "HNSW32"),
        (500_000, 10, "Flat"),
        (500_000, 11, "HNSW32"),
        (500_001, 11, "IVF2828,Flat"),
        (1_000_000, 100, "IVF4000,Flat"),
    ],
)
def test_the_kind_is_chosen_by_size(rows: int, dimension: int, factory: str):
    chosen, reason = kinds.choose(rows, dimension)
    assert chosen == factory
    assert f"{rows:,} rows of {dimension} numbers" in reason


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("limits", [(1, N), (1, 1)])
def test_recall_is_what_a_count_says(matrix, names, metric: str, limits: tuple[int, int], monkeypatch):
    """The auto kinds for many rows, at few; against brute force over the same queries."""
    monkeypatch.setattr(kinds, "EXACT_NUMBERS", limits[0])
    monkeypatch.setattr(kinds, "GRAPH_ROWS", limits[1])
    monkeypatch.setattr(kinds, "QUERIES", N)
    index = SearchIndex.build(matrix, names, metric=metric, recall=0.9)
    assert index.factory == ("HNSW32" if limits[1] == N else "IVF154,Flat")
    exact = SearchIndex.build(matrix, names, metric=metric, factory="Flat")
    hits = [
        len({m.name for m in mine} & {m.name for m in its})
        for mine, its in zip(index.search(names, 10), exact.search(names, 10))
    ]
    assert index.recall == pytest.approx(sum(hits) / (10 * N), abs=2e-4)
    assert index.recall >= 0.9
    assert exact.recall == 1.0


def test_as_hard_as_the_recall_needs(matrix, names, tmp_path: Path):
    recalls, efforts = [], []
    for wanted in (0.3, 0.8, 1.0):
        index = SearchIndex.build(matrix, names, factory="IVF64,Flat", recall=wanted)
        recalls.append(index.recall)
        efforts.append(index.effort["nprobe"])
        assert index.recall >= wanted
    assert efforts == sorted(set(efforts))
    assert recalls == sorted(recalls)
    again = SearchIndex.load(index.save(tmp_path))
    assert (again.recall, again.effort, again.reason) == (index.recall, index.effort, "IVF64,Flat was asked for")
    own = SearchIndex.build(matrix, names, factory="IVF64,Flat", recall=None)
    assert own.effort == {"nprobe": 1}
    assert own.recall < recalls[0] + 0.3


@pytest.mark.parametrize(("recall", "hard"), [(0.3, False), (1.0, True)])
def test_lists_that_help_little_are_told(matrix, names, recall: float, hard: bool, monkeypatch):
    monkeypatch.setattr(kinds, "EXACT_NUMBERS", 1)
    monkeypatch.setattr(kinds, "GRAPH_ROWS", 1)
    index = SearchIndex.build(matrix, names, recall=recall)
    assert ("for these vectors cluster little: 'HNSW32'" in index.reason) == hard


def test_equal_rows_count_alike_for_recall():
    """A hundred copies of each row: any ten of them are right."""
    matrix = np.repeat(np.random.default_rng(0).normal(size=(12, D)), 100, axis=0)
    index = SearchIndex.build(matrix, [f"{i}." for i in range(1200)], factory="IVF4,Flat", metric="l2")
    assert index.recall == 1.0


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_few_rows(rows: int):
    matrix = np.random.default_rng(0).normal(size=(rows, 3))
    for factory in ("auto", "HNSW8"):
        index = SearchIndex.build(matrix, [f"{i}." for i in range(rows)], factory=factory)
        assert (index.recall, len(index.search("0."))) == (1.0, rows - 1)


@pytest.mark.parametrize("recall", [0, -1, 1.1])
def test_recalls_that_are_refused(matrix, names, recall: float):
    with pytest.raises(UserError, match="a share, above 0 and up to 1"):
        SearchIndex.build(matrix, names, recall=recall)


# ---- in its file


@pytest.mark.parametrize("factory", ["Flat", "HNSW8", "IVF16,Flat", "SQ8", "PCA4,Flat"])
def test_a_mapped_index_is_the_same(matrix, names, factory: str, tmp_path: Path):
    index = SearchIndex.build(matrix, names, titles=[f"T {n}" for n in names], factory=factory)
    mapped = SearchIndex.load(index.save(tmp_path / "index"), mapped=True)
    assert mapped.search(names[:30]) == index.search(names[:30])
    assert mapped.search("t row 3.") == index.search("row 3.")
    assert (mapped.names, mapped.titles) == (index.names, index.titles)
    for change in (
        lambda: mapped.add(["new"], matrix[:1]),
        lambda: mapped.remove(["row 1."]),
        lambda: mapped.update(["row 1."], matrix[:1]),
        mapped.compact,
    ):
        with pytest.raises(UserError, match="a mapped index lies in its file and cannot be changed"):
            change()
    # over itself, and over the files it lies in
    SearchIndex.build(matrix[:9], names[:9]).save(tmp_path / "index")
    assert mapped.search(names[:30]) == index.search(names[:30])
    assert SearchIndex.load(mapped.save(tmp_path / "index")).search("row 3.") == index.search("row 3.")


def test_mapping_leaves_the_vectors_in_the_file(tmp_path: Path):
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc to read the memory from")

    def own_memory() -> int:
        (line,) = [each for each in Path("/proc/self/status").read_text().splitlines() if "RssAnon" in each]
        return int(line.split()[1]) // 1024

    matrix = np.random.default_rng(0).normal(size=(50_000, 100)).astype(np.float32)  # 19 MB
    folder = SearchIndex.build(matrix, [f"{i}." for i in range(len(matrix))]).save(tmp_path)
    before = own_memory()
    index = SearchIndex.load(folder, mapped=True)
    assert own_memory() - before < 5
    assert len(index) == len(matrix)


def test_an_old_faiss_cannot_map(matrix, names, tmp_path: Path, monkeypatch):
    folder = SearchIndex.build(matrix, names).save(tmp_path)
    monkeypatch.setattr(search_folder, "can_map", lambda: False)
    with pytest.raises(UserError, match="cannot map an index: install"):
        SearchIndex.load(folder, mapped=True)


# ---- foreign files


@pytest.mark.parametrize("factory", ["Flat", "HNSW8", "IVF16,Flat"])
def test_a_foreign_file(matrix, names, factory: str, tmp_path: Path):
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    made = faiss.index_factory(D, factory, faiss.METRIC_INNER_PRODUCT)
    made.train(unit)
    made.add(unit)
    faiss.write_index(made, str(tmp_path / "index.faiss"))
    index = SearchIndex.read_foreign(tmp_path / "index.faiss", names, metric="cosine", attributes={"rank": range(N)})
    assert (index.metric, index.recall, len(index)) == ("cosine", 1.0 if factory == "Flat" else None, N)
    if factory == "Flat":
        found = SearchIndex.build(matrix, names).search("row 3.")
        assert [m.name for m in index.search("row 3.")] == [m.name for m in found]
    else:
        assert index.search(unit[5], 1)[0].name == "row 5."
    assert SearchIndex.load(index.save(tmp_path / "ours")).search("row 3.") == index.search("row 3.")
    assert len(index.search("row 3.", N, where=["rank<7"])) == 6
    assert SearchIndex.read_foreign(tmp_path / "index.faiss", names).metric == "dot"


def test_foreign_files_that_are_refused(matrix, names, tmp_path: Path):
    path = tmp_path / "index.faiss"
    rows = matrix.copy()
    with pytest.raises(UserError, match=r"there is no file .*index\.faiss"):
        SearchIndex.read_foreign(path, names)
    path.write_bytes(b"not FAISS's")
    with pytest.raises(UserError, match="is no index of FAISS"):
        SearchIndex.read_foreign(path, names)
    rows[7, 2] = np.nan
    for metric, told in ((None, r"row 7 \('row 7.'\) holds NaN"), ("cosine", "is an index by l2, not cosine")):
        made = faiss.IndexFlatL2(D)
        made.add(rows)
        faiss.write_index(made, str(path))
        with pytest.raises(UserError, match=told):
            SearchIndex.read_foreign(path, names, metric=metric)
    with pytest.raises(UserError, match="1,500 names for the 1,501 rows"):
        SearchIndex.read_foreign(path, names[:-1])
    made = faiss.IndexFlatIP(D)
    made.add(matrix)
    faiss.write_index(made, str(path))
    with pytest.raises(UserError, match="is not of length one: use metric 'dot'"):
        SearchIndex.read_foreign(path, names, metric="cosine")


# ---- GPU


def test_no_gpu_is_told(matrix, names):
    if hasattr(faiss, "index_cpu_to_gpu") and faiss.get_num_gpus():
        pytest.skip("there is one")
    with pytest.raises(UserError, match=r"needs a GPU and faiss-gpu, .*pip install 'rlgraphkit\[gpu\]'"):
        SearchIndex.build(matrix, names, device="cuda")


def test_the_gpu_copy_searches_what_it_can(matrix, names, monkeypatch):
    """FAISS's GPU calls are stood in for: whole searches go to the copy, filtered ones not, changes renew it."""
    copies = []

    def to_gpu(resources: object, device: int, index):
        assert device == 0
        copies.append(faiss.clone_index(index))
        return copies[-1]

    monkeypatch.setattr(faiss, "index_cpu_to_gpu", to_gpu, raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    kinds.faiss.__dict__.pop("get_num_gpus", None)
    try:
        index = SearchIndex.build(matrix, names, device="cuda", attributes={"rank": range(N)})
        on_cpu = SearchIndex.build(matrix, names, attributes={"rank": range(N)})
        assert index.search(names[:30]) == on_cpu.search(names[:30])
        assert index.search(names[:3], where=["rank<99"]) == on_cpu.search(names[:3], where=["rank<99"])
        copies[0].reset()
        assert index.search("row 3.") != on_cpu.search("row 3.")  # it was the copy that had searched
        index.add(["new"], matrix[:1], attributes={"rank": [N]})
        assert len(copies) == 2
        assert index.search("row 3.", 5)[0].name == on_cpu.search("row 3.", 5)[0].name
    finally:
        for name in ("index_cpu_to_gpu", "get_num_gpus", "StandardGpuResources"):
            kinds.faiss.__dict__.pop(name, None)


# ---- damage


def mutated(data: bytes, draw: np.random.Generator) -> bytes:
    """Bytes changed in one of the ways that disks, copies and people change them."""
    at, size = int(draw.integers(len(data))), int(draw.integers(1, 65))
    way = draw.integers(6)
    if way == 0:
        return data[:at] + bytes([data[at] ^ (1 << int(draw.integers(8)))]) + data[at + 1 :]
    if way == 1:
        return data[:at]
    if way == 2:
        return data + draw.bytes(size)
    if way == 3:
        return data[:at] + draw.bytes(size) + data[at + size :]
    if way == 4:
        return data[:at] + data[at + size :]
    return data[:at] + bytes(min(size, len(data) - at)) + data[at + size :]


def refused(folder: Path, times: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Mutate one file of a folder at a time; each has to be refused before FAISS or Arrow read. Returns how many."""

    def never(*_: object) -> None:
        raise AssertionError("a damaged folder was read")

    monkeypatch.setattr(search_folder.faiss, "read_index", never)
    monkeypatch.setattr(search_folder.pyarrow.ipc, "open_file", never)
    draw, done = np.random.default_rng(seed), 0
    paths = sorted(folder.iterdir())
    whole = [path.read_bytes() for path in paths]
    for _ in range(times):
        # the FAISS file four times of six
        which = int(draw.choice(len(paths), p=[4 / 6 if p.suffix == ".faiss" else 1 / 6 for p in paths]))
        data = mutated(whole[which], draw)
        if data == whole[which]:
            continue
        paths[which].write_bytes(data)
        with pytest.raises(UserError, match=r"damaged|holds|format"):
            SearchIndex.load(folder, mapped=bool(draw.integers(2)))
        done += 1
        paths[which].write_bytes(whole[which])
    return done


@pytest.mark.parametrize("factory", ["Flat", "HNSW8", "IVF16,Flat"])
def test_mutated_files_are_refused(matrix, names, factory: str, tmp_path: Path, monkeypatch):
    folder = SearchIndex.build(matrix[:300], names[:300], factory=factory).save(tmp_path / "index")
    assert refused(folder, 100, 0, monkeypatch) > 90


@pytest.mark.slow
@pytest.mark.parametrize(("factory", "seed"), [("Flat", 1), ("HNSW8", 2), ("IVF16,Flat", 3), ("SQ8", 4)])
def test_ten_thousand_mutations_are_refused(matrix, names, factory: str, seed: int, tmp_path: Path, monkeypatch):
    folder = SearchIndex.build(matrix[:300], names[:300], factory=factory).save(tmp_path / "index")
    assert refused(folder, 2600, seed, monkeypatch) > 2500
