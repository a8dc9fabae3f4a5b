"""The results as tables of Markdown: what each ``results/NAME.json`` shows."""

from __future__ import annotations

from typing import Any


def _table(title: str, columns: list[str], rows: list[list[str]]) -> str:
    lines = [f"**{title}**", "", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


RUNTIMES = ("ai-edge-litert", "openvino", "onnxruntime", "torch")


def taken_on(data: dict[str, Any]) -> str:
    """A line on the machine and the runtimes; nothing where a result is older than that."""
    if "machine" not in data:
        return ""
    machine, versions = data["machine"], data["versions"]
    where = f"{machine['cpu'] or machine['architecture']}, {machine['cores']} cores"
    if machine["virtual_machine"]:
        where += ", a virtual machine"
    ran = [f"{name} {versions[name]}" for name in RUNTIMES if name in versions]
    return f"\n\nOn {where}, {machine['system']}; {', '.join(ran)}."


def _detectors(data: dict[str, Any]) -> str:
    by_what: dict[tuple[str, str], dict[str, float]] = {}
    for row in data["accuracy"]:
        by_what.setdefault((row["model"], row["what"]), {})[row["category"]] = row["ap50"]
    checks = {(one["model"], one["path"]): one for one in data["artifacts"]}
    rows = [
        [
            model,
            what,
            f"{found['person']:.3f}",
            f"{found['car']:.3f}",
            *_checked(checks, model, what),
        ]
        for (model, what), found in by_what.items()
    ]
    title = "AP50 on 252 COCO val2017 photos, cut to person and car"
    return _table(title, ["model", "what", "person", "car", "MB", "verified"], rows)


def _checked(checks: dict[tuple[str, str], dict[str, Any]], model: str, what: str) -> list[str]:
    one = checks.get((model, what))
    if one is None:
        return ["", ""]
    return [f"{one['bytes'] / 1e6:.2f}", "yes" if one["verification"]["passed"] else "NO"]


def _latency(data: dict[str, Any]) -> str:
    rows = []
    for row in data["rows"]:
        ratios = row["ratio_to"]
        against = f"{ratios['onnx2tf']['ratio']:.2f}" if "onnx2tf" in ratios else "-"
        rows.append(
            [
                row["scheme"],
                row["file"],
                f"{row['median_ms']:.2f}",
                against,
                str(row["transposes"]),
                f"{row['bytes'] / 1e6:.2f}",
                row["verdict"],
            ]
        )
    columns = [
        "scheme",
        "file",
        "median ms",
        "of onnx2tf",
        "TRANSPOSE",
        "MB",
        "verdict",
    ]
    return _table("YOLOX-nano on LiteRT, one thread, interleaved", columns, rows)


def _exactness(data: dict[str, Any]) -> str:
    rows = [
        [
            row["model"],
            row["input"],
            "on" if row["graph_optimisations"] else "off",
            str(row["keep_lists"]),
            str(row["within_1e-5"]),
            f"{row['max_relative_error']:.1e}",
        ]
        for row in data["rows"]
    ]
    columns = ["model", "input", "optimisations", "keep-lists", "within 1e-5", "largest error"]
    return _table("Cut = select, relative to the largest kept value", columns, rows)


def _everyday(data: dict[str, Any]) -> str:
    judged = data["judged"]["by_source"]
    names = list(data["judged"]["by_category"])
    rows = [
        ["top-1", *(f"{one['top1']:.1%} of {one['images']}" for one in judged.values())],
        *([name, *(_recall(one, name) for one in judged.values())] for name in names),
    ]
    top1 = data["cifar10_test"]["top1_of_ten"]
    title = (
        f"The built-in network, {data['macs'] / 1e6:.1f} M multiply-accumulates: recall (AUROC) by "
        f"source; kept to CIFAR-10's ten categories, {data['macs_of_ten'] / 1e6:.1f} M and top-1 "
        f"{top1:.2%} on its official test images"
    )
    return _table(title, ["category", *judged], rows)


def _recall(judged: dict[str, Any], name: str) -> str:
    found = judged["by_category"].get(name)
    return f"{found['recall']:.1%} ({found['auroc']:.3f})" if found else "-"


def _synthetic(data: dict[str, Any]) -> str:
    distances = {(d["model"], d["samples"]): f"{d['distance']:.3f}" for d in data["distances"]}
    rows = [
        [
            row["model"],
            row["samples"],
            distances.get((row["model"], row["samples"]), "-"),
            row["runtime"],
            *_told(row),
        ]
        for row in data["rows"]
    ]
    title = f"int8, calibrated with {data['samples']} samples of each kind, on real images"
    columns = ["model", "samples", "distance", "runtime", "accuracy", "same as float32"]
    return _table(title, columns, rows)


def _told(row: dict[str, Any]) -> list[str]:
    if "ap50" in row:
        return ["AP50 " + ", ".join(f"{name} {v:.3f}" for name, v in row["ap50"].items()), "-"]
    return [f"top-1 {row['top1']:.1%}", f"{row['same_as_float32']:.1%}"]


def _build_cost(data: dict[str, Any]) -> str:
    rows = [
        ["`edgecut --help`", f"{data['help_s']['median']:.2f} s"],
        [f"build, {data['build_samples']} samples, two targets", f"{data['build_s']:.0f} s"],
        ["its largest process", f"{data['build_peak_bytes'] / 1e9:.2f} GB"],
    ]
    return _table("What edgecut costs", ["what", "measured"], rows)


def _training(data: dict[str, Any]) -> str:
    rows = [
        [
            row["recipe"],
            row["way"],
            f"{row['step_s']:.3f}",
            f"{row['ratio']:.2f}",
            f"{row['peak_bytes'] / 1e9:.2f}",
        ]
        for row in data["rows"]
    ]
    columns = ["recipe", "way", "step s", "of as it is", "peak GB"]
    return _table("A training step on one core, without its images", columns, rows)


def _drift(data: dict[str, Any]) -> str:
    rows = [[r["runtime"], r["against"], f"{r['max_relative_error']:.1e}"] for r in data["rows"]]
    title = f"float32 runs of YOLOX-nano, {data['images']} photos"
    return _table(title, ["runtime", "against", "largest error / largest value"], rows)


def _harness(data: dict[str, Any]) -> str:
    tools = [
        [
            row["tool"],
            f"{row['ours_ms']:.3f}",
            f"{row['theirs_ms']:.3f}",
            f"{row['ratio']:.3f} ({row['lowest']:.3f} to {row['highest']:.3f})",
            "VALID" if not row["reasons"] else "INVALID",
        ]
        for row in data["tools"]
    ]
    spreads = {f"{side}_ms_spread": f"spread of {side} ms" for side in ("full", "cut")}
    # Older results tell of the cut's latency alone.
    told = [name for name in spreads if all(name in row for row in data["repeatability"])]
    repeated = [
        [
            row["format"],
            str(row["runs"]),
            f"{row['ratio']:.3f}",
            f"{row['ratio_spread']:.1%}",
            *(f"{row[name]:.1%}" for name in told),
            "VALID" if not row["reasons"] else "INVALID",
        ]
        for row in data["repeatability"]
    ]
    refused = [[row["what"], row["verdict"], "; ".join(row["reasons"])] for row in data["refusals"]]
    own = f"The harness adds {data['own_ns']:.0f} ns to an invocation"
    parts = [
        _table(own, ["tool", "edgecut ms", "its ms", "ratio", "verdict"], tools),
        _table(
            "The same measurement again and again",
            ["format", "runs", "full / cut", "its spread", *map(spreads.get, told), "verdict"],
            repeated,
        ),
        _table("What spoils a measurement", ["what was done", "verdict", "reasons"], refused),
    ]
    return "\n\n".join(parts)


def _macs(data: dict[str, Any]) -> str:
    tools = [count["tool"] for count in data["rows"][0]["counts"]]
    rows = [
        [
            row["architecture"],
            f"{row['macs'] / 1e6:.1f}",
            *(f"{count['ratio']:.3f} ({_why(count)})" for count in row["counts"]),
            str(sum(abs(count["unexplained"]) for count in row["counts"])),
        ]
        for row in data["rows"]
    ]
    columns = ["architecture", "M MACs", *(f"{tool} / edgecut" for tool in tools), "unexplained"]
    return _table("Multiply-accumulates, counted by four tools, and why they differ", columns, rows)


def _why(count: dict[str, Any]) -> str:
    """The largest of what a tool counts besides products, or does not see of them."""
    parts = {f"+ {name}": macs for name, macs in count["besides"].items()}
    parts |= {f"- {name}": macs for name, macs in count["left_out"].items()}
    return max(parts, key=lambda name: parts[name]) if parts else "equal"


def _paper(data: dict[str, Any]) -> str:
    from benchmarks.paper.tables import headline

    return f"{headline(data)}\n\nTables and plots: [paper.md](paper.md)."


def _zoo(data: dict[str, Any]) -> str:
    from benchmarks.zoo.tables import COLUMNS, lines, summary

    title = "The zoo: each model cut to random keep-lists, and the most that a cut excluded"
    return f"{_table(title, list(COLUMNS), lines(data))}\n\n{summary(data)}"


def _zoo_peers(data: dict[str, Any]) -> str:
    models: dict[str, list[dict[str, Any]]] = {}
    for row in data["rows"]:
        models.setdefault(row["model"], []).append(row)
    ways = list(dict.fromkeys(row["way"] for row in data["rows"]))
    rows = [[model, *map(_way_told, own)] for model, own in models.items()]
    right = {way: sum(r["right"] for r in data["rows"] if r["way"] == way) for way in ways}
    handled = {way: sum(r["handled"] for r in data["rows"] if r["way"] == way) for way in ways}
    told = "; ".join(f"{way}: an answer for {handled[way]}, right for {right[way]}" for way in ways)
    lists, every = data["settings"]["keep_lists"], data["settings"]["every"]
    which = "every model" if every == 1 else f"one in {every}"
    versions = ", ".join(f"{name} {version}" for name, version in data["peers"].items())
    title = (
        f"Three ways to take categories out of models of the zoo, {which}, {lists} keep-lists each"
        ": the most parameters excluded, each by its own count"
    )
    return f"{_table(title, ['model', *ways], rows)}\n\nOf {len(rows)} models, {told}. {versions}."


def _way_told(row: dict[str, Any]) -> str:
    if row["right"]:
        return f"{100 * row['parameters_excluded']:.1f} %"
    return f"{'wrong' if row['handled'] else 'no answer'}: {row['reason']}".replace("|", "/")


def _mutation(data: dict[str, Any]) -> str:
    by_file: dict[str, list[dict[str, Any]]] = {}
    for row in data["rows"]:
        by_file.setdefault(row["path"], []).append(row)
    rows = [
        [
            path,
            str(len(own)),
            str(sum(row["noticed"] for row in own)),
            str(sum(row["equivalent"] is not None for row in own)),
            "; ".join(
                f"{r['line']}: {r['change']}" for r in own if not (r["noticed"] or r["equivalent"])
            ),
        ]
        for path, own in by_file.items()
    ]
    rows.append(["all", *(str(sum(int(row[i]) for row in rows)) for i in (1, 2, 3)), ""])
    title = "The cut broken on purpose, one place at a time, and whether its tests notice"
    columns = ["file", "mutants", "noticed", "the same results", "not noticed, by line"]
    return _table(title, columns, rows)


def _hostile(data: dict[str, Any]) -> str:
    kinds = ("right", "error", "wrong", "traceback", "crash", "hang")
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for row in data["rows"]:
        own = counts.setdefault((row["file"], row["level"]), dict.fromkeys(kinds, 0))
        own[row["kind"]] += row["count"]
    rows = [[*place, *(str(own[kind]) for kind in kinds)] for place, own in counts.items()]
    title = "Damaged files: a cut that is right, a clean error, or what must not be"
    return _table(title, ["file", "changed", *kinds], rows)


def _scale(data: dict[str, Any]) -> str:
    rows = [
        [
            f"{row['nodes']:,}",
            f"{row['nodes_left']:,}",
            f"{row['cut_cpu_s']:.2f}",
            f"{1e6 * row['cut_cpu_s'] / row['nodes']:.0f}",
            f"{row['peak_bytes'] / 2**30:.2f}",
        ]
        for row in data["rows"]
    ]
    columns = ["nodes", "nodes left", "cut, CPU s", "us a node", "peak memory, GiB"]
    return _table("Demand, narrow and cost, by size of the graph", columns, rows)


def _large(data: dict[str, Any]) -> str:
    rows = [
        [
            f"{row['weight_bytes'] / 2**30:.2f}",
            "in the model's file" if row["weights"] == "inside" else "in a file beside it",
            f"{row['anonymous_bytes'] / 2**30:.2f}",
            f"{row['peak_bytes'] / 2**30:.2f}",
        ]
        for row in data["rows"]
    ]
    columns = ["weights, GiB", "which lie", "memory of its own, GiB", "with pages of files, GiB"]
    return _table("`edgecut cut` of large matrix products, checks and all", columns, rows)


TABLES = {
    "paper": _paper,
    "detectors": _detectors,
    "latency": _latency,
    "exactness": _exactness,
    "zoo": _zoo,
    "zoo_peers": _zoo_peers,
    "scale": _scale,
    "large": _large,
    "mutation": _mutation,
    "hostile": _hostile,
    "drift": _drift,
    "everyday": _everyday,
    "synthetic": _synthetic,
    "build_cost": _build_cost,
    "training": _training,
    "harness": _harness,
    "macs": _macs,
}
