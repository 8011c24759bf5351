# SPDX-License-Identifier: MIT
"""Who is measured: for each system the command of each role it can play.

A command gets the address to listen on appended, and a proxy also that of its backend.
What makes each one its best honest self is written down in perf/peers/README.md and
perf/baseline/.
"""

import os
import subprocess

from . import machine

ROLES = ("echo", "udp", "sink", "fanout", "proxy", "file", "micro")

# {B} is the build folder, {P} perf/. One shard, one thread, one process for everybody.
SYSTEMS = {
    "torc": {
        "echo": "{B}/examples/echo",
        "udp": "{B}/perf/servers/udp",
        "sink": "{B}/perf/servers/sink",
        "fanout": "{B}/perf/servers/fanout",
        "proxy": "{B}/torc-proxy --shards 1",
        "file": "{B}/perf/servers/file",
        "micro": "{B}/perf/bench",
    },
    "torc-busy": {"proxy": "{B}/torc-proxy --shards 1 --busy-poll"},
    "torc-epoll": {
        "echo": "env TORC_ENGINE=epoll {B}/examples/echo",
        "udp": "env TORC_ENGINE=epoll {B}/perf/servers/udp",
        "sink": "env TORC_ENGINE=epoll {B}/perf/servers/sink",
        "fanout": "env TORC_ENGINE=epoll {B}/perf/servers/fanout",
        "proxy": "env TORC_ENGINE=epoll {B}/torc-proxy --shards 1",
        "file": "env TORC_ENGINE=epoll {B}/perf/servers/file",
    },
    "epoll": {
        "echo": "{B}/perf/baseline/epoll_echo",
        "udp": "{B}/perf/baseline/epoll_udp",
        "sink": "{B}/perf/baseline/epoll_sink",
        "fanout": "{B}/perf/baseline/epoll_fanout",
        "proxy": "{B}/perf/baseline/epoll_proxy",
        "file": "{B}/perf/baseline/pread_file",
    },
    "liburing": {
        "echo": "{B}/perf/baseline/uring_echo",
        "udp": "{B}/perf/baseline/uring_udp",
        "sink": "{B}/perf/baseline/uring_sink",
        "fanout": "{B}/perf/baseline/uring_fanout",
        "proxy": "{B}/perf/baseline/uring_proxy",
        "file": "{B}/perf/baseline/uring_file --fixed",
    },
    "liburing-plain": {"file": "{B}/perf/baseline/uring_file"},
    "haproxy": {"proxy": "{P}/peers/haproxy"},
    "haproxy-busy": {"proxy": "{P}/peers/haproxy --busy-polling"},
    "haproxy-splice": {"proxy": "{P}/peers/haproxy --splice"},
    "nginx": {"proxy": "{P}/peers/nginx"},
    "tokio": {
        role: "{B}/perf/peers/tokio-peer " + role for role in ROLES
    },
    "libuv": {
        role: "{B}/perf/peers/libuv-peer " + role
        for role in ("echo", "udp", "sink", "fanout", "proxy")
    },
    "asio": {
        role: "{B}/perf/peers/asio-peer " + role for role in ("echo", "proxy")
    },
    "go": {role: "{B}/perf/peers/go-peer " + role for role in ("echo", "proxy")},
    "socat": {"proxy": "{P}/peers/socat"},
}

# Not runtimes to beat but torc in another mode, or a peer's other mode.
VARIANTS = {"torc-busy", "torc-epoll", "liburing-plain"}


def names():
    """All peers, in the order in which they are shown."""
    return [name for name in SYSTEMS if name != "torc" and name not in VARIANTS]


def plays(system, role):
    """Whether the system has a program for the role."""
    return role in SYSTEMS[system]


def command(system, role, *arguments):
    """The command's words: the role's program, then the arguments."""
    places = {"B": machine.build_folder(), "P": machine.ROOT / "perf"}
    words = SYSTEMS[system][role].split()
    return [*(word.format(**places) for word in words), *arguments]


def installed():
    """{peer: (is installed, version or what to install)}, as perf/peers/list says."""
    shown = subprocess.run(
        [machine.ROOT / "perf/peers/list"],
        capture_output=True,
        text=True,
        check=False,
        cwd=machine.ROOT,
        env={**os.environ, "B": str(machine.build_folder())},
    )
    rows = [line.split("\t") for line in shown.stdout.splitlines()]
    return {row[0]: (row[1] == "installed", row[2]) for row in rows if len(row) == 3}
