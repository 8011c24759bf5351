# SPDX-License-Identifier: MIT
"""Results on disk: plain CSV, so that any tool can look again."""

import csv

PAIR_COLUMNS = ("scenario", "conns", "size", "ours", "peer", "pair", "key", "a", "b")


def _rows(path):
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _append(path, columns, rows):
    is_new = not path.exists()
    with open(path, "a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(columns)
        writer.writerows(rows)


def add_pairs(folder, point, peer, pairs):
    """Append what `pairs` measured: one row per pair and key."""
    place = (point.scenario, point.conns, point.size, point.ours, peer)
    rows = (
        (*place, index, key, f"{ours[key]:.6g}", f"{theirs[key]:.6g}")
        for index, (ours, theirs) in enumerate(pairs)
        for key in sorted(ours.keys() & theirs.keys())
    )
    _append(folder / "pairs.csv", PAIR_COLUMNS, rows)


def drop_pairs(folder, scenario):
    """Forget what was measured of a scenario: it's measured again."""
    path = folder / "pairs.csv"
    kept = [row for row in _rows(path) if row["scenario"] != scenario]
    path.unlink(missing_ok=True)
    _append(path, PAIR_COLUMNS, (row.values() for row in kept))


def pairs(folder):
    """{(scenario, conns, size, ours, peer): [({key: a}, {key: b}), ...]}."""
    found = {}
    for row in _rows(folder / "pairs.csv"):
        place = (
            row["scenario"],
            int(row["conns"]),
            int(row["size"]),
            row["ours"],
            row["peer"],
        )
        by_pair = found.setdefault(place, {})
        ours, theirs = by_pair.setdefault(int(row["pair"]), ({}, {}))
        ours[row["key"]] = float(row["a"])
        theirs[row["key"]] = float(row["b"])
    return {place: list(by_pair.values()) for place, by_pair in found.items()}


def add(folder, name, columns, *rows):
    """Append rows to a table of its own."""
    _append(folder / f"{name}.csv", columns, rows)


def table(folder, name):
    """The rows of such a table, as dictionaries of text."""
    return _rows(folder / f"{name}.csv")
