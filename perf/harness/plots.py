# SPDX-License-Identifier: MIT
"""Pictures by gnuplot, as SVG: the same look per system in each of them.

Colour, dashes and the shape of points all tell the systems apart, so that a picture
survives a printer without colour. Titles say what to conclude, from the data.
"""

import subprocess

from . import process, stats, store

QUOTE = '"'
# colour, dash type, point type
LOOKS = {
    "torc": ("#0072B2", 1, 7),
    "torc-busy": ("#0072B2", 3, 6),
    "epoll": ("#D55E00", 2, 5),
    "liburing": ("#009E73", 4, 9),
    "haproxy": ("#E69F00", 5, 11),
    "haproxy-busy": ("#E69F00", 3, 10),
    "haproxy-splice": ("#E69F00", 4, 10),
    "nginx": ("#CC79A7", 3, 13),
    "tokio": ("#56B4E9", 2, 4),
    "libuv": ("#666666", 4, 8),
    "go": ("#8C564B", 5, 12),
    "asio": ("#000000", 3, 6),
    "socat": ("#BBBBBB", 2, 14),
}
HEAD = """\
set terminal svg size {width},{height} font "sans-serif,13" background "white"
set output "{output}"
set border 3 linecolor rgb "#444444"
set tics nomirror
set grid ytics linecolor rgb "#dddddd" linetype 1
set title "{title}" font ",15"
"""


