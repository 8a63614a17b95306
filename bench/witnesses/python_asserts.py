"""
A checker of Python: an answer is the same where it passes the assertions that stand at the end of its request, as the
logged answer does. This proves equal results for the inputs of these assertions, and no more.

Each program runs in a process of its own, with limits of time, memory and files. They keep a mistake from harm, and no
attack: give it a sandbox without a network, such as bubblewrap.

    bwrap --ro-bind / / --dev /dev --proc /proc --unshare-all --die-with-parent \
      python3 bench/witnesses/python_asserts.py
"""

import resource
import secrets
import subprocess
import sys

from verdict import Asked, Verdict, tell

#: of a processor
CPU_SECONDS = 4
#: of a program that waits
SECONDS = 8
MEMORY_BYTES = 512 * 2**20


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def passes(program: str, assertions: str) -> bool:
    # drawn, so that a program that ends before its assertions does not pass
    passed = secrets.choice(range(100, 200))
    source = f"{program}\n{assertions}\nraise SystemExit({passed})\n"
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-"],
            input=source.encode(errors="replace"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            preexec_fn=limit,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == passed


def compare(asked: Asked) -> Verdict:
    _, begin, assertions = asked["query"].partition("\nassert ")
    if begin == "" or not passes(asked["logged"], begin + assertions):
        return "none"
    return "same" if passes(asked["answer"], begin + assertions) else "different"


tell(compare)
