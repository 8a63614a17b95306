"""An object store in memory that can be made to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from mirror.object_store import StoreError


class MemoryStore:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        #: names in the order in which they were written
        self.written: list[str] = []
        self.fails: Callable[[str], bool] = lambda _: False

    def read(self, name: str) -> bytes | None:
        self._check(name)
        return self.objects.get(name)

    def stream(self, name: str) -> Iterator[bytes] | None:
        content = self.read(name)
        return None if content is None else iter([content[:3], content[3:]])

    def write(self, name: str, content: bytes | Iterable[bytes]) -> None:
        self._check(name)
        self.objects[name] = content if isinstance(content, bytes) else b"".join(content)
        self.written.append(name)

    def names(self, prefix: str) -> list[str]:
        return [name for name in self.objects if name.startswith(prefix)]

    def delete(self, names: Sequence[str]) -> None:
        for name in names:
            del self.objects[name]

    def _check(self, name: str) -> None:
        if self.fails(name):
            raise StoreError(f"no way to {name}")
