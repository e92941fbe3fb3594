"""named_metrics.py SCRAPE RULES DASHBOARD: every metric that the rules and the dashboard name must stand in the scrape,
and every label that they pick must be one of that metric's.
named_metrics.py DASHBOARD: its expressions as rules, for promtool to read. Used by `check`.
"""

import json
import re
import sys

import yaml

# What PromQL means by a word, as far as it is used here, and what Prometheus itself adds.
WORDS = set("""
    sum min max avg count by without on ignoring group_left group_right and or unless bool offset
    rate increase irate histogram_quantile avg_over_time max_over_time abs clamp_min time vector scalar topk
""".split())
ADDED = {"instance", "job", "le", "quantile"}
METRIC = re.compile(r"\b([a-z_:][a-z0-9_:]*)\b(\{[^}]*\})?")
LABEL = re.compile(r'([a-z_]+)\s*(?:=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')


def said_metrics(path):
    """The names in a scrape, each with its labels and their values."""
    said = {}
    with open(path, encoding="utf-8") as scrape:
        for line in scrape:
            if line.startswith("#"):
                continue
            name, labels = re.match(r"([a-zA-Z_:][\w:]*)(\{.*\})?", line).groups()
            values = said.setdefault(name, {})
            for label, value in LABEL.findall(labels or ""):
                values.setdefault(label, set()).add(value)
    return said


def named_metrics(expression):
    """The metrics in an expression, each with what is picked of it."""
    groups = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
    expression = re.sub(r"\[[^]]*\]", " ", groups.sub(" ", expression))
    for name, picked in METRIC.findall(expression):
        if name not in WORDS and not re.fullmatch(r"\d*[a-z]?|e\d+", name):
            yield name, LABEL.findall(picked)


def expressions(rules, dashboard):
    """Each with where it stands."""
    recorded = set()
    found = []
    for group in rules["groups"]:
        for rule in group["rules"]:
            if "record" in rule:
                recorded.add(rule["record"])
            found.append((rule.get("alert", rule.get("record")), rule["expr"]))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            found.append((panel["title"], target["expr"]))
    return recorded, found


def print_rules(dashboard):
    panels = [
        target["expr"].replace("$__rate_interval", "1m")
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]
    rules = [{"record": f"panel_{i}", "expr": expression} for i, expression in enumerate(panels)]
    print(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))


def main():
    with open(sys.argv[-1], encoding="utf-8") as file:
        dashboard = json.load(file)
    if len(sys.argv) == 2:
        print_rules(dashboard)
        return
    said = said_metrics(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as file:
        rules = yaml.safe_load(file)
    recorded, found = expressions(rules, dashboard)
    said.setdefault("up", {})
    wrong = []
    names = set()
    for where, expression in found:
        for name, picked in named_metrics(expression):
            names.add(name)
            if name in recorded:
                continue
            if name not in said:
                wrong.append(f"{where}: nobody says {name}")
                continue
            for label, _ in picked:
                if label not in said[name] and label not in ADDED:
                    wrong.append(f"{where}: {name} has no label {label}")
    print(f"{len(found)} expressions name {len(names)} metrics; {len(said)} are said")
    print("\n".join(wrong))
    sys.exit(1 if wrong or len(found) < 40 else 0)


if __name__ == "__main__":
    main()
