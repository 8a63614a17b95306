"""
Greedy answers for the parity test, as JSON on stdout. Arguments: model folder, data folder, and a
file with {"model", "prompts", "max_tokens"}.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

# the folder above holds the engine, as for the entry scripts
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from contract.backend import ChatRequest, Message, TokenDelta  # noqa: E402
from engine.lora_model import Placement  # noqa: E402
from engine.opening import open_backend  # noqa: E402


def warn(level: str, message: str, fields: Any = None, **more: Any) -> None:
    print(level, message, fields, file=sys.stderr)


async def answers(model_path: Path, data_dir: Path, asked: dict[str, Any]) -> list[str]:
    placement = Placement("cpu", "float32")
    backend = await open_backend(model_path, data_dir, warn, placement=placement)
    texts = []
    for prompt in asked["prompts"]:
        request = ChatRequest(
            model=asked["model"],
            messages=[Message("user", prompt)],
            max_tokens=asked["max_tokens"],
            temperature=0,
            top_p=1,
            seed=0,
            stop=[],
            logprobs=False,
            top_logprobs=0,
            json_object=False,
            choice=None,
            cache_prompt=True,
        )
        items = [item async for item in backend.complete(request)]
        texts.append("".join(item.text for item in items if isinstance(item, TokenDelta)))
    await backend.close()
    return texts


if __name__ == "__main__":
    model_path, data_dir, file = map(Path, sys.argv[1:])
    print(json.dumps(asyncio.run(answers(model_path, data_dir, json.loads(file.read_text())))))
