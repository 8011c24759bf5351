# SPDX-License-Identifier: MIT
"""What `make report` measures: points, and the goals that are judged by them."""

import dataclasses

PROXIES = ("epoll", "liburing", "haproxy", "nginx", "tokio")
ECHOES = ("epoll", "liburing", "tokio", "libuv", "go", "asio")
BY_HAND = ("epoll", "liburing")


@dataclasses.dataclass(frozen=True)
class Point:
    """A scenario at one size and number of connections, against some peers."""

    scenario: str
    conns: int
    size: int
    against: tuple
    ours: str = "torc"
    longer: int = 1  # runs take so many times as long, for the sake of the tail

    @property
    def name(self):
        """As it is called in files and tables."""
        busy = "" if self.ours == "torc" else " --busy-poll"
        return f"{self.scenario} {self.conns} x {self.size} B{busy}"

    def command(self, peer):
        """What a sceptic types to measure it again."""
        busy = "" if self.ours == "torc" else f" --torc {self.ours}"
        return (
            f"perf/compare {self.scenario} --against {peer} "
            f"--conns {self.conns} --size {self.size}{busy}"
        )


FULL = (
    Point("echo", 1, 64, ("epoll", "liburing", "tokio", "libuv")),
    Point("echo", 16, 64, ("epoll", "liburing", "tokio", "libuv")),
    Point("echo", 64, 64, ECHOES),
    Point("echo", 256, 64, ("epoll", "liburing", "tokio", "libuv")),
    Point("echo", 1000, 64, ("epoll", "liburing", "tokio", "libuv")),
    Point("echo", 64, 512, BY_HAND),
    Point("echo", 64, 4096, BY_HAND),
    Point("pipeline", 64, 64, (*BY_HAND, "tokio")),
    Point("stream", 4, 65536, (*BY_HAND, "tokio")),
    Point("udp", 64, 64, (*BY_HAND, "tokio")),
    Point("udp", 64, 1400, BY_HAND),
    Point("churn", 64, 64, (*BY_HAND, "tokio")),
    Point("fanout", 64, 64, (*BY_HAND, "tokio")),
    Point("relay", 64, 64, (*PROXIES, "go", "libuv")),
    Point("relay", 64, 1024, BY_HAND),
    Point("relay", 64, 16384, PROXIES),
    Point("relay", 8, 262144, (*BY_HAND, "haproxy")),
    Point("relay-bulk", 4, 65536, (*BY_HAND, "haproxy", "haproxy-splice", "nginx", "go")),
    Point("relay", 1, 64, ("haproxy",)),
    Point("relay", 4, 64, ("haproxy",)),
    Point("relay", 1, 64, ("haproxy-busy",), "torc-busy"),
    Point("relay", 4, 64, ("haproxy-busy",), "torc-busy"),
    Point("latency", 64, 64, ("epoll", "haproxy"), longer=3),
    Point("noisy", 100, 64, ("epoll", "haproxy")),
    Point("noisy-stuck", 100, 64, ("epoll", "haproxy")),
    Point("idle", 18000, 64, ("epoll", "haproxy", "nginx", "tokio")),
    Point("file", 32, 4096, BY_HAND),
    Point("file-direct", 32, 4096, BY_HAND),
    Point("micro", 1, 0, ("tokio",)),
)

QUICK = (
    Point("echo", 1, 64, ("epoll",)),
    Point("echo", 64, 64, ("epoll", "liburing", "tokio")),
    Point("echo", 1000, 64, ("epoll",)),
    Point("udp", 64, 64, ("epoll",)),
    Point("churn", 64, 64, ("epoll",)),
    Point("relay", 64, 64, ("epoll", "haproxy")),
    Point("relay", 64, 16384, ("epoll", "haproxy")),
    Point("idle", 1000, 64, ("epoll", "haproxy")),
)


@dataclasses.dataclass(frozen=True)
class Goal:
    """A ratio torc/peer that shall not be exceeded."""

    text: str
    scenario: str
    conns: int
    size: int
    peer: str
    metric: str
    limit: float
    ours: str = "torc"


CPU_PER = {
    "stream": "cpu_per_gb",
    "relay-bulk": "cpu_per_gb",
    "file": "cpu_per_read",
    "file-direct": "cpu_per_read",
}


def _cpu(text, scenario, conns, size, peer, limit):
    metric = CPU_PER.get(scenario, "cpu_per_request")
    return Goal(text, scenario, conns, size, peer, metric, limit)


def _all_goals():
    by_hand = "liburing by hand"
    for point in FULL:
        if "liburing" in point.against:
            place = (point.scenario, point.conns, point.size)
            yield _cpu(by_hand, *place, "liburing", 1.03)
    for conns in (1, 16, 64, 256, 1000):
        yield _cpu("epoll, ping-pong", "echo", conns, 64, "epoll", 1.00)
    for scenario in ("pipeline", "udp", "churn", "fanout"):
        text = "epoll, at least three of four"
        yield _cpu(text, scenario, 64, 64, "epoll", 0.90)
    yield Goal("epoll, tail", "latency", 64, 64, "epoll", "p99.9@80%", 0.80)
    yield _cpu("a pool of pread threads", "file", 32, 4096, "epoll", 0.50)
    for size in (64, 16384):
        yield _cpu("HAProxy, relay", "relay", 64, size, "haproxy", 0.80)
        yield _cpu("nginx, relay", "relay", 64, size, "nginx", 0.75)
    yield _cpu("Tokio, relay", "relay", 64, 64, "tokio", 0.85)
    yield _cpu("Tokio, relay", "relay", 64, 16384, "tokio", 0.45)
    for conns in (64, 256, 1000):
        for peer in ("tokio", "libuv"):
            yield _cpu(f"{peer}, echo", "echo", conns, 64, peer, 1.00)
            yield Goal(f"{peer}, echo", "echo", conns, 64, peer, "p99", 0.80)
    for name in ("spawn_join", "switch", "timer"):
        yield Goal("Tokio, micro", "micro", 1, 0, "tokio", name, 0.25)
    for conns in (1, 4):
        for metric in ("p50", "p99"):
            text = "HAProxy, round trip, defaults"
            yield Goal(text, "relay", conns, 64, "haproxy", metric, 0.45)
            text = "HAProxy, round trip, both busy polling"
            yield Goal(
                text, "relay", conns, 64, "haproxy-busy", metric, 0.95, "torc-busy"
            )


GOALS = tuple(_all_goals())
IDLE_BYTES_GOAL = 1024
