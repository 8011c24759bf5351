# SPDX-License-Identifier: MIT
"""Runs that are drawn and not paired: latency at equal rates, system calls."""

import dataclasses
import shutil
import subprocess
import time

from . import machine, measure, process, store

CURVE_COLUMNS = ("system", "rate", "share", "p50_us", "p99_us", "p999_us", "rps")
CALL_COLUMNS = ("scenario", "system", "calls_per_request", "method")


def knees(setup, systems):
    """{system: requests per second of its closed loop}."""
    return {system: measure.knee(setup, system) for system in systems}


def _at_rate(setup, system, rate, hgrm):
    at = dataclasses.replace(setup, rate=rate, hgrm=str(hgrm))
    with measure.served(at, system) as (server, addresses):
        return measure.run_load(at, system, server, addresses[0])


def latency(folder, setup, systems, shares, repeats, show):
    """Latency of each system at equal offered rates, shares of the lowest knee.

    Of the repeats of a point the one with the middle p99 is kept, whole: percentiles
    are never averaged. Its histogram is SYSTEM-SHARE.hgrm.
    """
    show("latency: looking for the knees")
    lowest = min(knees(setup, systems).values())
    for share in shares:
        rate = lowest * share / 100
        runs = {system: [] for system in systems}
        for repeat in range(repeats):
            for system in systems:
                show(f"latency: {system} at {share} % of {lowest:.0f}/s, {repeat + 1}")
                path = folder / f"{system}-{share}-{repeat}.hgrm"
                found = _at_rate(setup, system, rate, path)
                runs[system].append((found["p99_us"], repeat, path, found))
        for system in systems:
            ordered = sorted(runs[system], key=lambda run: run[:2])
            _, _, path, found = ordered[len(ordered) // 2]
            path.rename(folder / f"{system}-{share}.hgrm")
            for _, _, other, _ in ordered:
                other.unlink(missing_ok=True)
            keys = ("p50_us", "p99_us", "p999_us", "rps")
            row = (system, f"{rate:.0f}", share, *(found[key] for key in keys))
            store.add(folder, "latency", CURVE_COLUMNS, row)


def _counted(setup, system, server, address):
    """System calls per second of the server under a load, or None."""
    seconds = max(setup.seconds, 1)
    at = dataclasses.replace(setup, seconds=seconds + 1, warmup=0)
    command = [machine.build_folder() / "torc-load", *setup.scenario.load]
    command += ["--conns", at.conns, "--size", at.size, "--seconds", at.seconds]
    command += ["--warmup", 0, "--pid", server.pid, address]
    load = process.Process(
        "torc-load", command, setup.cpu_load, stdout=subprocess.PIPE
    )
    time.sleep(0.3)
    counter = subprocess.run(
        [machine.ROOT / "perf/syscalls", str(server.pid), f"{seconds:.0f}"],
        capture_output=True,
        text=True,
        check=False,
    )
    out, _ = load.popen.communicate()
    load.stop()
    words = counter.stdout.split()
    requests = dict(
        word.split("=") for word in out.decode().split() if "=" in word
    ).get("rps", "0")
    if len(words) != 2 or words[0] == "-" or float(requests) == 0:
        return None
    return float(words[0]) / round(seconds) / float(requests), words[1]


def calls(folder, setup, systems, show):
    """System calls per request, in runs of their own since counting disturbs."""
    for system in systems:
        show(f"{setup.scenario.name}: counting the system calls of {system}")
        with measure.served(setup, system) as (server, addresses):
            found = _counted(setup, system, server, addresses[0])
        if found is None:
            show("")
            print(f"skipped: the system calls of {system} could not be counted")
            continue
        row = (setup.scenario.name, system, f"{found[0]:.3f}", found[1])
        store.add(folder, "calls", CALL_COLUMNS, row)


def have_gnuplot():
    """Whether pictures can be drawn."""
    return shutil.which("gnuplot") is not None
