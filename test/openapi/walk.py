#!/usr/bin/python3
"""openapi: every operation, status and header of the document, provoked at the real server, which must say exactly
that, and nothing else.

usage: walk.py DOCUMENT REPASSE PROCESSOR_SIMULATOR
"""

import decimal
import gzip
import pathlib
import sys

import scenes
from document import Document, parse
from house import House

# Those of HTTP itself, which any answer may have.
UNDOCUMENTED_FIELDS = {"Date", "Content-Length", "Content-Type", "Connection"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE")
MONEY = ("amount", "totalAmount")
ALWAYS_UTF_8 = ("text/event-stream",)
# Operation and status that the walk does not provoke, and why.
NOT_PROVOKED = {}


class Walk:
    """Compares answers with the document, and remembers what has been seen of it."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.document = Document.load(path)
        self.operations = {operation.id: operation for operation in self.document.operations()}
        self.wrong = []
        self.seen = set()
        self.seen_fields = set()
        self.seen_types = set()

    def note(self, wrong):
        if wrong not in self.wrong:
            self.wrong.append(wrong)

    def request(self, operation, target=None, headers=None, body=None, token=None):
        """Method, target, fields and body of a request that the document shows, changed by what is given."""
        given = dict(headers or {})
        shown = operation.raw.get("requestBody", {}).get("content", {})
        for media_type, media in shown.items():
            given.setdefault("Content-Type", media_type)
            if body is None:
                value = media["example"] if "example" in media else next(iter(media["examples"].values()))["value"]
                body = as_json(value)
        if token is not None:
            given.setdefault("X-Admin-Token", token)
        if target is None or target.startswith("?"):
            path = operation.path
            for parameter in operation.parameters:
                path = path.replace("{" + parameter["name"] + "}", str(parameter.get("example")))
            target = path + (target or "")
        return operation.method, target, given, body or b""

    def ask(self, server, operation_id, status, bytes_max=None, **changed):
        """Asks, and compares; the answer. `status` is what is wanted."""
        operation = self.operations[operation_id]
        method, target, headers, body = self.request(operation, **changed)
        answer = server.ask(method, target, headers, body, bytes_max)
        self.compare(operation, status, answer, f"{method} {target[:100]}")
        return answer

    def compare(self, operation, status, answer, asked):
        where = f"{asked} ({operation.id}) {answer.status}"
        if answer.status != status:
            self.note(f"{where}: wanted {status}: {answer.body[:300]!r}")
            return
        if status not in operation.responses:
            self.note(f"{where}: the document does not have it")
            return
        self.seen.add((operation.id, status))
        self.compare_with(operation.responses[status], answer, where, (operation.id, status))

    def compare_with(self, response, answer, where, place):
        documented = {name: self.document.follow(each) for name, each in response.get("headers", {}).items()}
        for name, value in answer.fields.items():
            if name in documented:
                self.seen_fields.add((*place, name))
                for error in self.document.errors(value, documented[name]["schema"]):
                    self.note(f"{where}: {name}: {error}")
            elif name not in UNDOCUMENTED_FIELDS:
                self.note(f"{where}: {name}: {value}: the document does not have it")
        for name, header in documented.items():
            if header.get("required") and name not in answer.fields:
                self.note(f"{where}: {name} is missing")
        content = response.get("content", {})
        if answer.method == "HEAD":
            return
        if not content:
            if answer.body or answer.media_type:
                self.note(f"{where}: has a body")
        elif answer.media_type not in content:
            self.note(f"{where}: is {answer.media_type or 'empty'}")
        else:
            self.seen_types.add((*place, answer.media_type))
            kind = answer.fields["Content-Type"]
            if kind.startswith("text/") and kind not in ALWAYS_UTF_8 and not kind.endswith("; charset=utf-8"):
                self.note(f"{where}: {kind} does not say that it is UTF-8")
            self.compare_body(content[answer.media_type]["schema"], answer, where)

    def compare_body(self, schema, answer, where):
        body = gzip.decompress(answer.body) if answer.fields.get("Content-Encoding") == "gzip" else answer.body
        value = parse(body) if answer.media_type.endswith("json") else body.decode("utf-8", "replace")
        for error in self.document.errors(value, schema):
            self.note(f"{where}: {error[:300]}")
        if answer.media_type == "application/problem+json" and value["status"] != answer.status:
            self.note(f"{where}: the problem says {value['status']}")
        for error in money_errors(value) if "openapi" not in value else []:
            self.note(f"{where}: {error}")

    def methods_of(self, path):
        methods = [operation.method for operation in self.operations.values() if operation.path == path]
        return methods + ["HEAD"] if "GET" in methods else methods

    def other_methods(self, server, token):
        """405 with Allow, for each method that the document does not have at a path."""
        response = self.document.root["components"]["responses"]["WrongMethod"]
        for operation in self.operations.values():
            allowed = self.methods_of(operation.path)
            for method in METHODS:
                if method in allowed:
                    continue
                _, target, headers, _ = self.request(operation, token=token)
                answer = server.ask(method, target, headers)
                where = f"{method} {target} {answer.status}"
                if answer.status != 405 or set(answer.fields.get("Allow", "").split(", ")) != set(allowed):
                    self.note(f"{where}: {answer.fields.get('Allow')}: wanted 405 and {allowed}")
                else:
                    self.compare_with(response, answer, where, ("WrongMethod", 405))

    def other_paths(self, server, targets, headers=None):
        """404, for what the document does not have."""
        response = self.document.root["components"]["responses"]["NoSuchPath"]
        for target in targets:
            for method in ("GET", "HEAD", "POST", "DELETE"):
                answer = server.ask(method, target, headers)
                where = f"{method} {target} {answer.status}"
                if answer.status != 404:
                    self.note(f"{where}: wanted 404")
                else:
                    self.compare_with(response, answer, where, ("NoSuchPath", 404))

    def head(self, server, operation_id, answer, **changed):
        """HEAD says what GET said, without the body."""
        operation = self.operations[operation_id]
        _, target, headers, body = self.request(operation, **changed)
        without = server.ask("HEAD", target, headers, body)
        if without.body or without.status != answer.status or set(without.fields) != set(answer.fields):
            self.note(f"HEAD {target}: {without.status} {without.fields}, and GET: {answer.status} {answer.fields}")

    def missing(self):
        """What of the document was not seen."""
        for operation in self.operations.values():
            for status, response in operation.responses.items():
                if (operation.id, status) in NOT_PROVOKED:
                    continue
                if (operation.id, status) not in self.seen:
                    yield f"{operation} {status} was not seen"
                for name in response.get("headers", {}):
                    if (operation.id, status, name) not in self.seen_fields:
                        yield f"{operation} {status}: {name} was not seen"
                for media_type in response.get("content", {}):
                    if (operation.id, status, media_type) not in self.seen_types:
                        yield f"{operation} {status}: {media_type} was not seen"
        for place in NOT_PROVOKED:
            if place in self.seen:
                yield f"{place} was seen after all"


def as_json(value):
    """JSON with its decimals as they are."""
    if isinstance(value, dict):
        return b"{" + b",".join(as_json(name) + b":" + as_json(each) for name, each in value.items()) + b"}"
    if isinstance(value, decimal.Decimal):
        return str(value).encode()
    if isinstance(value, (str, int)):
        return b'"%s"' % value.encode() if isinstance(value, str) else b"%d" % value
    raise TypeError(value)


def money_errors(value):
    """Amounts are written with two digits."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return
    for name, each in value.items():
        if name in MONEY and not (isinstance(each, decimal.Decimal) and each.as_tuple().exponent == -2):
            yield f"{name} is {each}"
        yield from money_errors(each)


def main():
    walk = Walk(sys.argv[1])
    for scene in scenes.ALL:
        with House(*sys.argv[2:]) as house:
            scene(walk, house)
    wrong = [*walk.wrong, *walk.missing()]
    for each in wrong:
        print(each)
    statuses = sum(len(operation.responses) for operation in walk.operations.values())
    print(f"{len(walk.operations)} operations, {statuses} statuses, {len(walk.seen)} seen, {len(wrong)} findings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
