#!/usr/bin/env python3
"""Draws the plots and writes the tables of README.md from the figures that the benches left.

With a folder (target/bench after `make bench` and `make bench-envoy`) its engine.json and envoy.json
become those of figures/ first. What does not live here: any figure. Needs nothing but Python 3.
"""

import json
import pathlib
import re
import shutil
import sys
from html import escape
from math import log10

HERE = pathlib.Path(__file__).resolve().parent
OURS, OTHERS, LINE = "#2b7a78", "#b5bcc4", "#333"
WIDTH, LEFT, RIGHT, ROW, TOP = 760, 220, 130, 24, 40


def read(name):
    return json.loads((HERE / "figures" / f"{name}.json").read_text())


def number(value, digits=0):
    return "–" if value is None else f"{value:,.{digits}f}"


def svg(title, rows, log=False):
    """Bars: (label, value, text, is ours, least and most or None); a row without a value is a heading."""
    values = [max(row[1], (row[4] or (0, 0))[1]) for row in rows if row[1] is not None]
    most, room = max(values), WIDTH - LEFT - RIGHT
    floor = 10 ** int(log10(min(values))) if log else 0
    scale = lambda v: room * ((log10(v / floor) / log10(most / floor)) if log else v / most)
    height = TOP + ROW * len(rows) + 10
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="24" font-size="15">{escape(title)}</text>',
    ]
    for place, (label, value, text, ours, spread) in enumerate(rows):
        y = TOP + ROW * place
        if value is None:
            out.append(f'<text x="10" y="{y + 17}" font-weight="bold">{escape(label)}</text>')
            continue
        end = LEFT + scale(value)
        out.append(f'<text x="{LEFT - 8}" y="{y + 17}" text-anchor="end">{escape(label)}</text>')
        out.append(
            f'<rect x="{LEFT}" y="{y + 3}" width="{end - LEFT:.1f}" height="{ROW - 6}" '
            f'fill="{OURS if ours else OTHERS}"/>'
        )
        if spread:
            low, high = (LEFT + scale(v) for v in spread)
            middle = y + ROW / 2
            out.append(f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke="{LINE}"/>')
            end = max(end, high)
        out.append(f'<text x="{end + 6:.1f}" y="{y + 17}">{escape(text)}</text>')
    return "\n".join([*out, "</svg>", ""])


WORKS = {
    "one-bound": "one experiment, attributes bound",
    "one-raw": "one experiment, raw headers",
    "thousand-raw": "1,000 experiments, raw headers",
    "layered": "100 experiments in 10 layers",
    "unlayered": "100 experiments, each its own layer",
    "compile": "1,000 experiments read and compiled",
}


def of_work(engine, work):
    return [one for one in engine["figures"] if one["work"] == work]


def is_ours(figure):
    return figure["by"].startswith("watershed")


def engine_plot(engine, unit, title):
    rows = []
    for work, name in WORKS.items():
        if work == "compile":
            continue
        rows.append((name, None, "", False, None))
        for one in sorted(of_work(engine, work), key=lambda one: one[unit]):
            rows.append((one["by"], one[unit], number(one[unit]), is_ours(one), None))
    return svg(title, rows, log=True)


def engine_table(engine):
    lines = [machine(engine), ""]
    for work, name in WORKS.items():
        memory = " bytes left alive |" if work == "compile" else ""
        lines += [f"| {name} | ns | instructions | allocations |{memory}"]
        lines += ["| --- | ---: | ---: | ---: |" + (" ---: |" if memory else "")]
        for one in of_work(engine, work):
            live = f" {number(one['live_bytes'])} |" if memory else ""
            cells = [number(one["ns"], 0), number(one["instructions"]), number(one["allocations"])]
            lines.append(f"| {one['by']} | {' | '.join(cells)} |{live}")
        lines.append("")
    return lines[:-1]


def machine(report):
    one = report["machine"]
    return f"{one['processor']}, {one['cores']} cores, kernel {one['kernel']}, load {one['load']}."


def ranged(spread, digits):
    return f"{spread['median']:.{digits}f} ({spread['min']:.{digits}f}–{spread['max']:.{digits}f})"


def envoy_table(envoy):
    lines = [
        f"{machine(envoy)} {envoy['envoy']}; {envoy['rounds']} rounds of {envoy['requests']:,} requests; "
        f"the filter is {envoy['filter_bytes']:,} bytes.",
        "",
        "| set-up | CPU µs a request: median (least–most) | to no filter | to the empty Wasm filter | to Lua |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for one in envoy["figures"]:
        ratios = [one[to]["median"] for to in ("to_no_filter", "to_empty_wasm", "to_lua")]
        name = one["setup"]
        lines.append(f"| {name} | {ranged(one['cpu_us'], 1)} | {' | '.join(f'{r:.2f}' for r in ratios)} |")
        if one["service_us"]:
            lines.append(f"| its service on top | {ranged(one['service_us'], 1)} | | | |")
    lines += ["", "| host call | CPU µs a call: median (least–most) |", "| --- | ---: |"]
    lines += [f"| {one['call']} | {ranged(one['cpu_us'], 2)} |" for one in envoy["calls"]]
    lines += ["", "| update | the worker's first, ms | later ones, ms | main thread, ms |", "| --- | ---: | ---: | ---: |"]
    for one in envoy["updates"]:
        name = f"{one['experiments']:,} experiments as {one['encoding']}, {one['bytes'] // 1000:,} KB"
        later, main = ranged(one["worker_ms"], 1), ranged(one["main_ms"], 1)
        lines.append(f"| {name} | {one['first_ms']:.1f} | {later} | {main} |")
    lines += ["", "| memory | Envoy with one worker, MB | each further worker, MB |", "| --- | ---: | ---: |"]
    for one in envoy["memory"]:
        lines.append(f"| {one['setup']} | {one['one_worker_mb']:.1f} | {one['each_further_mb']:.1f} |")
    return lines


def target_table(*reports):
    lines = ["| work | what | at most | measured | |", "| --- | --- | ---: | ---: | --- |"]
    for one in (target for report in reports for target in report["targets"]):
        measured, most = one["measured"], one["most"]
        digits = 2 if most < 10 and most != 0 else 0
        if measured is None:
            verdict = "not measured"
        elif one["met"]:
            verdict = "met"
        else:
            verdict = f"missed: {measured / most:.2f} times the target"
        cells = [one["work"], one["what"], number(most, digits), number(measured, digits), verdict]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def envoy_plot(envoy):
    rows = []
    for one in envoy["figures"]:
        cpu, name = one["cpu_us"], one["setup"]
        text = f"{cpu['median']:.0f} ({one['to_no_filter']['median']:.2f}x)"
        rows.append((name, cpu["median"], text, name.startswith("watershed"), (cpu["min"], cpu["max"])))
    return svg("Envoy's processor time, µs a request: median, and a line from the least to the most", rows)


def main():
    if len(sys.argv) > 1:
        for name in ("engine", "envoy"):
            source = pathlib.Path(sys.argv[1]) / f"{name}.json"
            if source.exists():
                shutil.copyfile(source, HERE / "figures" / f"{name}.json")
    engine, envoy = read("engine"), read("envoy")
    plots = {
        "instructions": engine_plot(engine, "instructions", "Instructions a decision, logarithmic"),
        "time": engine_plot(engine, "ns", "Nanoseconds a decision, logarithmic"),
        "envoy": envoy_plot(envoy),
    }
    (HERE / "plots").mkdir(exist_ok=True)
    for name, plot in plots.items():
        (HERE / "plots" / f"{name}.svg").write_text(plot)
    tables = {"engine": engine_table(engine), "envoy": envoy_table(envoy), "targets": target_table(engine, envoy)}
    readme = HERE / "README.md"
    text = readme.read_text()
    for name, lines in tables.items():
        start, end = f"<!-- {name}: written by plots.py -->", f"<!-- /{name} -->"
        body = "\n".join([start, "", *lines, "", end])
        text, count = re.subn(f"{re.escape(start)}.*?{re.escape(end)}", lambda _: body, text, flags=re.S)
        if count != 1:
            sys.exit(f"README.md has no place for {name}")
    readme.write_text(text)
    print("written: README.md and plots/ in", HERE)


if __name__ == "__main__":
    main()
