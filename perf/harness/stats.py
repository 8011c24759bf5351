# SPDX-License-Identifier: MIT
"""Ratios of interleaved pairs: their median and how sure it is."""

import random
import statistics

RESAMPLES = 4000
SEED = 1  # the same data give the same interval


def interval(ratios):
    """(low, high): the 95 % bootstrap interval of the median."""
    rng = random.Random(SEED)
    count = len(ratios)
    medians = sorted(
        statistics.median(rng.choices(ratios, k=count)) for _ in range(RESAMPLES)
    )
    return medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES) - 1]


def ratio(pairs):
    """{median, low, high, pairs} of ours/theirs; None without a usable pair."""
    ratios = [ours / theirs for ours, theirs in pairs if ours > 0 and theirs > 0]
    if not ratios:
        return None
    low, high = interval(ratios)
    return {
        "median": statistics.median(ratios),
        "low": low,
        "high": high,
        "pairs": len(ratios),
        "all": ratios,
    }


def is_difference(found):
    """Whether the interval lies on one side of 1."""
    return found["high"] < 1 or found["low"] > 1


def ratio_line(scenario, peer, metric, found):
    """The line that other programs may read."""
    verdict = "" if is_difference(found) else "  no difference"
    return (
        f"ratio {scenario} torc/{peer} {metric} {found['median']:.3f} "
        f"[{found['low']:.3f}, {found['high']:.3f}] pairs={found['pairs']}{verdict}"
    )
