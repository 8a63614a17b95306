"""
Objects in a bucket or in a shared folder, through obstore. An object appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Protocol

from contract.errors import EngineError

#: a lost connection is tried again by whoever asked for the object, with pauses of its own
RETRIES = {"max_retries": 2, "retry_timeout": timedelta(seconds=30)}


class ObjectStore(Protocol):
    """Every method may raise StoreError."""

    def read(self, name: str) -> bytes | None:
        """None when there is no such object."""

    def stream(self, name: str) -> Iterator[bytes] | None:
        """The same in pieces."""

    def write(self, name: str, content: bytes | Iterable[bytes]) -> None: ...

    def names(self, prefix: str) -> list[str]: ...

    def delete(self, names: Sequence[str]) -> None: ...


class StoreError(Exception):
    """The store could not be reached, or refused."""


class Obstore:
    """Open it with `open_object_store`."""

    def __init__(self, url: str) -> None:
        # torch and the rest of the engine work without it
        import obstore
        from obstore.store import from_url

        self._library = obstore
        self._faults = (obstore.exceptions.BaseError, OSError, ValueError)
        options = {"mkdir": True} if url.startswith("file:") else {"retry_config": RETRIES}
        self._store = from_url(url, **options)

    def read(self, name: str) -> bytes | None:
        pieces = self.stream(name)
        return None if pieces is None else b"".join(pieces)

    def stream(self, name: str) -> Iterator[bytes] | None:
        try:
            found = self._library.get(self._store, name)
        except FileNotFoundError:
            return None
        except self._faults as error:
            raise StoreError(str(error)) from error
        return self._pieces(found)

    def _pieces(self, found: Iterable[bytes]) -> Iterator[bytes]:
        try:
            for piece in found:
                yield bytes(piece)
        except self._faults as error:
            raise StoreError(str(error)) from error

    def write(self, name: str, content: bytes | Iterable[bytes]) -> None:
        try:
            self._library.put(self._store, name, content)
        except self._faults as error:
            raise StoreError(str(error)) from error

    def names(self, prefix: str) -> list[str]:
        try:
            pages = self._library.list(self._store, prefix)
            return [found["path"] for page in pages for found in page]
        except self._faults as error:
            raise StoreError(str(error)) from error

    def delete(self, names: Sequence[str]) -> None:
        try:
            if names:
                self._library.delete(self._store, list(names))
        except FileNotFoundError:
            # another attempt has deleted some of them
            return
        except self._faults as error:
            raise StoreError(str(error)) from error


def open_object_store(url: str) -> ObjectStore:
    """
    `s3://bucket/prefix`, `gs://…`, `az://…` or `file:///shared/folder`; credentials and region as
    the clouds' own tools read them from the environment.

    Raises EngineError `invalid_config` that says what to install or to change.
    """
    try:
        return Obstore(url)
    except ImportError as error:
        raise EngineError(
            "invalid_config",
            "ENGINE_CHECKPOINT_URL needs obstore: install it (pip install obstore)",
        ) from error
    except Exception as error:
        raise EngineError(
            "invalid_config", f"ENGINE_CHECKPOINT_URL cannot be used ({url}): {error}"
        ) from error
