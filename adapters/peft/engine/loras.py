"""
The loras of one base model on disk. A folder that is damaged, or was made for another base model,
tokenizer or chat template, is kept, reported and not served. Knows nothing of torch.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from contract.disk import storage_error
from contract.errors import EngineError
from contract.log import Log
from engine.base_model import BaseModel
from engine.lora_store import StoredLora, is_incomplete, read_lora, remove_lora


@dataclass(frozen=True)
class LoraRecord:
    id: str
    #: seconds since the epoch
    created: int
    #: why it is not served; None when it is
    problem: str | None


class Loras:
    """
    Reads and checks every lora once.

    Raises EngineError `store_unavailable` when the folder cannot be used.
    """

    def __init__(self, folder: Path, base: BaseModel, log: Log) -> None:
        self.folder = folder
        self._base = base
        self._records: dict[str, LoraRecord] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            names = sorted(os.listdir(folder))
        except OSError as error:
            raise storage_error(f"{folder} cannot be used", error) from error
        for name in names:
            if name.startswith(".") or is_incomplete(folder / name):
                # of writers that died; nothing trains while an engine starts
                shutil.rmtree(folder / name, ignore_errors=True)
                continue
            record = self.examine(name)
            self.announce(record)
            if record.problem is not None:
                log("warn", "a lora is not served", {"lora": name, "problem": record.problem})

    def serving(self) -> list[LoraRecord]:
        return [record for record in self._records.values() if record.problem is None]

    def require(self, lora: str) -> LoraRecord:
        """Raises EngineError `not_found`; `invalid_request` with the reason it cannot serve."""
        record = self._records.get(lora)
        if record is None:
            raise EngineError("not_found", f"no model {lora}", "model")
        if record.problem is not None:
            raise EngineError("invalid_request", record.problem, "model")
        return record

    def examine(self, lora: str) -> LoraRecord:
        """What a folder is good for; it is not listed yet."""
        problem = None
        try:
            self.read(lora)
        except EngineError as error:
            problem = error.message
        created = int((self.folder / lora).stat().st_mtime)
        return LoraRecord(lora, created, problem)

    def announce(self, record: LoraRecord) -> None:
        """From now on it is listed, and served where it has no problem."""
        self._records[record.id] = record

    def read(self, lora: str) -> StoredLora:
        """Raises EngineError `invalid_model`."""
        return read_lora(self.folder / lora, self._base)

    def remove(self, lora: str) -> None:
        """Gone from the list at once. Raises OSError."""
        del self._records[lora]
        remove_lora(self.folder / lora)
