"""
Tinker's API by its official SDK: what its errors mean, and what it answered last. Knows nothing of
jobs and of what is served. The SDK reads TINKER_API_KEY and TINKER_BASE_URL itself.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import tinker

#: the engine's conditions by the status that the provider answers with
CONDITIONS = {401: "key-refused", 402: "unpaid", 403: "key-refused", 429: "throttled"}
#: statuses of what the provider has no more: a session, a run, weights
LOST = (404, 410)
#: calls that say nothing of the provider's work, and succeed while it is refused
ASIDE = ("heartbeat", "telemetry", "config", "retrieve_future", "cancel_future", "finish")
TIMEOUTS = (asyncio.TimeoutError, TimeoutError, concurrent.futures.TimeoutError)


def condition_of(status: int) -> str | None:
    return "away" if status >= 500 else CONDITIONS.get(status)


def trouble_of(error: BaseException) -> str | None:
    """
    A condition, or `lost` for what the provider has no more; None for every other error, which
    another attempt would meet again.
    """
    for cause in causes_of(error):
        if isinstance(cause, tinker.APIStatusError):
            return "lost" if cause.status_code in LOST else condition_of(cause.status_code)
        if isinstance(cause, (tinker.APIConnectionError, *TIMEOUTS)):
            return "away"
    return None


def causes_of(error: BaseException) -> list[BaseException]:
    """The error itself first. The SDK wraps what the provider answers."""
    causes = [error]
    while (inner := causes[-1].__cause__) is not None and inner not in causes:
        causes.append(inner)
    return causes


class Watch(logging.Handler):
    """
    The conditions that the provider's last answers mean. The SDK repeats refused calls for minutes
    without a word; httpx, which it calls by, logs the status of each of them. A condition ends when
    a call to the same place succeeds.
    """

    def __init__(self, on_change: Callable[[list[str]], None]) -> None:
        super().__init__(logging.INFO)
        self._on_change = on_change
        self._by_place: dict[str, str] = {}
        logger = logging.getLogger("httpx")
        logger.addHandler(self)
        logger.setLevel(logging.INFO)
        # a line for each call would fill the engine's log
        logger.propagate = False

    @property
    def conditions(self) -> list[str]:
        return sorted(set(self._by_place.values()))

    def emit(self, record: logging.LogRecord) -> None:
        arguments = record.args
        if isinstance(arguments, tuple) and len(arguments) == 5:
            # without the ids behind it: /api/v1/training_runs
            place = urlsplit(str(arguments[1])).path.split("/")[:4]
            self.see("/".join(place), arguments[3])

    def see(self, place: str, status: Any) -> None:
        """What a call to a place of the API was answered with."""
        if not isinstance(status, int) or any(aside in place for aside in ASIDE):
            return
        before = self.conditions
        condition = condition_of(status)
        if condition is not None:
            self._by_place[place] = condition
        elif status < 400:
            self._by_place.pop(place, None)
            # a key that is taken once is taken everywhere
            refused = [at for at, what in self._by_place.items() if what == "key-refused"]
            for at in refused:
                del self._by_place[at]
        if self.conditions != before:
            self._on_change(self.conditions)

    def set(self, condition: str, holds: bool) -> None:
        """A condition that no status says."""
        before = self.conditions
        if holds:
            self._by_place[f":{condition}"] = condition
        else:
            self._by_place.pop(f":{condition}", None)
        if self.conditions != before:
            self._on_change(self.conditions)


def supports(capabilities: Any, base_model: str) -> bool:
    """Whether the provider still has the base model."""
    return any(model.model_name == base_model for model in capabilities.supported_models)


def model_input(ids: list[int]) -> Any:
    return tinker.ModelInput.from_ints(ids)
