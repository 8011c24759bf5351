# SPDX-License-Identifier: MIT
"""Draw folded stacks as one self-contained SVG flame graph.

A picture that anybody can open: no script or font is loaded from elsewhere. Who has
no browser sees the whole; in one, a click zooms, and the search marks by a regular
expression. The kinds of code differ in lightness, so that it reads on paper too.
"""
from __future__ import annotations

from html import escape

WIDTH = 1200
MARGIN = 10
ROW = 17
FONT = 11
CHAR = 6.65  # the width of a monospaced character at FONT
HEAD = 78
LEAST = 0.0002  # a narrower share of the whole is not drawn

# kind: fill, text, stroke, dashes. From dark to white, told apart without colour.
KINDS = {
    "kernel": ("#35618e", "#ffffff", "#ffffff", ""),
    "own": ("#f2a65a", "#000000", "#ffffff", ""),
    "library": ("#dfe3d4", "#000000", "#ffffff", ""),
    "other": ("#ffffff", "#000000", "#777777", "3,2"),
}

SCRIPT = r"""
var W=%(inner)s, X0=%(margin)s, CHAR=%(char)s, marked=/(?!)/, focus=null;
var frames=[].slice.call(document.querySelectorAll('g.f'));
function num(g,k){return parseFloat(g.getAttribute(k));}
function label(g,w){
  var t=g.querySelector('text'), n=g.getAttribute('data-n'), c=Math.floor((w-4)/CHAR);
  t.textContent = c<3 ? '' : n.length<=c ? n : n.slice(0,c-2)+'..';
}
function show(){
  var a=focus?num(focus,'data-x'):0, s=focus?num(focus,'data-w'):1;
  var d=focus?num(focus,'data-d'):0;
  frames.forEach(function(g){
    var x=num(g,'data-x'), w=num(g,'data-w'), below=num(g,'data-d')<d;
    var holds=x<=a+1e-9 && x+w>=a+s-1e-9;
    var px=below&&holds?0:(x-a)/s*W, pw=below&&holds?W:w/s*W;
    var seen=below?holds:(px>=-1e-6 && px+pw<=W+1e-6 && pw>0.1);
    g.style.display=seen?'':'none';
    g.style.opacity=below?0.55:1;
    if(!seen) return;
    var r=g.querySelector('rect');
    r.setAttribute('x',X0+px); r.setAttribute('width',Math.max(pw,0.3));
    g.querySelector('text').setAttribute('x',X0+px+3);
    label(g,pw);
  });
  document.getElementById('reset').style.display=focus?'':'none';
}
function mark(){
  var hits=[], sum=0, end=0;
  frames.forEach(function(g){
    var hit=marked.test(g.getAttribute('data-n'));
    g.querySelector('rect').style.fill=hit?'#d33fd3':'';
    if(hit) hits.push([num(g,'data-x'), num(g,'data-x')+num(g,'data-w')]);
  });
  /* One inside another counts once. */
  hits.sort(function(a,b){return a[0]-b[0];}).forEach(function(h){
    sum+=Math.max(0, h[1]-Math.max(h[0],end)); end=Math.max(end,h[1]);
  });
  document.getElementById('share').textContent=
    marked.source==='(?!)'?'':'marked: '+(100*sum).toFixed(2)+' %% of all samples';
}
frames.forEach(function(g){
  g.addEventListener('click',function(){focus=num(g,'data-w')===1?null:g; show();});
});
document.getElementById('reset').addEventListener('click',function(){
  focus=null; show();
});
document.getElementById('search').style.display='';
document.getElementById('search').addEventListener('click',function(){
  var text=prompt('Mark functions whose name matches (a regular expression):','');
  if(text===null) return;
  try { marked=text?new RegExp(text):/(?!)/; } catch(e) { alert(e.message); return; }
  mark();
});
"""


def kind_of(frame: str) -> str:
    """perf/flame writes the kind behind the name; its own program has none."""
    if frame.endswith("_[k]"):
        return "kernel"
    if frame.startswith("[unknown]") or frame == "[vdso]":
        return "other"
    return "library" if frame.endswith(")") and " (" in frame else "own"


def read_folded(lines: list[str]) -> dict[str, int]:
    stacks: dict[str, int] = {}
    for line in lines:
        stack, _, count = line.strip().rpartition(" ")
        if stack and count.isdigit():
            stacks[stack] = stacks.get(stack, 0) + int(count)
    return stacks


