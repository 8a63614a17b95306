"""
Runs a command for as long as stdin stays open: `python leash.py command argument …`. However its
parent ends, stdin ends with it. vLLM computes in processes below the one that was started, and none
of them may keep the GPU's memory: they are one group, and when the first of it ends, or stdin does,
the whole group is killed.

SIGTERM goes on to the group. The exit status is the command's, as a shell has it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

PR_SET_PDEATHSIG = 1


def _die_with_leash() -> None:
    """Should the leash itself be killed; on Linux alone, elsewhere the group would go on."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal_group(leader: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _kill_at_end_of_stdin(leader: int) -> None:
    while os.read(0, 4096):
        pass
    _signal_group(leader, signal.SIGKILL)


def main(command: list[str]) -> int:
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_leash,
        )
    except OSError as error:
        print(f"{command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        return 127
    signal.signal(signal.SIGTERM, lambda *_: _signal_group(child.pid, signal.SIGTERM))
    threading.Thread(target=_kill_at_end_of_stdin, args=[child.pid], daemon=True).start()
    status = child.wait()
    _signal_group(child.pid, signal.SIGKILL)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    # not sys.exit: the thread holds stdin
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
