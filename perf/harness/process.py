# SPDX-License-Identifier: MIT
"""Programs under measurement: started pinned, waited for, and all ended.

Each is a fresh process in a session of its own and dies with this one, whatever ends
it: Ctrl-C, an error, or SIGKILL.
"""

import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

START_S = 10.0
STOP_S = 2.0
DYING_S = 0.5
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_running = []
_next_port = [0]


class Failure(Exception):
    """One line for the user: what went wrong and what to do."""

    status = 1  # that the program ends with


class Misuse(Failure):
    """The command line asked for something that there is not."""

    status = 2


class Process:
    """A started program; `log` holds what it printed."""

    def __init__(self, name, command, cpu, **popen):
        self.name = name
        self.log = tempfile.TemporaryFile()  # pylint: disable=consider-using-with
        options = {"stdin": subprocess.DEVNULL, "stdout": self.log, **popen}

        def prepare():
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})

        try:
            self.popen = subprocess.Popen(  # pylint: disable=consider-using-with
                [str(word) for word in command],
                stderr=self.log,
                start_new_session=True,
                preexec_fn=prepare,
                **options,
            )
        except OSError as error:
            raise Failure(f"cannot start {name}: {error.strerror}: {command[0]}") from None
        _running.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def is_alive(self):
        return self.popen.poll() is None

    def dies_soon(self):
        """Whether it has ended or is about to: a load may notice first."""
        try:
            self.popen.wait(DYING_S)
        except subprocess.TimeoutExpired:
            return False
        return True

    def said(self):
        """The last line that it printed."""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").split("\n")
        lines = [line.strip() for line in lines if line.strip()]
        return lines[-1] if lines else "it said nothing"

    def _signal(self, number):
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def stop(self):
        """End it, gently for two seconds."""
        self._signal(signal.SIGTERM)
        try:
            self.popen.wait(STOP_S)
        except subprocess.TimeoutExpired:
            pass
        self._signal(signal.SIGKILL)
        self.popen.wait()
        self.log.close()
        if self in _running:
            _running.remove(self)


def stop_all():
    """End whatever still runs, the newest first."""
    for process in reversed(list(_running)):
        process.stop()


def first_port(port):
    """Hand out ports from here on."""
    _next_port[0] = port


def free_port():
    """A port on which nobody listens, not handed out before."""
    if not 1024 < _next_port[0] < 29900:
        _next_port[0] = 20000 + os.getpid() % 5000
    while listens(_next_port[0]):
        _next_port[0] += 1
    _next_port[0] += 1
    return _next_port[0] - 1


def listens(port, kind="tcp"):
    """Whether somebody listens there (TCP) or has bound it (UDP)."""
    state = {"tcp": "0A", "udp": "07"}[kind]
    for name in (kind, kind + "6"):
        path = pathlib.Path("/proc/net", name)
        if not path.exists():
            continue
        for line in path.read_text().splitlines()[1:]:
            words = line.split()
            if words[1].endswith(f":{port:04X}") and words[3] == state:
                return True
    return False


def serve(name, command, cpu, address, kind="tcp"):
    """Start a server and wait until it listens on `address`."""
    port = int(address.rsplit(":", 1)[1])
    process = Process(name, command, cpu)
    end = time.monotonic() + START_S
    while not listens(port, kind):
        if not process.is_alive():
            raise Failure(f"{name} ended at once: {process.said()}")
        if time.monotonic() > end:
            raise Failure(f"{name} does not listen on {address}: {process.said()}")
        time.sleep(0.005)
    return process


def check_port(port):
    """Fail when somebody has `port` already, which only --port can bring about."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Failure(
                f"port {port}: {error.strerror}; choose another one with --port"
            ) from None
