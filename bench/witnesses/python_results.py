"""
A checker of Python: an answer is the same where it passes the assertions at the end of its request, as the logged answer
does, and gives the logged answer's results for 100 drawn inputs like theirs (CHECK_INPUTS; 0: the assertions alone). An
input for which the logged answer fails says nothing. This proves equal results for these inputs, and no more.

Each program runs in a process of its own, with limits of time, memory and files. They keep a mistake from harm, and no
attack: give it a sandbox without a network, such as bubblewrap.

    bwrap --ro-bind / / --dev /dev --proc /proc --unshare-all --die-with-parent \
      python3 bench/witnesses/python_results.py
"""

import ast
import json
import os
import random
import resource
import signal
import subprocess
import sys

from verdict import Asked, Verdict, tell

INPUTS = int(os.environ.get("CHECK_INPUTS", "100"))
#: of a processor: for a call, and for a program with all calls
CALL_SECONDS = 0.03
CPU_SECONDS = 4
#: of a program that waits
SECONDS = 8
MEMORY_BYTES = 512 * 2**20
#: of a result
MOST_CHARS = 1000


def drawn(draw: random.Random, value):
    """A value of the same type and a like size."""
    if isinstance(value, bool):
        return draw.random() < 0.5
    if isinstance(value, (int, float)):
        return draw.choice([value, value + draw.randint(-3, 3), type(value)(draw.randint(0, 30))])
    if isinstance(value, dict):
        return {key: drawn(draw, one) for key, one in value.items()}
    if not isinstance(value, (str, list, tuple, set)):
        return value
    parts = [one if isinstance(value, str) else drawn(draw, one) for one in value]
    if draw.random() < 0.5:
        draw.shuffle(parts)
    if len(parts) > 0 and draw.random() < 0.5:
        parts.append(parts.pop(0) if draw.random() < 0.5 else draw.choice(parts))
    return "".join(parts) if isinstance(value, str) else type(value)(parts)


def arguments_in(program: str, assertions: str) -> list[tuple[str, list]]:
    """Of the calls in the assertions: the program's function and its arguments, where these are literals."""
    functions = {one.name for one in ast.parse(program).body if isinstance(one, ast.FunctionDef)}
    found = []
    for node in ast.walk(ast.parse(assertions)):
        if not isinstance(node, ast.Call) or getattr(node.func, "id", None) not in functions:
            continue
        try:
            found.append((node.func.id, [ast.literal_eval(one) for one in node.args]))
        except ValueError:
            continue
    return found


def calls_like(known: list[tuple[str, list]]) -> list[str]:
    draw = random.Random(0)
    if len(known) == 0:
        return []
    return [
        f"{name}({', '.join(repr(drawn(draw, one)) for one in arguments)})"
        for name, arguments in (draw.choice(known) for _ in range(INPUTS))
    ]


def shown(value) -> str:
    """A text that equal values have in common: floats with nine digits, sets in order."""
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, dict):
        pairs = (f"{shown(key)}: {shown(one)}" for key, one in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}({', '.join(map(shown, value))})"
    if isinstance(value, (set, frozenset)):
        return f"set({', '.join(sorted(map(shown, value)))})"
    return repr(value)


def too_long(*_) -> None:
    raise TimeoutError


def result_of(call: str, names: dict) -> str | None:
    """None where it fails or takes too long."""
    signal.setitimer(signal.ITIMER_VIRTUAL, CALL_SECONDS)
    try:
        return shown(eval(call, names))[:MOST_CHARS]
    except BaseException:
        return None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def run() -> None:
    """In the process of one program: its results to stdout, where it passes the assertions."""
    asked = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    signal.signal(signal.SIGVTALRM, too_long)
    names = {"__name__": "checked"}
    exec(asked["program"], names)
    exec(asked["assertions"], names)
    json.dump([result_of(call, names) for call in asked["calls"]], out)


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def results(program: str, assertions: str, calls: list[str]) -> list[str | None] | None:
    """None where the program does not pass the assertions."""
    try:
        done = subprocess.run(
            [sys.executable, __file__, "run"],
            input=json.dumps({"program": program, "assertions": assertions, "calls": calls}),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=SECONDS,
            preexec_fn=limit,
        )
        return json.loads(done.stdout) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        return None


def compare(asked: Asked) -> Verdict:
    _, begin, rest = asked["query"].partition("\nassert ")
    assertions = begin + rest
    try:
        calls = calls_like(arguments_in(asked["logged"], assertions))
    except (SyntaxError, ValueError):
        return "none"
    logged = results(asked["logged"], assertions, calls)
    if begin == "" or logged is None:
        return "none"
    answered = results(asked["answer"], assertions, calls)
    if answered is None:
        return "different"
    pairs = zip(logged, answered, strict=True)
    return "different" if any(one not in (None, other) for one, other in pairs) else "same"


if sys.argv[1:] == ["run"]:
    run()
else:
    tell(compare)
