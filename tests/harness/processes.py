"""Child processes that end with this one, and others that outlive it."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def ends_with_parent(signal_number: int) -> Callable[[], None]:
    """For `preexec_fn`: even a killed test run leaves no server behind."""

    def request() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal_number)

    return request


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        # A zombie has ended; its parent has just not looked yet.
        with open(f"/proc/{pid}/stat") as status:
            return status.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def end(pid: int, *signals: int, patience: float = 15) -> None:
    """Sends the signals one after the other, each with time to act, and last SIGKILL."""
    for number in (*signals, signal.SIGKILL):
        if not is_alive(pid):
            return
        os.kill(pid, number)
        deadline = time.monotonic() + patience
        while is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.02)


def end_child(process: subprocess.Popen, *signals: int, patience: float = 15) -> None:
    end(process.pid, *signals, patience=patience)
    process.wait()
