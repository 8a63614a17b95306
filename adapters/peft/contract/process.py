"""The engine as a process: environment in, a port and JSON lines out. Knows no backend."""

import asyncio
import json
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from contract.backend import Backend
from contract.disk import check_folder
from contract.error_body import to_engine_error
from contract.errors import EngineError
from contract.host import HostOptions, open_host
from contract.log import Log, LogHandler, json_log

DEFAULT_PORT = 8000
KEEP_ALIVE_SECONDS = 120
LAST_ANSWERS_SECONDS = 2
"""what answers under way get when the process is told to end"""

CreateBackend = Callable[[Path, Log], Awaitable[Backend]]
"""from the data directory"""


@dataclass(frozen=True)
class ProcessConfig:
    token: str
    data_dir: Path
    host: str
    port: int
    """0 takes a free one"""


def required(env: Mapping[str, str], name: str) -> str:
    """Raises EngineError `invalid_config`."""
    value = env.get(name)
    if not value:
        raise EngineError("invalid_config", f"{name} is not set")
    return value


def _port(env: Mapping[str, str]) -> int:
    text = env.get("ENGINE_PORT") or str(DEFAULT_PORT)
    port = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= port <= 65535:
        raise EngineError("invalid_config", f"ENGINE_PORT is no port: {text}")
    return port


def read_config(env: Mapping[str, str]) -> ProcessConfig:
    """Raises EngineError `invalid_config`."""
    return ProcessConfig(
        token=required(env, "ENGINE_TOKEN"),
        data_dir=Path(required(env, "ENGINE_DATA_DIR")),
        host=env.get("ENGINE_HOST") or "127.0.0.1",
        port=_port(env),
    )


class _Server(uvicorn.Server):
    """A server that leaves signals to the process and says when it listens."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_listening()


def _bind(config: ProcessConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
    except OSError as error:
        listener.close()
        address = f"{config.host}:{config.port}"
        raise EngineError("invalid_config", f"cannot listen on {address}: {error}") from error
    return listener


def _report(report: dict[str, Any]) -> None:
    """For whoever started the process: one line on stdout."""
    print(json.dumps(report), flush=True)


async def _serve(app: Starlette, listener: socket.socket, stop: asyncio.Event, log: Log) -> None:
    """Returns when `stop` is set and the last answers are out or have had their time."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # a client that reuses a connection must not meet its end
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=LAST_ANSWERS_SECONDS,
    )
    port = listener.getsockname()[1]

    def on_listening() -> None:
        log("info", "listening", {"port": port})
        _report({"port": port})

    server = _Server(config, on_listening)
    serving = asyncio.create_task(server.serve([listener]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopping.cancel()
    await serving


async def _run(env: Mapping[str, str], create_backend: CreateBackend, log: Log) -> None:
    config = read_config(env)
    listener = _bind(config)
    await asyncio.to_thread(check_folder, config.data_dir)
    backend = await create_backend(config.data_dir, log)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    host = await open_host(HostOptions(backend, config.data_dir, config.token, log))
    try:
        await _serve(host.app, listener, stop, log)
    finally:
        await host.close()


def run_engine_process(name: str, env: Mapping[str, str], create_backend: CreateBackend) -> int:
    """
    Runs an engine until SIGTERM and returns its exit status.

    `env`: ENGINE_TOKEN, ENGINE_DATA_DIR, ENGINE_HOST, ENGINE_PORT, LOG_LEVEL. Prints `{"port": N}`
    on stdout when it listens, `{"error": {code, message}}` when it cannot start.
    """
    log = json_log(name, env.get("LOG_LEVEL", "info"))
    logging.basicConfig(handlers=[LogHandler(log)], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    try:
        asyncio.run(_run(env, create_backend, log))
        return 0
    except Exception as thrown:
        error = to_engine_error(thrown)
        fields = {"code": error.code, "error": error.message}
        log("error", "the engine cannot start", fields)
        _report({"error": {"code": error.code, "message": error.message}})
        return 1
