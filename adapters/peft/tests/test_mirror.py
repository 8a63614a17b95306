"""A data directory and its copy in an object store. Needs no torch."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import pytest

import mirror.mirror
from contract.errors import EngineError
from memory_store import MemoryStore
from mirror.index import INDEX, decode_index, encode_index
from mirror.mirror import Mirror, TakenOver
from mirror.mirroring import Mirroring, open_mirroring
from mirror.object_store import StoreError, open_object_store
from mirror.restore import MARKER, prepare_mirror


def silent(*_, **__) -> None:
    pass


def fill(data_dir: Path, **changes: str) -> None:
    files = {
        "files/file-1.jsonl": "rows",
        "jobs/ftjob-1/job.json": "running",
        "jobs/ftjob-1/checkpoint/checkpoint.bin": "step 1",
        "loras/lora-1/manifest.json": "{}",
    }
    for path, text in {**files, **changes}.items():
        (data_dir / path).parent.mkdir(parents=True, exist_ok=True)
        draft = data_dir / f"{path}.draft"
        draft.write_text(text)
        draft.rename(data_dir / path)


def texts(data_dir: Path) -> dict[str, str]:
    return {
        path.relative_to(data_dir).as_posix(): path.read_text()
        for path in sorted(data_dir.rglob("*"))
        if path.is_file() and path.name != MARKER
    }


def mirror_of(store: MemoryStore, data_dir: Path) -> Mirror:
    return prepare_mirror(store, data_dir, silent)


def test_an_empty_directory_takes_what_the_store_has(tmp_path):
    store = MemoryStore()
    one = mirror_of(store, tmp_path / "a")
    fill(tmp_path / "a")
    one.sync()
    mirror_of(store, tmp_path / "b")
    assert texts(tmp_path / "b") == texts(tmp_path / "a") and len(texts(tmp_path / "b")) == 4
    there = tmp_path / "b" / "loras" / "lora-1"
    assert int(there.stat().st_mtime) == int((there / "manifest.json").stat().st_mtime)


def test_the_index_is_written_last_and_only_when_something_changed(tmp_path):
    store = MemoryStore()
    one = mirror_of(store, tmp_path)
    fill(tmp_path)
    one.sync()
    assert store.written[-1] == INDEX and len(store.written) == 5
    one.sync()
    assert len(store.written) == 5
    fill(tmp_path, **{"jobs/ftjob-1/checkpoint/checkpoint.bin": "step 2"})
    one.sync()
    assert len(store.written) == 7


def test_drafts_and_equal_contents_are_not_copied(tmp_path):
    store = MemoryStore()
    one = mirror_of(store, tmp_path)
    fill(tmp_path, **{"loras/.draft-1/manifest.json": "half", "files/file-2.jsonl": "rows"})
    (tmp_path / "files" / "file-3.jsonl.tmp").write_text("half")
    one.sync()
    index = decode_index(store.objects[INDEX])
    assert not any("draft" in path or "tmp" in path for path in index.entries)
    assert len(index.entries) == 5 and len(index.objects()) == 4


def test_a_copy_that_broke_off_leaves_the_one_before_it(tmp_path):
    store = MemoryStore()
    one = mirror_of(store, tmp_path / "a")
    fill(tmp_path / "a")
    one.sync()
    before = texts(tmp_path / "a")
    fill(tmp_path / "a", **{"jobs/ftjob-1/checkpoint/checkpoint.bin": "step 2"})
    store.fails = lambda name: name == INDEX
    with pytest.raises(StoreError):
        one.sync()
    store.fails = lambda _: False
    assert len(store.objects) == 6
    mirror_of(store, tmp_path / "b")
    assert texts(tmp_path / "b") == before


def test_the_store_holds_no_more_than_two_indexes_name(tmp_path):
    store = MemoryStore()
    one = mirror_of(store, tmp_path)
    for step in range(10):
        fill(tmp_path, **{"jobs/ftjob-1/checkpoint/checkpoint.bin": f"step {step}"})
        one.sync()
    # four files, the checkpoint before and the index
    assert len(store.objects) == 6


def test_large_files_are_copied_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(mirror.mirror, "SINGLE_REQUEST_BYTES", 2)
    monkeypatch.setattr("mirror.local_files.PIECE_BYTES", 2)
    store = MemoryStore()
    one = mirror_of(store, tmp_path / "a")
    fill(tmp_path / "a")
    one.sync()
    mirror_of(store, tmp_path / "b")
    assert texts(tmp_path / "b") == texts(tmp_path / "a")


def test_a_directory_that_is_not_the_stores_is_refused(tmp_path):
    store = MemoryStore()
    first = mirror_of(store, tmp_path / "a")
    fill(tmp_path / "a")
    first.sync()
    fill(tmp_path / "other")
    with pytest.raises(EngineError, match="empty ENGINE_DATA_DIR") as caught:
        mirror_of(store, tmp_path / "other")
    assert caught.value.code == "invalid_config"
    # a new machine takes over, and the old one may not come back with what it had
    mirror_of(store, tmp_path / "b")
    with pytest.raises(EngineError, match="another data directory"):
        mirror_of(store, tmp_path / "a")
    fill(tmp_path / "a", **{"jobs/ftjob-2/job.json": "queued"})
    with pytest.raises(TakenOver):
        first.sync()


def test_a_directory_goes_on_with_its_own_copy(tmp_path):
    store = MemoryStore()
    fill(tmp_path)
    mirror_of(store, tmp_path).sync()
    fill(tmp_path, **{"jobs/ftjob-1/job.json": "succeeded"})
    again = mirror_of(store, tmp_path)
    assert texts(tmp_path)["jobs/ftjob-1/job.json"] == "succeeded"
    again.sync()
    assert len(store.objects) == 6


@pytest.mark.parametrize("broken", range(5))
def test_a_restore_that_broke_off_is_done_again(tmp_path, broken):
    store = MemoryStore()
    one = mirror_of(store, tmp_path / "a")
    fill(tmp_path / "a")
    one.sync()
    reads = iter(range(100))
    store.fails = lambda _: next(reads) == broken + 1
    with pytest.raises(EngineError, match="cannot be read"):
        mirror_of(store, tmp_path / "b")
    store.fails = lambda _: False
    mirror_of(store, tmp_path / "b").sync()
    assert texts(tmp_path / "b") == texts(tmp_path / "a")
    assert not any(path.endswith(".draft") for path in texts(tmp_path / "b"))


def test_a_damaged_object_is_never_used(tmp_path):
    store = MemoryStore()
    one = mirror_of(store, tmp_path / "a")
    fill(tmp_path / "a")
    one.sync()
    name = next(name for name in store.objects if store.objects[name] == b"step 1")
    store.objects[name] = b"step"
    with pytest.raises(EngineError, match="damaged"):
        mirror_of(store, tmp_path / "b")
    assert not (tmp_path / "b" / "jobs/ftjob-1/checkpoint/checkpoint.bin").exists()


@pytest.mark.parametrize("path", ["../secret", "jobs/../../secret", "/etc/passwd", "other/a"])
def test_an_index_cannot_name_files_elsewhere(tmp_path, path):
    store = MemoryStore()
    one = mirror_of(store, tmp_path / "a")
    fill(tmp_path / "a")
    one.sync()
    fields = json.loads(store.objects[INDEX])
    fields["files"][path] = next(iter(fields["files"].values()))
    store.objects[INDEX] = json.dumps(fields).encode()
    with pytest.raises(EngineError, match="no engine writes"):
        mirror_of(store, tmp_path / "b")


def test_an_index_is_read_as_it_was_written(tmp_path):
    store = MemoryStore()
    one = mirror_of(store, tmp_path)
    fill(tmp_path)
    one.sync()
    index = decode_index(store.objects[INDEX])
    assert decode_index(encode_index(index)) == index


def test_the_thread_goes_on_after_failures_and_says_so(tmp_path):
    store, logged, failed = MemoryStore(), [], threading.Event()
    fill(tmp_path)
    one = mirror_of(store, tmp_path)

    def log(level: str, message: str, *_) -> None:
        logged.append(level)
        failed.set()

    store.fails = lambda _: True
    copying = Mirroring(one, log, interval=0.01)
    copying.start()
    assert failed.wait(20)
    store.fails = lambda _: False
    assert copying.flush(20)
    assert "warn" in logged and INDEX in store.objects
    copying.close(20)


def test_a_flush_does_not_wait_for_a_thread_that_has_ended(tmp_path):
    store = MemoryStore()
    fill(tmp_path / "a")
    first = mirror_of(store, tmp_path / "a")
    first.sync()
    mirror_of(store, tmp_path / "b")
    logged: list[str] = []
    copying = Mirroring(first, lambda level, *_: logged.append(level), interval=0.01)
    fill(tmp_path / "a", **{"jobs/ftjob-2/job.json": "queued"})
    copying.start()
    assert not copying.flush(60) and logged == ["error"]


def test_a_shared_folder_is_a_store(tmp_path):
    pytest.importorskip("obstore", reason="obstore is not installed")
    store = open_object_store(f"file://{tmp_path}/shared")
    assert store.read("a/b") is None and store.names("a/") == []
    store.write("a/b", b"whole")
    store.write("a/c", iter([b"in ", b"pieces"]))
    assert store.read("a/b") == b"whole" and b"".join(store.stream("a/c")) == b"in pieces"
    assert sorted(store.names("a/")) == ["a/b", "a/c"]
    store.delete(["a/b"])
    store.delete([])
    assert store.names("a/") == ["a/c"]


def test_a_url_that_is_none_is_told():
    pytest.importorskip("obstore", reason="obstore is not installed")
    with pytest.raises(EngineError, match="ENGINE_CHECKPOINT_URL cannot be used") as caught:
        open_object_store("ftp://host/folder")
    assert caught.value.code == "invalid_config"


@pytest.mark.parametrize("seconds", ["soon", "0", "-1", "nan"])
def test_a_wrong_interval_is_told(tmp_path, seconds):
    env = {"ENGINE_CHECKPOINT_URL": f"file://{tmp_path}", "ENGINE_MIRROR_SECONDS": seconds}
    with pytest.raises(EngineError, match="ENGINE_MIRROR_SECONDS"):
        open_mirroring(env, tmp_path, silent)
    assert open_mirroring({}, tmp_path, silent) is None


def test_a_missing_library_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(EngineError, match="pip install obstore"):
        open_object_store("s3://bucket")


def test_a_store_that_cannot_be_reached_ends_the_start(tmp_path, monkeypatch):
    pytest.importorskip("obstore", reason="obstore is not installed")
    monkeypatch.setattr("mirror.object_store.RETRIES", {"max_retries": 0})
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(EngineError, match="check the URL, the credentials") as caught:
        open_mirroring({"ENGINE_CHECKPOINT_URL": "s3://bucket/team"}, tmp_path, silent)
    assert caught.value.code == "store_unavailable"