def _draw(folder, name, title, body, data="", width=820, height=440):
    path = folder / f"{name}.svg"
    head = HEAD.format(width=width, height=height, output=path, title=title)
    done = subprocess.run(
        ["gnuplot"],
        input=data + head + body,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()[-1:]
        raise process.Failure(f"gnuplot cannot draw {name}: {''.join(said).strip()}")
    return path


def _block(name, rows):
    lines = "\n".join(" ".join(str(value) for value in row) for row in rows)
    return f"${name} << EOD\n{lines}\nEOD\n"


def _line(system, width=None):
    """The look of a line without points."""
    colour, dash, _ = LOOKS[system]
    width = width or (3 if system.startswith("torc") else 2)
    return f'lc rgb "{colour}" dt {dash} lw {width}'


def _line_points(system):
    """The look of a line with points, and its name."""
    return f'{_line(system)} pt {LOOKS[system][2]} ps 0.8 title "{system}"'


def _safe(system):
    return system.replace("-", "_")


def percentiles(folder, share):
    """The whole distribution of each proxy at one rate."""
    rows = [row for row in store.table(folder, "latency") if int(row["share"]) == share]
    if not rows:
        return None
    best = min(rows, key=lambda row: float(row["p999_us"]))
    title = (
        f"At {int(rows[0]['rate']):,} messages/s ({share} % of the lowest knee) "
        f"{best['system']} has the least p99.9: {float(best['p999_us']):.0f} us"
    )
    body = """
set logscale x
set logscale y
set xrange [1:20000]
set xtics ("0" 1, "50 %%" 2, "90 %%" 10, "99 %%" 100, "99.9 %%" 1000, "99.99 %%" 10000)
set xlabel "share of the messages that are at least as fast"
set ylabel "round trip from the intended time, us"
set key left top
plot """
    data, lines = "", []
    for row in rows:
        system = row["system"]
        points = []
        path = folder / f"{system}-{share}.hgrm"
        for line in path.read_text(encoding="ascii").splitlines():
            words = line.split()
            if len(words) == 4 and words[0][0].isdigit() and words[3] != "inf":
                points.append((words[3], words[0]))
        data += _block(_safe(system), points)
        lines.append(
            f'${_safe(system)} using 1:2 with lines {_line(system)} title "{system}"'
        )
    return _draw(folder, f"percentiles-{share}", title, body + ", ".join(lines), data)


def latency_by_load(folder):
    """p50 and p99 of each proxy as the offered rate grows."""
    rows = store.table(folder, "latency")
    if not rows:
        return None
    shares = sorted({int(row["share"]) for row in rows})
    top = [row for row in rows if int(row["share"]) == shares[-1]]
    best = min(top, key=lambda row: float(row["p99_us"]))
    title = (
        f"Latency against load: at {shares[-1]} % of the lowest knee "
        f"{best['system']} has the least p99"
    )
    body = """
set logscale y
set xlabel "messages per second offered, thousands"
set ylabel "round trip, us: p99 with lines and points, p50 with lines"
set key left top
plot """
    data, lines = "", []
    for system in dict.fromkeys(row["system"] for row in rows):
        points = [
            (float(row["rate"]) / 1000, row["p50_us"], row["p99_us"])
            for row in rows
            if row["system"] == system
        ]
        data += _block(_safe(system), points)
        look = _line_points(system)
        lines.append(f"${_safe(system)} using 1:3 with linespoints {look}")
        thin = _line(system, 1)
        lines.append(f"${_safe(system)} using 1:2 with lines {thin} notitle")
    return _draw(folder, "latency-by-load", title, body + ", ".join(lines), data)


def cpu_by_conns(folder):
    """CPU per request of the echo servers against connections."""
    found = store.pairs(folder)
    by_system = {}
    for (scenario, conns, size, ours, peer), pairs in found.items():
        if (scenario, size, ours) != ("echo", 64, "torc"):
            continue
        for system, side in ((ours, 0), (peer, 1)):
            values = [pair[side]["cpu_us_per_request"] for pair in pairs]
            by_system.setdefault(system, {}).setdefault(conns, []).extend(values)
    lines, data, points_max = [], "", 0
    for system, by_conns in by_system.items():
        points = []
        for conns, values in sorted(by_conns.items()):
            values.sort()
            quarter = len(values) // 4
            points.append(
                (conns, stats.statistics.median(values), values[quarter], values[-1 - quarter])
            )
        points_max = max(points_max, len(points))
        data += _block(_safe(system), points)
        look = _line_points(system)
        lines.append(f"${_safe(system)} using 1:2 with linespoints {look}")
        thin = _line(system, 1)
        lines.append(
            f"${_safe(system)} using 1:2:3:4 with yerrorbars {thin} pt 0 notitle"
        )
    if points_max < 2:
        return None
    title = "Echo of 64 B: CPU per request falls with batching; TCP sets the floor"
    body = """
set logscale x
set xrange [0.8:1300]
set yrange [0:*]
set xlabel "connections"
set ylabel "CPU per request, us: median, and the middle half"
set key top center
plot """
    return _draw(folder, "cpu-by-conns", title, body + ", ".join(lines), data)


def strip(folder, scenario, conns, size):
    """Each pair a dot, the median and its interval, and the line at 1."""
    rows, ticks, data = [], [], ""
    for (name, its_conns, its_size, ours, peer), pairs in store.pairs(folder).items():
        if (name, its_conns, its_size, ours) != (scenario, conns, size, "torc"):
            continue
        found = stats.ratio(
            [(a["cpu_us_per_request"], b["cpu_us_per_request"]) for a, b in pairs]
        )
        at = len(rows) + 1
        rows.append((at, found["median"], found["low"], found["high"]))
        ticks.append(f'"{peer}" {at}')
        dots = found["all"]
        data += _block(
            f"dots{at}",
            ((ratio, at + 0.12 + 0.2 * index / len(dots)) for index, ratio in enumerate(dots)),
        )
    if not rows:
        return None
    data += _block("medians", rows)
    fewer = sum(1 for row in rows if row[3] < 1)
    title = (
        f"{scenario}, {conns} x {size} B: torc needs less CPU than {fewer} of {len(rows)}"
        " peers; left of the line is less"
    )
    dots = ", ".join(
        f'$dots{row[0]} using 1:2 with points pt 6 ps 0.5 lc rgb "#888888" notitle'
        for row in rows
    )
    body = f"""
unset grid
set yrange [0.5:{len(rows) + 0.7}] reverse
set ytics ({", ".join(ticks)})
set xlabel "CPU per request, torc / peer"
set arrow from 1, graph 0 to 1, graph 1 nohead lw 2 dt 2 lc rgb "#000000"
plot {dots}, $medians using 2:1:3:4 with xerrorbars pt 7 ps 1.1 lw 2.5 lc rgb "#0072B2" \\
  title "median, 95 % interval", NaN with points pt 6 ps 0.5 lc rgb "#888888" title "one pair"
"""
    name = f"strip-{scenario}-{conns}-{size}"
    return _draw(folder, name, title, body, data, height=150 + 60 * len(rows))


def memory(folder):
    """Memory per idle proxied connection, user and kernel."""
    rows, seen = [], set()
    for (name, _, _, ours, peer), pairs in store.pairs(folder).items():
        if name != "idle":
            continue
        for system, side in ((ours, 0), (peer, 1)):
            if system not in seen:
                seen.add(system)
                user = stats.statistics.median(p[side]["user_bytes"] for p in pairs)
                kernel = stats.statistics.median(p[side]["kernel_bytes"] for p in pairs)
                rows.append((f'"{system}"', user / 1024, kernel / 1024))
    if not rows:
        return None
    rows.sort(key=lambda row: row[1])
    least, most = rows[0], rows[-1]
    title = (
        f"An idle proxied connection: {least[1]:.1f} KiB in {least[0].strip(QUOTE)}, "
        f"{most[1]:.1f} in {most[0].strip(QUOTE)}, and the kernel's share"
    )
    body = """
set style data histograms
set style histogram clustered gap 1
set boxwidth 0.9
set yrange [0:*]
set offsets graph 0, 0, graph 0.25, 0
set ylabel "KiB per connection"
set key left top
plot $rows using 2:xtic(1) fillstyle solid 0.9 lc rgb "#0072B2" title "user", \\
  $rows using 0:2:(sprintf("%.1f", $2)) with labels offset -3,0.6 notitle, \\
  $rows using 3 fillstyle pattern 2 lc rgb "#666666" title "kernel, both ends and both sockets"
"""
    return _draw(folder, "memory", title, body, _block("rows", rows))


def calls(folder):
    """System calls per request."""
    rows = store.table(folder, "calls")
    if not rows:
        return None
    ordered = sorted(rows, key=lambda row: float(row["calls_per_request"]))
    title = (
        f"System calls per message proxied, 64 connections: {ordered[0]['system']} "
        f"needs {float(ordered[0]['calls_per_request']):.2f}"
    )
    data = _block(
        "rows",
        ((f'"{row["system"]}"', row["calls_per_request"]) for row in ordered),
    )
    body = """
set style fill pattern 1
set boxwidth 0.6
set yrange [0:*]
set ylabel "system calls per request"
unset key
plot $rows using 0:2:xtic(1) with boxes fillstyle solid 0.7 lc rgb "#0072B2", \\
  $rows using 0:2:(sprintf("%.2f", $2)) with labels offset 0,0.7
"""
    return _draw(folder, "calls", title, body, data)


def draw_all(folder):
    """Draw what the folder has data for: [(caption, path)]."""
    shares = sorted({int(row["share"]) for row in store.table(folder, "latency")})
    drawn = [
        ("Latency at the same offered rate, open loop", percentiles(folder, share))
        for share in shares
        if share in (50, 80)
    ]
    drawn.append(("Latency against load, open loop", latency_by_load(folder)))
    drawn.append(("CPU per request against connections", cpu_by_conns(folder)))
    for place in (("relay", 64, 64), ("relay", 64, 16384), ("echo", 64, 64)):
        drawn.append(("Pair by pair: CPU per request", strip(folder, *place)))
    drawn.append(("Memory", memory(folder)))
    drawn.append(("System calls", calls(folder)))
    return [(caption, path) for caption, path in drawn if path]
