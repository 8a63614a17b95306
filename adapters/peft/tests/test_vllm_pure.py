"""What of serving by vLLM needs no process: options, wire format, probe, residency, restarts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from contract.errors import EngineError
from engine.gpu_sharing import Pause
from engine.probe import (
    Probe,
    changes_nothing,
    contradiction,
    encode_probe,
    measure_probe,
    read_probe,
    tolerance_of,
)
from engine.rows import TokenizedRow
from engine.sampler import Sampling, TokenChoice
from engine.vllm.child import start_child
from engine.vllm.options import (
    VllmOptions,
    limited,
    serve_command,
    serve_environment,
    vllm_options,
)
from engine.vllm.process import VllmProcess
from engine.vllm.residency import Residency
from engine.vllm.wire import completion_body, events_of, failure, read_scores, read_step
from serve import Generation
from tiny_model import tiny_base


def asked(**fields) -> Generation:
    usual = {
        "prompt_ids": [5, 6],
        "lora": None,
        "max_tokens": 7,
        "sampling": Sampling(0.5, 0.9, 3),
        "stop": ["\n"],
        "top_logprobs": 2,
        "choices": None,
        "json_object": False,
    }
    return Generation(**{**usual, **fields})


def test_the_environment_decides_who_serves():
    command = {"ENGINE_VLLM_COMMAND": "/opt/vllm serve"}
    assert vllm_options({}, on_gpu=False) is None
    assert vllm_options(command, on_gpu=False) is None
    assert vllm_options({**command, "ENGINE_SERVING": "transformers"}, on_gpu=True) is None
    chosen = vllm_options(command, on_gpu=True)
    assert chosen is not None and chosen.command == ("/opt/vllm", "serve")
    assert (chosen.sharing, chosen.serving_share, chosen.training_share) == ("pause", 0.9, 1.0)
    split = vllm_options(
        {
            **command,
            "ENGINE_SERVING": "vllm",
            "ENGINE_GPU_SHARING": "split",
            "ENGINE_VLLM_ARGS": "--seed 1",
            "ENGINE_TOKEN": "secret",
        },
        on_gpu=False,
    )
    assert split is not None and split.arguments == ("--seed", "1")
    assert split.training_share == pytest.approx(0.5)
    assert "secret" not in split.environment.values()


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({"ENGINE_SERVING": "tgi"}, "ENGINE_SERVING"),
        ({"ENGINE_GPU_SHARING": "both"}, "ENGINE_GPU_SHARING"),
        ({"ENGINE_VLLM_MEMORY": "much"}, "ENGINE_VLLM_MEMORY"),
        ({"ENGINE_VLLM_MEMORY": "1.5"}, "ENGINE_VLLM_MEMORY"),
        ({"ENGINE_VLLM_MAX_LORAS": "0"}, "ENGINE_VLLM_MAX_LORAS"),
        ({"ENGINE_VLLM_MAX_LORAS": "4"}, "ENGINE_VLLM_MAX_BATCH_LORAS"),
        ({"ENGINE_VLLM_MAX_LORA_RANK": "24"}, "ENGINE_VLLM_MAX_LORA_RANK"),
        ({"ENGINE_VLLM_MAX_MODEL_LEN": "long"}, "ENGINE_VLLM_MAX_MODEL_LEN"),
    ],
)
def test_a_wrong_variable_is_named(variables, names):
    with pytest.raises(EngineError, match=names) as caught:
        vllm_options({"ENGINE_VLLM_COMMAND": "vllm", **variables}, on_gpu=True)
    assert caught.value.code == "invalid_config"


def test_the_command_says_what_is_served_and_keeps_the_key(tmp_path):
    base = tiny_base(tmp_path)
    options = VllmOptions(arguments=("--seed", "1"))
    command = serve_command(options, base, "bfloat16", tmp_path / "socket")
    assert command[:4] == [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve"]
    assert command[4] == str(base.folder) and command[-2:] == ["--seed", "1"]
    for name, value in [
        ("--served-model-name", "tiny"),
        ("--max-model-len", "512"),
        ("--generation-config", "vllm"),
        ("--max-cpu-loras", "32"),
        ("--max-lora-rank", "32"),
        ("--max-num-batched-tokens", "2048"),
    ]:
        assert command[command.index(name) + 1] == value
    assert "--enable-prefix-caching" in command and "--enable-sleep-mode" in command
    assert "key" not in " ".join(command)
    environment = serve_environment(options, "the key", "cuda")
    assert environment["VLLM_API_KEY"] == "the key"
    assert environment["VLLM_SERVER_DEV_MODE"] == "1"
    assert "VLLM_SERVER_DEV_MODE" not in serve_environment(VllmOptions(sharing="split"), "k", "cpu")
    assert "CUDA_VISIBLE_DEVICES" not in environment


@pytest.mark.parametrize(
    ("device", "seen", "given"),
    [("cuda:2", None, "2"), ("cuda:1", "4,6", "6"), ("cuda", "4,6", "4,6"), ("cuda:0", "", "0")],
)
def test_vllm_sees_the_gpu_of_the_engine_alone(device, seen, given):
    environment = {} if seen is None else {"CUDA_VISIBLE_DEVICES": seen}
    made = serve_environment(VllmOptions(environment=environment), "k", device)
    assert made["CUDA_VISIBLE_DEVICES"] == given


def test_no_context_is_longer_than_what_vllm_serves(tmp_path):
    base = tiny_base(tmp_path)
    assert base.config.max_positions == 512
    shorter = vllm_options(
        {"ENGINE_VLLM_COMMAND": "vllm", "ENGINE_VLLM_MAX_MODEL_LEN": "300"}, on_gpu=True
    )
    assert shorter is not None and limited(base, VllmOptions()).config.max_positions == 512
    served = limited(base, shorter)
    assert served.config.max_positions == 300 and served.fingerprint == base.fingerprint
    command = serve_command(shorter, served, "bfloat16", tmp_path / "socket")
    assert command[command.index("--max-model-len") + 1] == "300"


def test_a_request_asks_for_tokens():
    body = completion_body("tiny", asked(), [2, 9])
    assert body["prompt"] == [5, 6] and body["stop_token_ids"] == [2, 9]
    assert (body["temperature"], body["top_p"], body["seed"], body["logprobs"]) == (0.5, 0.9, 3, 2)
    assert "stop" not in body and "structured_outputs" not in body and "cache_salt" not in body
    chosen = completion_body("tiny", asked(choices=["a", "b"]), [2])
    assert chosen["structured_outputs"] == {"choice": ["a", "b"]}
    written = completion_body("tiny", asked(json_object=True), [2])
    assert written["structured_outputs"] == {"json_object": True}
    salts = {completion_body("t", asked(cache_prompt=False), [2])["cache_salt"] for _ in range(3)}
    assert len(salts) == 3 and all(len(salt) >= 43 for salt in salts)


def chunk(**choice) -> str:
    return json.dumps({"choices": [{"index": 0, "text": "", "finish_reason": None, **choice}]})


def test_a_step_has_tokens_and_what_else_was_likely():
    logprobs = {
        "tokens": ["token_id:7"],
        "token_logprobs": [-2.5],
        "top_logprobs": [{"token_id:7": -2.5, "token_id:3": -0.1, "token_id:4": 1e-7}],
    }
    step = read_step(chunk(token_ids=[7], logprobs=logprobs))
    assert step is not None and step.finish_reason is None
    (token,) = step.tokens
    assert (token.token_id, token.logprob) == (7, -2.5)
    assert token.top == (TokenChoice(4, 0.0), TokenChoice(3, -0.1), TokenChoice(7, -2.5))
    assert read_step(chunk(token_ids=[], logprobs=None)) is None
    ended = read_step(chunk(finish_reason="length"))
    assert ended is not None and ended.finish_reason == "length"


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (chunk(finish_reason="abort"), "engine_unavailable", "abort"),
        (json.dumps({"error": {"message": "dead"}}), "engine_unavailable", "dead"),
        (json.dumps({"choices": []}), "internal", "install the group vllm"),
        (chunk(token_ids=[1]), "internal", "install the group vllm"),
        ("nonsense", "internal", "install the group vllm"),
    ],
)
def test_a_step_that_is_none_raises(data, code, says):
    with pytest.raises(EngineError, match=says) as caught:
        read_step(data)
    assert caught.value.code == code


def test_scores_are_of_every_token_but_the_first():
    entries = [None, {"6": {"logprob": -1.0}, "9": {"logprob": -0.1}}]
    choice = {"prompt_logprobs": entries, "logprobs": {"token_logprobs": [-2.0]}}
    assert read_scores({"choices": [choice]}, [5, 6, 7]) == [-1.0, -2.0]
    with pytest.raises(EngineError, match="log-probabilities"):
        read_scores({"choices": [{**choice, "prompt_logprobs": None}]}, [5, 6, 7])


def test_statuses_say_whose_fault_it_is():
    assert failure(400, {"error": {"message": "m"}}).code == "invalid_request"
    assert failure(404, {"error": {"message": "m"}}).code == "engine_unavailable"
    assert failure(500, "plain text").message.endswith("plain text")


async def pieces(content: bytes, size: int):
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("size", range(1, 12))
async def test_events_are_read_however_they_are_cut(size):
    # U+2028 is a line's end to some, and none to server-sent events
    content = 'data: {"a": "é\u2028"}\n\n: silence\n\ndata: {}\n\ndata: [DONE]\n\n'.encode()
    assert [data async for data in events_of(pieces(content, size))] == ['{"a": "é\u2028"}', "{}"]
    with pytest.raises(EngineError, match="middle of an answer"):
        async for _ in events_of(pieces(content[:-9], size)):
            pass


def probe(base: list[float], lora: list[float], placement: str = "float32") -> Probe:
    return Probe([1, 2], [[3], [4]], base, lora, placement)


def test_a_probe_is_of_all_answers_and_is_kept(tmp_path):
    rows = [TokenizedRow([1], [token, 9], 1) for token in (3, 4, 5)]
    made = measure_probe(
        rows,
        lambda row: [-3.0, -0.5],
        lambda row: [-3.0 + row.completion_ids[0], -0.5],
        "float32",
    )
    assert made.completions == [[3, 9], [4, 9], [5, 9]]
    assert made.base == [-3.0, -0.5] * 3 and made.lora == [0.0, -0.5, 1.0, -0.5, 2.0, -0.5]
    (tmp_path / "probe.json").write_bytes(encode_probe(made))
    assert read_probe(tmp_path) == made
    (tmp_path / "probe.json").write_bytes(encode_probe(made)[:-9])
    assert read_probe(tmp_path) is None


def test_a_served_change_must_be_the_trained_one():
    exact, coarse = tolerance_of("float32"), tolerance_of("float32", "bfloat16")
    assert tolerance_of("bfloat16 4-bit", "bfloat16").share > coarse.share > exact.share
    strong = probe([-3.0, -4.0], [-0.1, -0.2])
    assert contradiction(strong, [-3.0, -4.0], [-0.1, -0.2], exact) is None
    # another kernel says all a little otherwise, the change is the same
    assert contradiction(strong, [-3.2, -4.1], [-0.3, -0.3], coarse) is None
    not_applied = contradiction(strong, [-3.0, -4.0], [-3.0, -4.0], coarse)
    assert not_applied is not None and "changes nothing" in not_applied
    # scaled by half, or another lora
    assert contradiction(strong, [-3.0, -4.0], [-1.5, -2.1], coarse) is not None
    assert contradiction(strong, [-3.0, -4.0], [-0.1, -9.0], coarse) is not None
    # bfloat16 may be as far off as float32 may not
    assert contradiction(strong, [-3.0, -4.0], [-0.4, -0.5], exact) is not None
    assert contradiction(strong, [-3.0, -4.0], [-0.4, -0.5], coarse) is None
    # nothing can be told of a change that is less than rounding
    weak = probe([-3.0, -4.0], [-3.001, -4.0])
    assert contradiction(weak, [-3.0, -4.0], [-3.0, -4.0], coarse) is None
    broken = contradiction(strong, [-3.0, -4.0], [float("nan"), -0.2], coarse)
    assert broken is not None and "numbers" in broken
    # another base model, on which the change happens to be the same
    other = contradiction(strong, [-5.0, -4.0], [-2.1, -0.2], coarse)
    assert other is not None and "base model" in other


def test_a_weak_lora_is_judged_by_the_noise_that_the_base_model_shows():
    tolerance, random = tolerance_of("bfloat16"), np.random.default_rng(7)
    refused = {noise: [0, 0, 0] for noise in (0.005, 0.1, 0.3)}
    for noise, counts in refused.items():
        for _ in range(400):
            base, change, *rounding = random.normal(0, 1, (4, 21))
            trained = probe(list(base), list(base + 0.2 * change), "bfloat16")
            without = base + noise * rounding[0]
            served = base + 0.2 * change + noise * rounding[1]
            absent = without + 0.001 * rounding[1]
            other = without - 0.2 * change
            for place, values in enumerate((served, absent, other)):
                counts[place] += contradiction(trained, without, values, tolerance) is not None
    # a good one is served whatever the noise: 0.3 nats a token are six times the allowance of old
    assert all(good <= 1 for good, _, _ in refused.values())
    # and where the noise is smaller than its change, its absence is seen
    assert refused[0.005][1:] == [400, 400]


def test_a_lora_without_a_probe_must_change_more_than_asking_again_does():
    base = [-3.0, -4.0]
    assert changes_nothing(base, base, base)
    assert not changes_nothing(base, base, [-3.0, -4.0001])
    assert changes_nothing(base, [-3.1, -4.0], [-3.0, -4.1])
    assert not changes_nothing(base, [-3.1, -4.0], [-3.0, -5.0])


class Loads:
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.incarnation = 1
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self, lora: str) -> None:
        self.calls.append(f"+{lora}")
        await self.gate.wait()
        if self.fails:
            raise EngineError("internal", "it cannot be loaded")

    async def unload(self, lora: str) -> None:
        self.calls.append(f"-{lora}")

    def residency(self, max_loras: int) -> Residency:
        return Residency(
            load=self.load,
            unload=self.unload,
            incarnation=lambda: self.incarnation,
            max_loras=max_loras,
        )


async def use(residency: Residency, *loras: str) -> None:
    for lora in loras:
        async with residency.use(lora):
            pass


async def test_the_least_recently_used_gives_way():
    loads = Loads()
    residency = loads.residency(2)
    await use(residency, "a", "b", "a", "c", "a", "b")
    assert loads.calls == ["+a", "+b", "-b", "+c", "-c", "+b"]
    await residency.drop("a")
    await residency.drop("unknown")
    assert loads.calls[-1] == "-a"


async def test_one_that_is_used_stays_until_it_is_not():
    loads = Loads()
    residency = loads.residency(1)
    async with residency.use("a"):
        waiting = asyncio.create_task(use(residency, "b"))
        await asyncio.sleep(0.01)
        # a new request for the one that leaves has to wait, or it would never leave
        late = asyncio.create_task(use(residency, "a"))
        await asyncio.sleep(0.01)
        assert loads.calls == ["+a"] and not late.done()
    await asyncio.gather(waiting, late)
    assert loads.calls == ["+a", "-a", "+b", "-b", "+a"]


async def test_a_lora_is_loaded_once_for_many_and_again_after_a_failure():
    loads = Loads()
    residency = loads.residency(2)
    loads.gate.clear()
    many = [asyncio.create_task(use(residency, "a")) for _ in range(3)]
    await asyncio.sleep(0.01)
    # who gives up leaves the others what was begun
    many[0].cancel()
    loads.gate.set()
    await asyncio.gather(*many[1:])
    assert loads.calls == ["+a"]
    await asyncio.wait_for(residency.drop("a"), 5)
    await use(residency, "a")
    loads.calls = ["+a"]
    loads.fails = True
    with pytest.raises(EngineError):
        await use(residency, "b")
    loads.fails = False
    await use(residency, "b", "b")
    assert loads.calls == ["+a", "+b", "+b"]


async def test_a_new_server_has_none_of_the_loras():
    loads = Loads()
    residency = loads.residency(2)
    await use(residency, "a", "b")
    loads.incarnation = 2
    await use(residency, "a", "c", "a")
    # nothing is unloaded from one that never had it
    assert loads.calls == ["+a", "+b", "+a", "+c"]


class Pauses:
    def __init__(self) -> None:
        self.calls: list[str] = []

    async def pause(self) -> None:
        self.calls.append("pause")

    async def resume(self) -> None:
        self.calls.append("resume")


async def test_serving_pauses_once_for_jobs_that_overlap_and_resumes_whatever_happens():
    serving = Pauses()
    sharing = Pause(serving)
    async with sharing.training(), sharing.training():
        assert serving.calls == ["pause"]
    assert serving.calls == ["pause", "resume"]
    with pytest.raises(ValueError):
        async with sharing.training():
            raise ValueError
    assert serving.calls == ["pause", "resume"] * 2


BELOW = (
    "import subprocess, sys, time\n"
    "below = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print(below.pid, flush=True)\n"
)


@pytest.mark.parametrize(
    ("then", "status"),
    [
        # by itself, by a signal, because it is asked to, because it does not listen
        ("sys.exit(3)", 3),
        ("import os; os.kill(os.getpid(), 9)", 128 + 9),
        ("time.sleep(60)", None),
        ("import signal; signal.signal(15, 1); print('deaf', flush=True); time.sleep(60)", None),
    ],
)
async def test_a_child_and_what_it_started_end_together(then, status):
    lines: list[str] = []
    child = await start_child([sys.executable, "-c", BELOW + then], {}, lines.append)
    while len(lines) < (2 if "deaf" in then else 1):
        await asyncio.sleep(0.01)
    if status is not None:
        assert await asyncio.wait_for(child.wait(), 20) == status
    await asyncio.wait_for(child.end(0.5), 20)
    assert child.ended
    await gone(int(lines[0]))


@pytest.mark.parametrize("hangup", [signal.SIG_DFL, signal.SIG_IGN])
async def test_a_child_and_what_it_started_end_with_its_leash(hangup):
    lines: list[str] = []
    code = BELOW + "import os; print(os.getpid(), os.getppid(), flush=True); time.sleep(60)"
    before = signal.signal(signal.SIGHUP, hangup)
    try:
        child = await start_child([sys.executable, "-c", code], {}, lines.append)
    finally:
        signal.signal(signal.SIGHUP, before)
    while len(lines) < 2:
        await asyncio.sleep(0.01)
    below, (pid, leash) = int(lines[0]), map(int, lines[1].split())
    os.kill(leash, signal.SIGKILL)
    await gone(pid)
    await gone(below)
    await child.end(0)


async def gone(pid: int) -> None:
    """Until nothing of a process is left but its exit status."""
    deadline = asyncio.get_running_loop().time() + 20
    while True:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)


async def test_a_child_ends_with_whoever_started_it():
    peft = Path(__file__).parent.parent
    parent = (
        "import asyncio, sys\n"
        f"sys.path.insert(0, {str(peft)!r})\n"
        "from engine.vllm.child import start_child\n"
        "async def main():\n"
        "    code = 'import os, time; print(os.getpid(), flush=True); time.sleep(60)'\n"
        "    await start_child([sys.executable, '-c', code], {}, lambda pid: print(pid, flush=1))\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", parent), stdout=asyncio.subprocess.PIPE
    )
    pid = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    await gone(pid)


async def test_a_process_comes_back_unless_it_is_held(tmp_path):
    # healthy while the file is there that it makes when it starts
    sign = tmp_path / "sign"
    script = f"import time; open({str(sign)!r}, 'w').close(); time.sleep(60)"

    async def healthy() -> bool:
        return sign.exists()

    process = VllmProcess(
        [sys.executable, "-c", script],
        {},
        healthy=healthy,
        before_start=lambda: sign.unlink(missing_ok=True),
        start_seconds=30,
        log=lambda *_, **__: None,
    )
    with pytest.raises(EngineError, match="not been started"):
        process.require_running()
    await process.start()
    assert process.incarnation == 1
    await process.hold()
    await process.end_this_one()
    with pytest.raises(EngineError, match="started again"):
        process.require_running()
    await asyncio.sleep(1.5)
    assert process.incarnation == 1
    await process.release()
    await process.wait_running()
    assert process.incarnation == 2
    await process.close()
    with pytest.raises(EngineError, match="shutting down"):
        await process.wait_running()
