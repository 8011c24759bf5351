# SPDX-License-Identifier: MIT
"""The machine under the measurement: its CPUs, its limits and a network of our own.

Everything runs in a network namespace made for the run. There every port is free,
and one route attribute gives every socket on loopback the same congestion control:
cubic, also for programs that have no option for it.
"""

import os
import pathlib
import resource
import shutil
import subprocess
import sys

INSIDE = "TORC_PERF_NETNS"
ROOT = pathlib.Path(__file__).resolve().parents[2]
PORTS = "30000 65535"  # clients; servers get 20000 and up


def build_folder():
    """The build folder: $B, else build/ in the tree."""
    return pathlib.Path(os.environ.get("B", ROOT / "build")).absolute()


def _quiet(*command):
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0


def enter_namespace():
    """Run this program again inside a namespace, once; False where that's forbidden."""
    if os.environ.get(INSIDE) == "inside":
        _prepare_namespace()
        return True
    if os.environ.get(INSIDE) == "no":
        return False
    if not (shutil.which("ip") and shutil.which("unshare")):
        return False
    for flags in ("-n", "-rn"):
        if _quiet("unshare", flags, "true"):
            os.environ[INSIDE] = "inside"
            sys.stdout.flush()
            os.execvp("unshare", ["unshare", flags, sys.executable, *sys.argv])
    return False


def _prepare_namespace():
    _quiet("ip", "link", "set", "lo", "up")
    for target in ("127.0.0.0/8", "127.0.0.1"):
        words = f"ip route replace local {target} dev lo table local proto kernel"
        _quiet(*words.split(), *"scope host src 127.0.0.1 congctl cubic".split())
    ports = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
    try:
        ports.write_text(PORTS)
    except OSError:
        pass


def congestion():
    """The congestion control that a socket on loopback gets, and why."""
    shown = subprocess.run(
        ["ip", "route", "show", "table", "local"],
        capture_output=True,
        text=True,
        check=False,
    )
    if "congctl cubic" in shown.stdout:
        return "cubic for every party (by the route of loopback)"
    default = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text()
    return f"{default.strip()} for every party (the default: no namespace of our own)"


def choose_cpus():
    """(CPU of the load and backend, CPU of the server); (None, None) if there's one."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return None, None
    return allowed[0], allowed[1]


def raise_descriptors(wanted):
    """Allow `wanted` descriptors, or as many as may be had; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(hard, wanted), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), limit))
            return limit
        except (OSError, ValueError):
            continue
    return soft


def steal_ticks():
    """Ticks that other guests took from this machine so far."""
    with open("/proc/stat", encoding="ascii") as stat:
        return int(stat.readline().split()[8])


def facts():
    """`key: value` lines of perf/env, and those that only the harness knows."""
    shown = subprocess.run(
        [ROOT / "perf" / "env"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    lines = [
        line
        for line in shown.stdout.splitlines()
        if line and not line.startswith("congestion")
    ]
    load, server = choose_cpus()
    place = "unpinned: there is only one CPU"
    if server is not None:
        place = f"server on CPU {server}, load and backend on CPU {load}"
    return [*lines, f"congestion control: {congestion()}", f"placement: {place}"]
