from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from neuralcore.checkpoint import (
    CheckpointStore,
    Shard,
    read_arrays,
    sealed,
    unsealed,
    write_arrays,
    write_text,
)
from neuralcore.errors import UserError


def save(store: CheckpointStore, step: int, version: int | None = None) -> Path:
    arrays = {"a": np.full((3, 2), step, np.float32), "flag": np.array([True, False])}
    return store.save(step, {"step": step, "nested": {"big": 2**100}}, {"one": Shard(arrays, version)})


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "c")
    assert store.load() is None
    save(store, 5)
    loaded = CheckpointStore(tmp_path / "c").load()
    assert loaded is not None
    assert loaded.step == 5
    assert loaded.state == {"step": 5, "nested": {"big": 2**100}}
    np.testing.assert_array_equal(loaded.shards["one"]["a"], np.full((3, 2), 5))
    assert loaded.shards["one"]["flag"].dtype == bool
    assert (tmp_path / "c" / "LATEST").read_text() == "step_5"


def test_two_are_kept(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    for step in (1, 2, 3, 10):
        save(store, step)
    assert store.steps() == [3, 10]


@pytest.mark.parametrize("victim", ["one.safetensors", "manifest.json"])
def test_a_flipped_bit_is_found_aloud_and_the_previous_one_taken(
    tmp_path: Path, victim: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = CheckpointStore(tmp_path)
    save(store, 1)
    path = save(store, 2) / victim
    data = bytearray(path.read_bytes())
    data[0 if victim == "manifest.json" else len(data) // 2] ^= 1
    path.write_bytes(data)
    loaded = CheckpointStore(tmp_path).load()
    assert loaded is not None
    assert loaded.step == 1
    assert "damaged" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["empty", "missing", "truncated"])
def test_all_damaged_is_an_error_not_a_new_start(tmp_path: Path, damage: str) -> None:
    store = CheckpointStore(tmp_path)
    path = save(store, 1) / "one.safetensors"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "empty" else path.read_bytes()[:-1])
    with pytest.raises(UserError, match="every checkpoint is damaged"):
        CheckpointStore(tmp_path).load()


def test_a_half_written_checkpoint_is_no_checkpoint(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    save(store, 1)
    (tmp_path / "step_2.tmp").mkdir()
    (tmp_path / "step_2.tmp" / "manifest.json").write_text("{")
    loaded = CheckpointStore(tmp_path).load()
    assert loaded is not None
    assert loaded.step == 1
    save(store, 3)
    assert not list(tmp_path.glob("*.tmp"))


def test_a_full_disk_leaves_the_old_one_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CheckpointStore(tmp_path)
    save(store, 1)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"No space left on device.*previous one is intact"):
        save(store, 2)
    monkeypatch.undo()
    assert CheckpointStore(tmp_path).steps() == [1]
    assert not list(tmp_path.glob("*.tmp"))


def test_an_unchanged_shard_is_linked_and_a_changed_one_written(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    first = save(store, 1, version=7) / "one.safetensors"
    second = save(store, 2, version=7) / "one.safetensors"
    assert first.samefile(second)
    third = save(store, 3, version=8) / "one.safetensors"
    assert not second.samefile(third)
    loaded = store.load()
    assert loaded is not None
    assert loaded.shards["one"]["a"][0, 0] == 3
    # The link is remembered over a restart too, and outlives the pruned checkpoint it came from.
    again = CheckpointStore(tmp_path)
    again.load()
    assert (save(again, 4, version=8) / "one.safetensors").samefile(third)


def test_a_shard_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    manifest = save(store, 1) / "manifest.json"
    content = json.loads(manifest.read_text())
    content["shards"] = {"../one": content["shards"]["one"]}
    manifest.write_text(json.dumps(content))
    with pytest.raises(UserError, match="leaves the folder"):
        CheckpointStore(tmp_path).load()


def test_arrays_and_text_files(tmp_path: Path) -> None:
    digest = write_arrays(tmp_path / "x.safetensors", {"v": np.arange(3)})
    np.testing.assert_array_equal(read_arrays(tmp_path / "x.safetensors", digest)["v"], np.arange(3))
    with pytest.raises(ValueError, match="SHA-256"):
        read_arrays(tmp_path / "x.safetensors", "0" * 64)
    write_text(tmp_path / "t", "old")
    write_text(tmp_path / "t", "new")
    assert (tmp_path / "t").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t", "x.safetensors"]


def test_a_sealed_manifest_is_refused_when_any_byte_changed() -> None:
    manifest = {"kind": "é", "sha256": {"a": "0"}, "numbers": [1, 2.5]}
    data = sealed(manifest).encode()
    assert unsealed(data) == manifest
    for at in range(len(data)):
        with pytest.raises(ValueError, match="not as it was written"):
            unsealed(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
