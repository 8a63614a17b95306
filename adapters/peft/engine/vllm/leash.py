"""
Runs a command for as long as stdin stays open: `python leash.py command argument …`. However its
parent ends, stdin ends with it. vLLM computes in processes below the one that was started, and none
of them may keep the GPU's memory: they are one group, and when the first of it ends, or stdin does,
the whole group is killed.

Should the leash itself be killed, nobody is left to do that. So the group has a terminal, of which
the leash holds the other end: when that is closed, and when the first of the group ends, the system
sends all of them SIGHUP.

SIGTERM goes on to the group. The exit status is the command's, as a shell has it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from contextlib import suppress
from functools import partial

PR_SET_PDEATHSIG = 1


def _die_with_leash(terminal: int | None) -> None:
    """In the first of the group, before it runs the command."""
    if sys.platform == "linux":
        # sooner than by SIGHUP, which it may handle
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # nohup has it ignored, and who is started inherits that
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if terminal is not None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def _open_terminal() -> int | None:
    """Its other end stays open in this process alone. None where the system has none to give."""
    try:
        return pty.openpty()[1]
    except OSError:
        return None


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
            preexec_fn=partial(_die_with_leash, _open_terminal()),
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
