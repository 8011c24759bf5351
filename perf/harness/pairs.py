# SPDX-License-Identifier: MIT
"""Pairs of runs in the order A B B A, so that a drift of the machine hits both."""

import dataclasses
import sys
import time

from . import machine, measure, stats


def show(text):
    """A progress line on a terminal; nothing in a pipe."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def set_rate(setup, peer):
    """For `latency`: the lower knee of the two, so that both get the same rate."""
    if setup.scenario.run is not measure.latency:
        return setup
    show(f"{setup.scenario.name}: looking for the knees of torc and {peer}")
    lower = min(measure.knee(setup, "torc"), measure.knee(setup, peer))
    return dataclasses.replace(setup, rate=lower)


def run(setup, peer, count, ours="torc"):
    """`count` pairs of runs: a list of (ours, theirs), each {key: number}."""
    setup = set_rate(setup, peer)
    pairs = []
    begin = time.monotonic()
    for index in range(count):
        left = ""
        if index:
            seconds = (time.monotonic() - begin) / index * (count - index)
            left = f", {seconds:.0f} s left"
        show(f"{setup.scenario.name}: {ours} and {peer}, pair {index + 1}/{count}{left}")
        order = (ours, peer) if index % 2 == 0 else (peer, ours)
        found = {}
        for system in order:
            steal = machine.steal_ticks()
            found[system] = setup.scenario.run(setup, system)
            found[system]["steal_ticks"] = machine.steal_ticks() - steal
        pairs.append((found[ours], found[peer]))
    show("")
    return pairs


def ratio(pairs, key):
    """The ratio of one figure over all pairs, or None if a side lacks it."""
    values = [(ours[key], theirs[key]) for ours, theirs in pairs
              if key in ours and key in theirs]
    return stats.ratio(values) if values else None


def middle(pairs, key):
    """(median of ours, median of theirs)."""
    sides = zip(*((ours[key], theirs[key]) for ours, theirs in pairs))
    return tuple(stats.statistics.median(side) for side in sides)
