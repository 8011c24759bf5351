# SPDX-License-Identifier: MIT
"""What was measured, as text for RESULTS.md and as one page for a browser."""

import base64
import html

from . import matrix, scenarios, stats, store

BEGIN = "<!-- measured: begin (make report writes what follows) -->"
END = "<!-- measured: end -->"
STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em;
  color: #222; background: #fff }
h1, h2 { line-height: 1.2 } img { max-width: 100%; height: auto }
figure { margin: 1.5em 0 } figcaption { color: #555 }
table { border-collapse: collapse; font-size: 14px } td, th { padding: .2em .7em;
  border-bottom: 1px solid #ddd; text-align: left } td.n { text-align: right }
pre { background: #f6f6f6; padding: 1em; overflow-x: auto; font-size: 13px }
"""


def _metric(scenario, name):
    for metric in scenarios.ALL[scenario].metrics:
        if metric.name == name:
            return metric
    raise KeyError(name)


def _ratio(pairs, key):
    values = [(a[key], b[key]) for a, b in pairs if key in a and key in b]
    return stats.ratio(values) if values else None


def _medians(pairs, metric):
    middles = (
        stats.statistics.median(pair[side][metric.key] for pair in pairs)
        for side in (0, 1)
    )
    return " / ".join(f"{value:,.{metric.digits}f}" for value in middles)


def goal_rows(folder):
    """(goal's text, place, metric, limit, measured, verdict, command) for each goal."""
    measured = store.pairs(folder)
    for goal in matrix.GOALS:
        point = matrix.Point(goal.scenario, goal.conns, goal.size, (), goal.ours)
        place = (goal.scenario, goal.conns, goal.size, goal.ours, goal.peer)
        metric = _metric(goal.scenario, goal.metric)
        found = _ratio(measured[place], metric.key) if place in measured else None
        shown = "not measured"
        verdict = "-"
        if found:
            shown = f"{found['median']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
            verdict = "met" if found["median"] <= goal.limit else "not met"
        yield (
            goal.text,
            point.name,
            goal.metric,
            f"<= {goal.limit:.2f}",
            shown,
            verdict,
            point.command(goal.peer),
        )


def idle_rows(folder):
    """(system, user bytes, kernel bytes) of an idle proxied connection."""
    seen = {}
    for place, pairs in store.pairs(folder).items():
        if place[0] != "idle":
            continue
        for system, side in ((place[3], 0), (place[4], 1)):
            seen.setdefault(
                (system, place[1]),
                tuple(
                    f"{stats.statistics.median(pair[side][key] for pair in pairs):,.0f}"
                    for key in ("user_bytes", "kernel_bytes")
                ),
            )
    return [
        (f"{system}, {conns} connections", *both)
        for (system, conns), both in seen.items()
    ]


def idle_verdict(folder):
    """Whether torc's idle connections are as small as they shall be."""
    bytes_each = [
        ours["user_bytes"]
        for place, pairs in store.pairs(folder).items()
        if place[0] == "idle"
        for ours, _ in pairs
    ]
    if not bytes_each:
        return "Not measured in this run."
    middle, goal = stats.statistics.median(bytes_each), matrix.IDLE_BYTES_GOAL
    verdict = "met" if middle <= goal else "not met"
    return f"Goal for torc: at most {goal} bytes of user memory: {middle:.0f}, {verdict}."


def ratio_rows(folder):
    """(place, peer, metric, medians, ratio, verdict) of everything measured."""
    for place, pairs in store.pairs(folder).items():
        scenario, conns, size, ours, peer = place
        point = matrix.Point(scenario, conns, size, (), ours)
        for metric in scenarios.ALL[scenario].metrics:
            found = _ratio(pairs, metric.key)
            if found is None:
                continue
            yield (
                point.name,
                peer,
                f"{metric.name}, {metric.unit}",
                _medians(pairs, metric),
                f"{found['median']:.3f} [{found['low']:.3f}, {found['high']:.3f}]",
                _verdict(found, metric),
            )


def _verdict(found, metric):
    if not stats.is_difference(found):
        return "no difference"
    return "torc" if (found["median"] < 1) == metric.is_better_low else "peer"


def epoll_wins(folder):
    """The rows in which epoll by hand is better than torc beyond doubt."""
    return [
        (place, metric, medians, ratio)
        for place, peer, metric, medians, ratio, verdict in ratio_rows(folder)
        if peer == "epoll" and verdict == "peer"
    ]


def _markdown_table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return lines


def markdown(folder, title, facts, pairs_count):
    """The measured part of RESULTS.md."""
    goals = list(goal_rows(folder))
    met = sum(1 for row in goals if row[5] == "met")
    known = sum(1 for row in goals if row[5] != "-")
    others = f", {len(goals) - known} not measured" if known < len(goals) else ""
    lines = [BEGIN, "", f"Measured {title}.", "", "```", *facts, "```", ""]
    lines += [
        f"Medians of the ratios of {pairs_count} interleaved pairs, with the 95 % bootstrap "
        "interval of the median.",
        "",
        "## Goals",
        "",
        f"{met} of {known} met{others}. A ratio is torc / peer; less is better.",
        "",
    ]
    lines += _markdown_table(
        ("goal", "at", "metric", "goal is", "measured", "", "command"),
        ((*row[:6], f"`{row[6]}`") for row in goals),
    )
    lines += ["", "## Where epoll wins", ""]
    wins = epoll_wins(folder)
    if wins:
        lines += ["The interval of the ratio torc / epoll lies on the wrong side of 1:", ""]
        lines += _markdown_table(("at", "metric", "torc / epoll", "ratio"), wins)
    else:
        lines += ["Nowhere in this run beyond its noise."]
    lines += ["", "## Memory of an idle proxied connection", ""]
    lines += [idle_verdict(folder), ""]
    lines += _markdown_table(("system", "user, bytes", "kernel, bytes"), idle_rows(folder))
    lines += ["", "## Everything that was measured", ""]
    lines += _markdown_table(
        ("at", "peer", "metric", "torc / peer", "ratio", "better"), ratio_rows(folder)
    )
    return "\n".join([*lines, "", END])


def _html_table(head, rows):
    cells = "".join(f"<th>{html.escape(text)}</th>" for text in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{cells}</tr>{body}</table>"


def _figure(caption, path):
    data = base64.b64encode(path.read_bytes()).decode()
    text = html.escape(caption)
    return (
        f'<figure><img alt="{text}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def page(folder, title, facts, pictures):
    """One HTML file that needs nothing beside it."""
    wins = epoll_wins(folder)
    parts = [
        "<!DOCTYPE html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>torc, measured {html.escape(title)}</title><style>{STYLE}</style>",
        f"<h1>torc, measured {html.escape(title)}</h1>",
        "<p>A ratio is torc / peer, the median over interleaved pairs of fresh processes,"
        " with its 95 % bootstrap interval. The machine has its own opinion on absolute"
        " numbers: compare ratios.</p>",
        *(_figure(caption, path) for caption, path in pictures),
        "<h2>Goals</h2>",
        _html_table(
            ("goal", "at", "metric", "goal is", "measured", "", "command"),
            goal_rows(folder),
        ),
        "<h2>Where epoll wins</h2>",
        _html_table(("at", "metric", "torc / epoll", "ratio"), wins)
        if wins
        else "<p>Nowhere in this run beyond its noise.</p>",
        "<h2>Everything that was measured</h2>",
        _html_table(
            ("at", "peer", "metric", "torc / peer", "ratio", "better"),
            ratio_rows(folder),
        ),
        "<h2>The machine</h2>",
        "<pre>" + html.escape("\n".join(facts)) + "</pre></html>",
    ]
    return "\n".join(parts) + "\n"


def replace_measured(text, measured):
    """`text` with the part between the marks replaced, or with it at the end."""
    if BEGIN in text and END in text:
        before, rest = text.split(BEGIN, 1)
        return before + measured + rest.split(END, 1)[1]
    return text.rstrip("\n") + "\n\n" + measured + "\n"
