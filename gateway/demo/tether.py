"""How does a program end when the one that started it is killed? On Linux, by a signal that is arranged first.

`python -m gateway.demo.tether PARENT PROGRAM ARGUMENT…` arranges for SIGTERM on the death of its parent, whose
process id is PARENT, and becomes PROGRAM.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h; kept over execve, prctl(2)


def main(arguments: list[str]) -> None:
    """Become the program, or end at once when the parent has died already."""
    parent, program = int(arguments[0]), arguments[1:]
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == parent:
        os.execv(program[0], program)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
