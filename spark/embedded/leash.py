"""
Starts a program that the kernel ends when its parent ends, however that ends.

    python -I -S leash.py SIGNAL PARENT UID PROGRAM [ARGUMENT…]

A script of its own, run before the program in the same process, because both other
ways are worse: Popen's preexec_fn may deadlock in a parent with threads, and the
parent-death signal is forgotten when the uid changes, so it must be set after that.
(A spare has it before and after, spare.py.)
It imports nothing of Spark: it may run where the checkout cannot be read twice.

Elsewhere than on Linux no such signal exists; there the next start finds and ends
what a killed supervisor left (leftovers.py).
"""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_EXIT_ORPHANED = 125
_EXIT_NOT_STARTED = 127


def main(arguments: list[str]) -> None:
    """
    Drop to the uid (`-` keeps it), tie this process to its parent, become the program.

    What follows the uid after a colon is the one other group that the program is in.
    """
    death_signal, parent, uid, *program = arguments
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Python ignores these two for itself; a program must not inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    if uid != "-":
        number, *groups = map(int, uid.split(":"))
        drop(number, groups)
    tie(int(death_signal), int(parent))
    try:
        os.execv(program[0], program)  # noqa: S606  (becoming the program is the point)
    except OSError as error:
        sys.stderr.write(f"{program[0]}: {error.strerror}\n")
        sys.exit(_EXIT_NOT_STARTED)


def drop(uid: int, groups: list[int]) -> None:
    """Become a uid, its group, and a member of these groups; there is no way back."""
    os.setgroups(groups)
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def tie(death_signal: int, parent: int) -> None:
    """Have the kernel send this process a signal when its parent ends; on Linux."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    # It may have ended before the call; then nobody sends the signal any more.
    if os.getppid() != parent:
        sys.exit(_EXIT_ORPHANED)


if __name__ == "__main__":
    main(sys.argv[1:])
