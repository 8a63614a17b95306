"""vLLM put together: a private folder for its socket, its process, its client."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from contract.log import Log
from engine.base_model import BaseModel
from engine.lora_model import Placement
from engine.loras import Loras
from engine.vllm.client import VllmClient
from engine.vllm.options import VllmOptions, serve_command, serve_environment
from engine.vllm.process import VllmProcess
from engine.vllm.serving import VllmServing


async def open_vllm(
    base: BaseModel, placement: Placement, loras: Loras, options: VllmOptions, log: Log
) -> VllmServing:
    """
    Ready to serve when it returns.

    Raises EngineError `engine_unavailable` with vLLM's last words and what to do.
    """
    # a socket in a folder of this user's: a port would let everybody here reach the routes that
    # vLLM guards with no key, /sleep among them
    room = TemporaryDirectory(prefix="vllm-")
    socket, api_key = Path(room.name) / "socket", secrets.token_urlsafe(32)

    def clear_the_way() -> None:
        with suppress(FileNotFoundError):
            socket.unlink()

    client = VllmClient(socket, api_key)
    process = VllmProcess(
        serve_command(options, base, placement.dtype, socket),
        serve_environment(options, api_key, placement.device),
        healthy=client.healthy,
        before_start=clear_the_way,
        start_seconds=options.start_seconds,
        log=log,
    )
    serving = VllmServing(base, placement.dtype, loras, client, process, options, log, room)
    try:
        await process.start()
    except BaseException:
        await serving.close()
        raise
    return serving
