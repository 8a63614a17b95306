"""A thread that keeps a mirror up to date, whatever becomes of the connection."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from contract.errors import EngineError
from contract.log import Log
from mirror.mirror import Mirror, TakenOver
from mirror.object_store import StoreError, open_object_store
from mirror.restore import prepare_mirror

#: seconds between two looks at the directory
DEFAULT_INTERVAL = 5.0
#: seconds between two attempts after failures
LONGEST_PAUSE = 60.0


class Mirroring:
    def __init__(self, mirror: Mirror, log: Log, interval: float) -> None:
        self._mirror = mirror
        self._log = log
        self._interval = interval
        self._wake = threading.Condition()
        #: numbers of flushes: asked for, begun, done
        self._asked = self._begun = self._done = 0
        self._closing = self._ended = False
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def flush(self, timeout: float) -> bool:
        """Whether what is on disk now is in the store within `timeout` seconds."""
        with self._wake:
            self._asked += 1
            wanted = self._asked
            self._wake.notify_all()
            self._wake.wait_for(lambda: self._done >= wanted or self._ended, timeout)
            return self._done >= wanted

    def close(self, timeout: float) -> None:
        """A last copy, as far as `timeout` seconds allow."""
        self.flush(timeout)
        with self._wake:
            self._closing = True
            self._wake.notify_all()

    def _run(self) -> None:
        pause = self._interval
        while (number := self._next(pause)) is not None:
            try:
                self._mirror.sync()
            except TakenOver:
                self._log(
                    "error",
                    "another engine has taken over the object store: nothing is copied any more; "
                    "stop one of the two",
                )
                break
            except (StoreError, OSError) as error:
                pause = min(2 * pause, LONGEST_PAUSE)
                fields = {"error": str(error), "again_in_seconds": pause}
                self._log("warn", "the data directory cannot be copied to the store", fields)
                continue
            pause = self._interval
            with self._wake:
                self._done = number
                self._wake.notify_all()
        with self._wake:
            self._ended = True
            self._wake.notify_all()

    def _next(self, pause: float) -> int | None:
        """Waits for the next turn and gives the flush it serves; None when it is over."""
        with self._wake:
            self._wake.wait_for(lambda: self._closing or self._asked > self._begun, pause)
            self._begun = self._asked
            return None if self._closing else self._begun


def open_mirroring(env: Mapping[str, str], data_dir: Path, log: Log) -> Mirroring | None:
    """
    None without ENGINE_CHECKPOINT_URL. The data directory has what the store has when it returns;
    copying begins with `start`.

    Raises EngineError `invalid_config`, `store_unavailable`.
    """
    url = env.get("ENGINE_CHECKPOINT_URL")
    if not url:
        return None
    interval = _interval(env.get("ENGINE_MIRROR_SECONDS"))
    return Mirroring(prepare_mirror(open_object_store(url), data_dir, log), log, interval)


def _interval(text: str | None) -> float:
    if not text:
        return DEFAULT_INTERVAL
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 < seconds < 3600:
        raise EngineError(
            "invalid_config", f"ENGINE_MIRROR_SECONDS is {text!r}: give seconds, over 0"
        )
    return seconds
