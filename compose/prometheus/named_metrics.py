"""named_metrics.py SCRAPE RULES DASHBOARD: every metric that the rules and the dashboard name must stand in the scrape,
every label that they pick must be one of that metric's, and every value that they pick one that it has there; a job, one
of prometheus.yml beside the rules; what a percentile is compared with, the bound of a bucket. Errors are planted, and have
to be found.
named_metrics.py DASHBOARD: its expressions as rules, for promtool to read. Used by `check`.
"""

import json
import pathlib
import re
import sys

import yaml

# What PromQL means by a word, as far as it is used here.
WORDS = set("""
    sum min max avg count by without on ignoring group_left group_right and or unless bool offset
    rate increase irate changes histogram_quantile avg_over_time max_over_time abs clamp_max clamp_min time vector scalar topk
""".split())
METRIC = re.compile(r"\b([a-z_:][a-z0-9_:]*)\b(\{[^}]*\})?")
LABEL = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
PERCENTILE = re.compile(r"histogram_quantile\([^>]*?(\w+_bucket)[^>]*>\s*([\d.]+)")
# Each has one error.
PLANTED = [
    "sum(repasse_payments_waitin)",
    'repasse_sends_total{evidenc="misconfigured"}',
    'repasse_sends_total{evidence="misconfigurd"}',
    'repasse_payments_posted_total{outcome!="conflicts"}',
    'repasse_payments_posted_total{outcome=~"accepted|taken_inn"}',
    'up{job="repase"}',
    "histogram_quantile(0.99, rate(repasse_accept_duration_seconds_bucket[5m])) > 0.15",
]


def said_metrics(path):
    """The names in a scrape, each with its labels and their values."""
    said = {}
    with open(path, encoding="utf-8") as scrape:
        for line in scrape:
            if line.startswith("#"):
                continue
            name, labels = re.match(r"([a-zA-Z_:][\w:]*)(\{.*\})?", line).groups()
            values = said.setdefault(name, {})
            for label, _, value in LABEL.findall(labels or ""):
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


def values_of(operator, picked):
    """Each alternative of a regular expression by itself."""
    return picked.split("|") if operator in ("=~", "!~") else [re.escape(picked)]


def errors_of(expression, said, jobs):
    """What it names that nobody says, in sentences. `said`: of each metric its labels, and their values."""
    for name, picked in named_metrics(expression):
        if name not in said:
            yield f"nobody says {name}"
            continue
        known = said[name] | {"job": jobs}
        for label, operator, value in picked:
            if label not in known:
                yield f"{name} has no label {label}"
                continue
            for each in values_of(operator, value):
                if not any(re.fullmatch(each, one) for one in known[label]):
                    yield f"no {name} has {label}={each}"
    for name, limit in PERCENTILE.findall(expression):
        if float(limit) not in map(float, said.get(name, {}).get("le", ())):
            yield f"no bucket of {name} ends at {limit}"


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
    with open(pathlib.Path(sys.argv[2]).with_name("prometheus.yml"), encoding="utf-8") as file:
        jobs = {each["job_name"] for each in yaml.safe_load(file)["scrape_configs"]}
    said["up"] = {}
    recorded, found = expressions(rules, dashboard)
    said |= {name: {} for name in recorded}
    wrong = [f"{where}: {error}" for where, expression in found for error in errors_of(expression, said, jobs)]
    wrong += [f"planted and not found: {each}" for each in PLANTED if len([*errors_of(each, said, jobs)]) != 1]
    names = {name for _, expression in found for name, _ in named_metrics(expression)}
    print(f"{len(found)} expressions name {len(names)} metrics; {len(said)} are said")
    print("\n".join(wrong))
    sys.exit(1 if wrong or len(found) < 40 else 0)


if __name__ == "__main__":
    main()
