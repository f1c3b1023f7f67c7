"""The first pages: verdicts, what rests on what, findings, where bounds are silent, and how tight they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from verify.report import numbers, reach, tightness, words
from verify.report.canvas import Figure
from verify.report.graph import Node, dependency_graph
from verify.report.shown import shown_finding, shown_verdict
from verify.vacuity import VACUITY

_FINDINGS_FIRST = 6  # findings that stand beside the graph; the rest is folded
# What a reader has to know first: a finding that was not confirmed is a fault of the suite or of its reading.
_RANKS = {"violated": 0, "error": 0, "undecided": 1, "holds": 2, "vacuous": 3, "not applicable": 3}


def overview(results: dict[str, Any], anchors: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Any]:
    """All that stands before the statements themselves."""
    statements = results["statements"]
    tight: dict[str, tightness.Tightness] = {}
    maps = []
    for item in statements:
        name = item["id"]
        # Bounds in calibrations are held to known values: how tight these are says nothing about the source.
        found = None if item["kind"] == words.CALIBRATION else tightness.tightness(item, labels[name], anchors[name])
        if found is not None:
            tight[name] = found
        small = reach.small_map(item, labels[name], anchors[name])
        if small is not None:
            maps.append(small)
    rows = [_row(item, anchors, labels, results["times"], tight.get(item["id"])) for item in statements]
    right, silent, could_fail = words.answers(results)
    how_tight = {"question": "How tight is it?", **tightness.answer(list(tight.values()))}
    if maps:  # they say more than the points that happened to be checked
        silent["more"] = " ".join(filter(None, [silent["answer"], silent["more"]]))
        silent["answer"] = reach.sentence(maps)
    findings = [
        {
            **shown_finding(finding),
            "label": labels[item["id"]],
            "anchor": anchors[item["id"]],
            "generated": finding["id"] == VACUITY,
        }
        for item in statements
        for finding in item["findings"]
    ]
    # In the order of the sources, but first what was not confirmed, and last what the suite says of every bound.
    findings.sort(key=lambda finding: (finding["generated"], _RANKS[finding["verdict"]["outcome"]]))
    linked = {name for item in statements for used in item["uses"] if used in labels for name in (item["id"], used)}
    return {
        "answers": [right, silent, how_tight, could_fail],
        "board": rows,
        "groups": _groups(rows),
        "facets": _facets(rows),
        "fates": [{"name": fate, "text": text} for fate, text in words.FATES.items()],
        "graph": _graph(statements, anchors, labels),
        "unlinked": [{"label": row["label"], "anchor": row["anchor"]} for row in rows if row["id"] not in linked],
        "findings": findings,
        "findings_first": _FINDINGS_FIRST,
        "tightness": _figure(tightness.draw(list(tight.values()))),
        "reach": _figure(reach.draw(maps, "reach")),
    }


# Kinds of statements that stand under a heading of their own, after all works.
_KINDS = {"experiment": "Experiments", words.CALIBRATION: "Calibrations"}


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    return None if figure is None else figure.to_dict()


def group_of(statement: dict[str, Any]) -> str:
    """The heading a statement stands under: its work, or what kind of thing it is where it claims nothing of a work."""
    return _KINDS.get(statement["kind"]) or statement["citation"]["work"] or "Other statements"


def _groups(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows by what they are about, in the order of the sources; experiments and calibrations last."""
    names = list(dict.fromkeys(row["group"] for row in rows))
    last = list(_KINDS.values())
    names.sort(key=lambda name: last.index(name) + 1 if name in last else 0)
    return [{"name": name, "rows": [row for row in rows if row["group"] == name]} for name in names]


def _facets(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outcomes and evidence that occur, to filter by."""
    outcomes = Counter(row["verdict"]["outcome"] for row in rows)
    evidence = Counter(row["verdict"]["evidence"] for row in rows)
    return [
        {
            "name": "outcome",
            "values": [
                {"key": name.replace(" ", "-"), "text": f"{sign} {name}", "count": str(outcomes[name])}
                for name, sign in words.SIGNS.items()
                if outcomes[name]
            ],
        },
        {
            "name": "evidence",
            "values": [
                {"key": name, "text": name, "count": str(evidence[name])}
                for name in words.LEGEND_EVIDENCE
                if evidence[name]
            ],
        },
    ]


def _row(
    item: dict[str, Any],
    anchors: Mapping[str, str],
    labels: Mapping[str, str],
    times: dict[str, Any],
    tight: tightness.Tightness | None,
) -> dict[str, Any]:
    controls = [control for check in item["checks"] for control in check["controls"]]
    looked = [control for control in controls if control["looked_at"]]
    rejected = sum(control["rejected"] for control in looked)
    text = f"{rejected} of {len(looked)}" if looked else ("not reached" if controls else "none")
    fates = Counter(mutant["fate"] for mutant in words.mutants_of(item))
    could = fates.total() - fates["equivalent"]
    seconds = times.get("statements", {}).get(item["id"])
    return {
        "id": item["id"],
        "kind": item["kind"],
        "group": group_of(item),
        "label": labels[item["id"]],
        "anchor": anchors[item["id"]],
        "title": item["title"],
        "verdict": shown_verdict(item["verdict"]),
        "points": sum(len(check["points"]) for check in item["checks"]),
        "controls": text,
        "controls_missed": rejected < len(looked),
        "mutants": f"{fates['rejected']} of {could}" if could else "none",
        "fates": [{"name": fate, "count": str(fates[fate])} for fate in words.FATES],
        "tight": tight.text if tight else numbers.NOTHING,
        "tight_order": f"{tight.loosest if tight.tightest == float('inf') else tight.tightest:.6g}" if tight else "",
        "cost": numbers.seconds(seconds),
        "cost_order": f"{seconds:.6g}" if seconds is not None else "",
    }


def _graph(
    statements: Sequence[dict[str, Any]], anchors: Mapping[str, str], labels: Mapping[str, str]
) -> dict[str, Any] | None:
    nodes = []
    for item in statements:
        verdict = item["verdict"]
        label = labels[item["id"]]
        nodes.append(
            Node(
                item["id"],
                label if len(label) <= 22 else f"{label[:21]}…",
                f"{words.SIGNS[verdict['outcome']]} {verdict['evidence'] or verdict['outcome']}",
                verdict["outcome"],
                verdict["evidence"],
                anchors[item["id"]],
                tuple(item["uses"]),
            )
        )
    return dependency_graph(nodes)