def lay_out(stacks: dict[str, int]) -> list[tuple[int, int, int, str]]:
    """All boxes as (depth, first sample, samples, name), the root first."""
    total = sum(stacks.values())
    boxes = [(0, 0, total, "all")]
    opened: list[tuple[str, int]] = []  # the boxes that are still open: name, start
    at = 0

    def close_to(depth: int) -> None:
        while len(opened) > depth:
            name, start = opened.pop()
            boxes.append((len(opened) + 1, start, at - start, name))

    for stack in sorted(stacks, key=lambda text: text.split(";")):
        frames = stack.split(";")
        same = 0
        for frame, (name, _) in zip(frames, opened):
            if frame != name:
                break
            same += 1
        close_to(same)
        opened += [(frame, at) for frame in frames[same:]]
        at += stacks[stack]
    close_to(0)
    return sorted(boxes)


def fit(name: str, width: float) -> str:
    room = int((width - 4) / CHAR)
    if room < 3:
        return ""
    return name if len(name) <= room else name[: room - 2] + ".."


def box(depth: int, start: int, count: int, name: str, total: int, base: float) -> str:
    inner = WIDTH - 2 * MARGIN
    share, left = count / total, start / total
    kind = "other" if depth == 0 else kind_of(name)
    shown = name.removesuffix("_[k]")
    x, width = MARGIN + left * inner, share * inner
    label = escape(fit(shown, width))
    y = base - depth * ROW
    title = f"{shown} ({count} samples, {100 * share:.2f} %)"
    return (
        f'<g class="f {kind}" data-x="{left:.7f}" data-w="{share:.7f}" '
        f'data-d="{depth}" data-n="{escape(shown)}"><title>{escape(title)}</title>'
        f'<rect x="{x:.2f}" y="{y:.1f}" width="{max(width, 0.3):.2f}" '
        f'height="{ROW - 1}" rx="1"/>'
        f'<text x="{x + 3:.2f}" y="{y + 11.5:.1f}">{label}</text></g>'
    )


def legend(shares: dict[str, float], program: str) -> str:
    names = {
        "kernel": "kernel",
        "own": program,
        "library": "libraries",
        "other": "not known",
    }
    parts, x = [], float(MARGIN)
    for kind, name in names.items():
        text = f"{name} {100 * shares.get(kind, 0):.0f} %"
        parts.append(
            f'<g class="{kind}"><rect x="{x:.1f}" y="53" width="14" height="13"/></g>'
            f'<text x="{x + 19:.1f}" y="64">{escape(text)}</text>'
        )
        x += 19 + len(text) * CHAR + 24
    text = "a share is of the samples that ended there"
    parts.append(f'<text class="note" x="{x:.1f}" y="64">{text}</text>')
    return "".join(parts)


def shares_by_kind(stacks: dict[str, int]) -> dict[str, float]:
    total = sum(stacks.values())
    shares: dict[str, float] = {}
    for stack, count in stacks.items():
        kind = kind_of(stack.rpartition(";")[2])
        shares[kind] = shares.get(kind, 0.0) + count / total
    return shares


def style() -> str:
    rules = [
        f"text {{ font: {FONT}px 'DejaVu Sans Mono', Menlo, Consolas, monospace; }}",
        ".title { font-size: 15px; font-weight: bold; }",
        ".note, #share { fill: #555; } .button { text-decoration: underline; }",
        "g.f, .button { cursor: pointer; } g.f:hover rect { stroke: #000; }",
        "g.f text { pointer-events: none; }",
    ]
    for kind, (fill, text, stroke, dashes) in KINDS.items():
        dashed = f" stroke-dasharray: {dashes};" if dashes else ""
        rules.append(
            f".{kind} rect {{ fill: {fill}; stroke: {stroke}; stroke-width: 0.5;"
            f"{dashed} }} .{kind} text {{ fill: {text}; }}"
        )
    return "\n".join(rules)


def draw(stacks: dict[str, int], title: str, note: str, program: str) -> str:
    """The SVG. `title` is one line, `note` a second one in grey."""
    total = sum(stacks.values())
    boxes = [b for b in lay_out(stacks) if b[2] >= LEAST * total]
    deepest = max(b[0] for b in boxes)
    height = HEAD + (deepest + 1) * ROW + MARGIN
    base = height - MARGIN - ROW
    script = SCRIPT % {"inner": WIDTH - 2 * MARGIN, "margin": MARGIN, "char": CHAR}
    right = WIDTH - MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}">',
        f"<title>{escape(title)}</title>",
        f"<style>{style()}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text class="title" x="{MARGIN}" y="22">{escape(title)}</text>',
        f'<text class="note" x="{MARGIN}" y="41">{escape(note)}</text>',
        legend(shares_by_kind(stacks), program),
        f'<text id="share" x="{right}" y="64" text-anchor="end"></text>',
        f'<text id="reset" class="button" x="{right - 60}" y="22" text-anchor="end" '
        'style="display:none">whole graph</text>',
        f'<text id="search" class="button" x="{right}" y="22" text-anchor="end" '
        'style="display:none">search</text>',
        *[box(*b, total, base) for b in boxes],
        f"<script>//<![CDATA[{script}//]]></script>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"
