"""Loras whose files are cut off, gone, or made for something else; disks without room for one."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contract.errors import EngineError
from engine.base_model import BaseModel, open_base_model
from engine.lora_layout import create_lora_layout, init_lora
from engine.lora_store import (
    ADAPTER_CONFIG,
    INCOMPLETE,
    MANIFEST,
    WEIGHTS,
    read_lora,
    write_lora,
)
from engine.loras import Loras
from engine.seeded_random import seeded_random
from full_disk import full_disk
from tiny_lora import tiny_manifest
from tiny_model import tiny_base

ADVICE = "train it again"


def write(base: BaseModel, folder: Path) -> Path:
    layout = create_lora_layout(base.config, 2, 4)
    theta = init_lora(layout, seeded_random(1)).astype(np.float32)
    return folder / write_lora(folder, layout, theta, tiny_manifest(base), None)


@pytest.fixture
def base(tmp_path: Path) -> BaseModel:
    return tiny_base(tmp_path)


@pytest.mark.parametrize("part", [WEIGHTS, ADAPTER_CONFIG, MANIFEST])
def test_a_folder_with_a_file_cut_off_or_gone_says_what_to_do(tmp_path, base, part):
    lora = write(base, tmp_path / "loras")
    content = (lora / part).read_bytes()
    for spoil in (
        lambda file: file.write_bytes(content[: len(content) // 2]),
        lambda file: file.write_bytes(b""),
        Path.unlink,
    ):
        spoil(lora / part)
        with pytest.raises(EngineError, match=ADVICE) as caught:
            read_lora(lora, base)
        assert caught.value.code == "invalid_model" and lora.name in caught.value.message


def test_a_damaged_folder_is_written_anew_by_the_training_that_gives_the_same_lora(tmp_path, base):
    folder = tmp_path / "loras"
    lora = write(base, folder)
    (lora / MANIFEST).unlink()
    assert write(base, folder) == lora
    assert read_lora(lora, base).id == lora.name
    assert [path.name for path in folder.iterdir()] == [lora.name]


@pytest.mark.parametrize("died", ["while it was written", "while it was removed"])
def test_what_a_process_left_that_died_is_no_lora_and_goes_at_the_next_start(tmp_path, base, died):
    folder = tmp_path / "loras"
    lora = write(base, folder)
    half = shutil.copytree(lora, folder / "lora-half")
    if died == "while it was written":
        (half / INCOMPLETE).touch()
    else:
        (half / ADAPTER_CONFIG).rename(half / INCOMPLETE)
        (half / MANIFEST).unlink()
    logged: list[dict] = []
    loras = Loras(folder, base, lambda *told: logged.append(told))
    assert [record.id for record in loras.serving()] == [lora.name]
    assert list(folder.iterdir()) == [lora] and logged == []


def test_a_lora_that_its_writer_did_not_end_is_written_anew(tmp_path, base):
    lora = write(base, tmp_path / "loras")
    (lora / INCOMPLETE).touch()
    assert write(base, tmp_path / "loras") == lora
    assert {path.name for path in lora.iterdir()} == {WEIGHTS, ADAPTER_CONFIG, MANIFEST}


def test_a_lora_is_written_and_removed_where_no_folder_can_be_renamed(tmp_path, base, monkeypatch):
    rename = os.replace

    def of_files(source: Path, target: Path) -> None:
        if Path(source).is_dir():
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        rename(source, target)

    monkeypatch.setattr(os, "replace", of_files)
    monkeypatch.setattr(os, "rename", of_files)
    lora = write(base, tmp_path / "loras")
    loras = Loras(lora.parent, base, lambda *_: None)
    assert [record.id for record in loras.serving()] == [lora.name]
    loras.remove(lora.name)
    assert loras.serving() == [] and list(lora.parent.iterdir()) == []


def with_other_tokens(folder: Path) -> None:
    """The same vocabulary, but a text is cut into other tokens."""
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text("utf-8"))
    tokenizer["pre_tokenizer"]["add_prefix_space"] = True
    file.write_text(json.dumps(tokenizer), "utf-8")


def with_another_template(folder: Path) -> None:
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text("utf-8"))
    settings["chat_template"] = settings["chat_template"].replace("random", "certain")
    file.write_text(json.dumps(settings), "utf-8")


@pytest.mark.parametrize(
    ("change", "says"),
    [(with_other_tokens, "another tokenizer"), (with_another_template, "another chat template")],
)
def test_a_lora_of_another_tokenizer_is_reported_and_not_served(
    tmp_path: Path, base: BaseModel, change: Callable[[Path], None], says: str
) -> None:
    lora = write(base, tmp_path / "loras")
    change(base.folder)
    changed = open_base_model(base.folder)
    assert changed.fingerprint == base.fingerprint
    logged: list[dict] = []
    loras = Loras(lora.parent, changed, lambda _, __, fields: logged.append(fields))
    assert loras.serving() == []
    assert says in logged[0]["problem"] and ADVICE in logged[0]["problem"]
    with pytest.raises(EngineError, match=says):
        loras.require(lora.name)


def test_a_lora_of_another_vocabulary_is_one_of_another_model(tmp_path, base):
    lora = write(base, tmp_path / "loras")
    with pytest.raises(EngineError, match=f"another base model.*{ADVICE}"):
        read_lora(lora, replace(base, fingerprint="other"))


@pytest.mark.parametrize("room", [0, 2000])
def test_a_full_disk_leaves_no_half_of_a_lora(tmp_path, base, room):
    folder = tmp_path / "loras"
    with full_disk(max_bytes=room), pytest.raises(EngineError, match="make room") as caught:
        write(base, folder)
    assert caught.value.code == "store_unavailable"
    assert list(folder.iterdir()) == []
    assert read_lora(write(base, folder), base)
