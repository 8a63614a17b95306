"""
Runs a command for as long as stdin stays open: `python leash.py command argument …`. However its
parent ends, stdin ends with it, and then the whole process group is killed: vLLM computes in
processes below the one that was started, and none of them may keep the GPU's memory.

It leads its group, stands SIGTERM, which its parent sends to the group, and exits as the command.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def _kill_group_at_end_of_stdin() -> None:
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


def main(command: list[str]) -> int:
    # a handler, because the command would inherit that the signal is ignored
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"{command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        return 127
    threading.Thread(target=_kill_group_at_end_of_stdin, daemon=True).start()
    status = child.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    # not sys.exit: the thread holds stdin
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
