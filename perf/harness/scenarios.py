# SPDX-License-Identifier: MIT
"""What can be measured: one row per scenario, each a way to load a server."""

import dataclasses

from . import measure


@dataclasses.dataclass(frozen=True)
class Metric:
    """A figure of a run; `key` names it in a run's results."""

    name: str
    key: str
    unit: str
    digits: int = 2
    is_better_low: bool = True


CPU = Metric("cpu_per_request", "cpu_us_per_request", "us")
RATE = Metric("requests_per_s", "rps", "/s", 0, False)
P50 = Metric("p50", "p50_us", "us", 1)
P99 = Metric("p99", "p99_us", "us", 1)
P999 = Metric("p99.9", "p999_us", "us", 1)
CPU_GB = Metric("cpu_per_gb", "cpu_s_per_gb", "s", 3)
BYTES_RATE = Metric("gb_per_s", "gb_per_s", "GB/s", 3, False)
LOADED = (CPU, RATE, P50, P99, P999)
BULK = (CPU_GB, BYTES_RATE)
LATENCY = tuple(
    Metric(f"{what}{name}@{load}%", f"{key}{quantile}_at_{load}", "us", 1)
    for load in (10, 50, 80)
    for what, key in (("", ""), ("added-", "added_"))
    for name, quantile in (("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us"))
) + (Metric("cpu_per_request@80%", "cpu_us_at_80", "us"),)
IDLE = (
    Metric("user_bytes_per_conn", "user_bytes", "B", 0),
    Metric("kernel_bytes_per_conn", "kernel_bytes", "B", 0),
    Metric("p99_of_100_active", "p99_us", "us", 1),
    CPU,
)
READS = (
    Metric("cpu_per_read", "cpu_us_per_read", "us"),
    Metric("reads_per_s", "iops", "/s", 0, False),
    Metric("p50", "p50_us", "us", 1),
    Metric("p99", "p99_us", "us", 1),
)
OPERATIONS = (
    "spawn_join",
    "switch",
    "timer",
    "mutex",
    "semaphore",
    "notify",
    "many",
    "channel",
    "cross",
    "cross_rtt",
    "blocking",
)
MICRO = tuple(Metric(name, name, "ns", 1) for name in OPERATIONS)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """How a server in `role` is loaded, and what of it is reported."""

    name: str
    what: str
    role: str
    metrics: tuple = LOADED
    run: object = measure.load
    load: tuple = ("echo",)  # torc-load's mode and options
    backend: str = ""  # the role behind a proxy
    conns: int = 64
    size: int = 64


ALL = {
    scenario.name: scenario
    for scenario in (
        Scenario("echo", "ping-pong over TCP, closed loop", "echo"),
        Scenario(
            "pipeline",
            "16 requests in flight per connection",
            "echo",
            load=("echo", "--pipeline", "16"),
        ),
        Scenario(
            "stream",
            "one way to a server that discards; CPU per GB",
            "sink",
            metrics=BULK,
            load=("stream",),
            conns=4,
            size=65536,
        ),
        Scenario("udp", "datagrams that come back", "udp", load=("udp",)),
        Scenario("churn", "connect, one request, close", "echo", load=("churn",)),
        Scenario("relay", "messages through the proxy", "proxy", backend="echo"),
        Scenario(
            "relay-bulk",
            "one way through the proxy; CPU per GB",
            "proxy",
            metrics=BULK,
            load=("stream",),
            backend="sink",
            conns=4,
            size=65536,
        ),
        Scenario(
            "latency",
            "the proxy at 10, 50, 80 % of the lower knee, open loop; added = less direct",
            "proxy",
            metrics=LATENCY,
            run=measure.latency,
            backend="echo",
        ),
        Scenario(
            "idle",
            "memory per idle proxied connection; then 100 active among them",
            "proxy",
            metrics=IDLE,
            run=measure.idle,
            backend="echo",
            conns=100,
        ),
        Scenario(
            "fanout",
            "one message to all connections",
            "fanout",
            load=("fanout",),
        ),
        Scenario(
            "noisy",
            "ping-pongs through the proxy beside one bulk stream",
            "proxy",
            load=("echo", "--bulk", "1"),
            backend="echo",
            conns=100,
        ),
        Scenario(
            "noisy-stuck",
            "ping-pongs through the proxy beside one connection that never reads",
            "proxy",
            load=("echo", "--stuck", "1"),
            backend="echo",
            conns=100,
        ),
        Scenario(
            "file",
            "random 4 KiB reads, buffered; --conns is the depth",
            "file",
            metrics=READS,
            run=measure.file_buffered,
            conns=32,
            size=4096,
        ),
        Scenario(
            "file-direct",
            "random 4 KiB reads with O_DIRECT",
            "file",
            metrics=READS,
            run=measure.file_direct,
            conns=32,
            size=4096,
        ),
        Scenario(
            "micro",
            "a task, a switch, a timer, a lock, a message: ns each",
            "micro",
            metrics=MICRO,
            run=measure.micro,
            conns=1,
            size=0,
        ),
    )
}
