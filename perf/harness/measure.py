# SPDX-License-Identifier: MIT
"""One run of one system: fresh processes, a load, and the figures that came out.

Each function takes a Setup and the system's name and returns {key: number}.
"""

import contextlib
import dataclasses
import os
import pathlib
import statistics
import subprocess
import time

from . import machine, peers, process

KNEE_CONNS = 64  # connections of the closed loop that finds the knee
LOADS = (10, 50, 80)  # per cent of the knee
ACTIVE = 100  # connections that ping-pong among the idle ones
# SYNs that were dropped come again after 1 and 3 s; then quiet servers trim themselves.
SETTLE_S = 5.0
FILE_BYTES = 256 << 20
# The benchmark of torc's suite that answers for an operation of `micro`.
TORC_MICRO = {
    "spawn_join": "perf/core/task_perf.c:spawn_join",
    "switch": "perf/core/task_perf.c:switch_pair",
    "timer": "perf/core/timer_perf.c:arm_cancel/100000",
    "mutex": "perf/core/sync_perf.c:mutex_free",
    "semaphore": "perf/core/sync_perf.c:semaphore_free",
    "notify": "perf/core/sync_perf.c:notify_free",
    "many": "perf/core/many_perf.c:spawn_all",
    "channel": "perf/core/channel_perf.c:send_recv_tasks",
    "cross": "perf/core/channel_perf.c:send_recv_shards",
    "cross_rtt": "perf/core/channel_perf.c:round_trip",
    "blocking": "perf/core/blocking_perf.c:blocking_call",
}
# Those that take more than one thread, by the clock on the wall.
MICRO_BY_CLOCK = ("cross", "cross_rtt", "blocking")
MICRO_TASKS = 1_000_000  # of `many`


@dataclasses.dataclass
class Setup:
    """A scenario with its numbers filled in."""

    scenario: object
    conns: int
    size: int
    seconds: float
    warmup: float
    cpu_load: int | None
    cpu_server: int | None
    rate: float = 0  # messages per second; 0: closed loop
    hgrm: str = ""  # where the latencies go, if anywhere


def _numbers(line):
    found = {}
    for word in line.split():
        key, _, value = word.partition("=")
        try:
            found[key] = float(value)
        except ValueError:
            continue
    return found


@contextlib.contextmanager
def served(setup, system):
    """The system's server, and its backend if it is a proxy: (process, addresses)."""
    role = setup.scenario.role
    kind = "udp" if role == "udp" else "tcp"
    started, addresses = [], []
    try:
        if setup.scenario.backend:
            addresses.append(f"127.0.0.1:{process.free_port()}")
            command = peers.command("epoll", setup.scenario.backend, addresses[0])
            started.append(
                process.serve("the backend", command, setup.cpu_load, addresses[0])
            )
        addresses.insert(0, f"127.0.0.1:{process.free_port()}")
        command = peers.command(system, role, *addresses)
        started.append(
            process.serve(system, command, setup.cpu_server, addresses[0], kind)
        )
        yield started[-1], addresses
    finally:
        for one in reversed(started):
            one.stop()


def run_load(setup, system, server, address):
    """Run torc-load against `address`; its line as numbers."""
    command = [machine.build_folder() / "torc-load", *setup.scenario.load]
    command += ["--conns", setup.conns, "--size", setup.size]
    command += ["--seconds", setup.seconds, "--warmup", setup.warmup]
    command += ["--pid", server.pid]
    if setup.rate:
        command += ["--rate", f"{setup.rate:.0f}"]
    if setup.hgrm:
        command += ["--hgrm", setup.hgrm]
    load_process = process.Process(
        "torc-load", [*command, address], setup.cpu_load, stdout=subprocess.PIPE
    )
    out, _ = load_process.popen.communicate()
    status, said = load_process.popen.returncode, load_process.said()
    load_process.stop()
    if status != 0 and server.dies_soon():
        raise process.Failure(f"{system} died during the run: {server.said()}")
    if status != 0:
        raise process.Failure(f"the load on {system} failed: {said}")
    lines = out.decode().splitlines()
    found = _numbers(lines[-1] if lines else "")
    if not found.get("requests", 0) and not found.get("bytes", 0):
        raise process.Failure(f"{system} answered nothing in {setup.seconds} s")
    if "bytes" in found and found.get("seconds"):
        found["gb_per_s"] = found["bytes"] / found["seconds"] / 1e9
    return found


def load(setup, system):
    """A closed loop, as the scenario's row says."""
    with served(setup, system) as (server, addresses):
        return run_load(setup, system, server, addresses[0])


def knee(setup, system):
    """Requests per second of a closed loop: more than that cannot be offered."""
    closed = dataclasses.replace(setup, conns=KNEE_CONNS, rate=0, hgrm="")
    return statistics.median(load(closed, system)["rps"] for _ in range(3))


def latency(setup, system):
    """Open loop at shares of setup.rate, each followed by a run without the proxy.

    One after the other, since the load and the backend share a CPU: two loads at once
    would measure that CPU.
    """
    results = {}
    with served(setup, system) as (server, addresses):
        for share in LOADS:
            at = dataclasses.replace(setup, rate=setup.rate * share / 100)
            found = run_load(at, system, server, addresses[0])
            direct = run_load(at, system, server, addresses[1])
            for quantile in ("p50_us", "p99_us", "p999_us"):
                results[f"{quantile}_at_{share}"] = found[quantile]
                # A tail below the direct one would be noise, not a gift.
                added = found[quantile] - direct[quantile]
                results[f"added_{quantile}_at_{share}"] = max(added, 0)
            results[f"cpu_us_at_{share}"] = found["cpu_us_per_request"]
            results[f"rps_at_{share}"] = found["rps"]
            results[f"late_p99_us_at_{share}"] = found["late_p99_us"]
    return results


def _resident_bytes(pid):
    """Memory of the process alone, in bytes."""
    total = 0
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean", "Private_Dirty")):
            total += int(line.split()[1]) * 1024
    return total


def _kernel_bytes():
    """Slab, page tables and socket buffers of the whole machine, in bytes."""
    total = 0
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(("Slab:", "PageTables:")):
            total += int(line.split()[1]) * 1024
    for line in pathlib.Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            total += int(line.split()[-1]) * os.sysconf("SC_PAGE_SIZE")
    return total


def idle(setup, system):
    """Memory that `conns` idle connections add; then the tail of others among them.

    The kernel's share is the whole machine's: four sockets per connection, of the
    client, the proxy and the backend.
    """
    with served(setup, system) as (server, addresses):
        user, kernel = _resident_bytes(server.pid), _kernel_bytes()
        with _held(setup, addresses[0]):
            results = {
                "user_bytes": (_resident_bytes(server.pid) - user) / setup.conns,
                "kernel_bytes": (_kernel_bytes() - kernel) / setup.conns,
            }
            active = dataclasses.replace(setup, conns=ACTIVE)
            results |= run_load(active, system, server, addresses[0])
    return results


@contextlib.contextmanager
def _held(setup, address):
    """`conns` connections on which nothing moves."""
    command = [machine.build_folder() / "torc-load", "idle", "--conns", setup.conns]
    holder = process.Process(
        "torc-load idle",
        [*command, address],
        setup.cpu_load,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    if not holder.popen.stdout.readline().startswith(b"ready"):
        holder.popen.wait()
        raise process.Failure(f"idle connections: {holder.said()}")
    time.sleep(SETTLE_S)
    try:
        yield
    finally:
        holder.stop()


def _program(setup, system, command):
    """Run a program that measures itself, on the server's CPU; its lines."""
    runner = process.Process(system, command, setup.cpu_server, stdout=subprocess.PIPE)
    out, _ = runner.popen.communicate()
    status, said = runner.popen.returncode, runner.said()
    runner.stop()
    if status != 0:
        raise process.Failure(f"{system} failed: {said}")
    return out.decode().splitlines()


def _file(setup, system, how):
    path = machine.build_folder() / "perf/file.data"
    if not path.exists():
        maker = peers.command("epoll", "file", "--make", FILE_BYTES, path)
        _program(setup, "epoll", maker)
    reader = peers.command(system, "file", path, how, setup.seconds, setup.conns)
    lines = _program(setup, system, reader)
    return _numbers(lines[-1])


def file_buffered(setup, system):
    """Reads from the page cache."""
    return _file(setup, system, "buffered")


def file_direct(setup, system):
    """Reads from the disk."""
    return _file(setup, system, "direct")


def micro(setup, system):
    """ns per operation, as the system's own program measures it on all CPUs."""
    setup = dataclasses.replace(setup, cpu_server=None)
    command = peers.command(system, "micro")
    if system != "torc":
        lines = _program(setup, system, command)
        return {words[0]: float(words[1]) for words in map(str.split, lines)}
    names = "|".join(TORC_MICRO.values())
    command = ["env", f"TORC_BENCH_TASKS={MICRO_TASKS}", *command]
    lines = _program(setup, system, [*command, f"--benchmark_filter=^({names})$"])
    # NAME MEDIAN MAD LEAST WALL, below a title
    rows = {words[0]: words for words in map(str.split, lines[1:])}
    return {
        name: float(rows[bench][4 if name in MICRO_BY_CLOCK else 1])
        for name, bench in TORC_MICRO.items()
    }
