#!/usr/bin/python3
"""openapi_document: the document is valid OpenAPI 3.1, says everything that it has to, and its examples are true.

usage: check_document.py DOCUMENT FOLDER. By the OpenAPI Initiative's own schema, which comes in a pinned package by pip
and is kept in FOLDER, and by the stricter one beside this. Then the document is broken in every way that is looked for,
to see each found. Status 77, and a line that says so, when all else is right and that package is not to be had.
"""

import copy
import http
import json
import pathlib
import sys

import jsonschema

from document import Document

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import pinned_wheel  # noqa: E402

SKIPPED = 77
# Only its copy of the schema is used, by Debian's own jsonschema.
PACKAGE = "openapi-spec-validator==0.9.0"
PACKAGE_SHA256 = "222fecffc7714f6d0a6ad62c0e4b66cc2b7dbfafb7b93acfc6c308abbdb51af8"
OFFICIAL = "openapi_spec_validator/resources/schemas/v3.1/schema.json"
STRICT = Document.load(pathlib.Path(__file__).with_name("openapi_3_1.json")).root
# Any request may get these, whatever it asks for.
OF_EVERY_OPERATION = {400, 413, 414, 417, 431, 503, 505}
# 202 says enough by itself; it may say more.
MAY_BE_EMPTY = {202, 304}
SCHEMA_WORDS = {
    "$ref", "type", "enum", "const", "description", "format", "pattern", "default",
    "minimum", "maximum", "exclusiveMinimum", "multipleOf", "minItems", "maxItems",
    "required", "properties", "additionalProperties", "items",
}  # fmt: skip
# The standard library's phrases are older than RFC 9110.
NEWER_PHRASES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}


def schemas_in(what, is_schema=False):
    """Every schema object, however deep."""
    if not isinstance(what, dict):
        return
    if is_schema:
        yield what
        for each in what.get("properties", {}).values():
            yield from schemas_in(each, True)
        for word in ("items", "additionalProperties"):
            yield from schemas_in(what.get(word), True)
        return
    for name, value in what.items():
        if name == "schemas":
            for each in value.values():
                yield from schemas_in(each, True)
        elif name not in ("example", "examples"):
            for each in value if isinstance(value, list) else [value]:
                yield from schemas_in(each, name == "schema")


def references_in(what):
    if isinstance(what, list):
        what = dict(enumerate(what))
    if not isinstance(what, dict):
        return
    for name, value in what.items():
        if name == "$ref":
            yield value
        else:
            yield from references_in(value)


def examples_of(media):
    given = [media["example"]] if "example" in media else []
    return given + [each["value"] for each in media.get("examples", {}).values()]


def check_references(document):
    used = set(references_in(document.root))
    for reference in used:
        try:
            document.follow({"$ref": reference})
        except KeyError:
            yield f"{reference} is not there"
    for kind in ("schemas", "responses", "parameters", "headers"):
        for name in document.root["components"].get(kind, {}):
            if f"#/components/{kind}/{name}" not in used and name not in ("WrongMethod", "NoSuchPath"):
                yield f"{kind}/{name} is not used"


def check_schemas(document):
    for schema in schemas_in(document.root):
        for word in set(schema) - SCHEMA_WORDS:
            yield f"a schema has the word {word}"
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            yield f"a schema: {error.message}"
        missing = set(schema.get("required", [])) - set(schema.get("properties", []))
        if missing and "properties" in schema:
            yield f"a schema requires {missing}, which it does not describe"


def check_response(document, where, status, response):
    content = response.get("content", {})
    if (content and status == 304) or (not content and status not in MAY_BE_EMPTY):
        yield f"{where}: a body should be there, or should not"
    if status >= 400 and "application/problem+json" not in content:
        yield f"{where}: an error is a problem"
    for name, header in response.get("headers", {}).items():
        header = document.follow(header)
        for error in document.errors(header["example"], header["schema"]) if "example" in header else []:
            yield f"{where}: example of {name}: {error}"
    for kind, media in content.items():
        if not examples_of(media) and kind == "application/problem+json":
            yield f"{where}: {kind} has no example"
        for example in examples_of(media):
            for error in document.errors(example, media["schema"]):
                yield f"{where}: example: {error}"
            if kind != "application/problem+json":
                continue
            phrase = NEWER_PHRASES.get(status, http.HTTPStatus(status).phrase)
            if (example.get("status"), example.get("title")) != (status, phrase):
                yield f"{where}: the example is of another status"


def check_operation(document, operation):
    missing = OF_EVERY_OPERATION - set(operation.responses)
    if missing:
        yield f"{operation}: {missing} missing"
    if operation.path.startswith("/admin/") != operation.is_administrators:
        yield f"{operation}: an administrator's, or not"
    if operation.is_administrators and not {401, 404} <= set(operation.responses):
        yield f"{operation}: without a token it is 401 or 404"
    named = {each["name"] for each in operation.parameters if each["in"] == "path"}
    if named != {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}:
        yield f"{operation}: its parameters are not those of its path"
    for parameter in operation.parameters:
        for error in document.errors(parameter["example"], parameter["schema"]) if "example" in parameter else []:
            yield f"{operation}: example of {parameter['name']}: {error}"
    for media in operation.raw.get("requestBody", {}).get("content", {}).values():
        if not examples_of(media):
            yield f"{operation}: its request has no example"
        for example in examples_of(media):
            for error in document.errors(example, media["schema"]):
                yield f"{operation}: example: {error}"
    for status, response in operation.responses.items():
        yield from check_response(document, f"{operation} {status}", status, response)


def check(root):
    """Everything that is wrong, in sentences."""
    wrong = [
        f"{error.json_path}: {error.message}"
        for error in jsonschema.Draft202012Validator(STRICT).iter_errors(root)
    ]
    if wrong:
        return wrong
    document = Document(root)
    wrong += check_references(document)
    wrong += check_schemas(document)
    if wrong:
        return wrong
    operations = document.operations()
    ids = [operation.id for operation in operations]
    wrong += [f"{each} is no unique operationId" for each in set(ids) if ids.count(each) > 1]
    declared = {tag["name"] for tag in root["tags"]}
    used = {tag for operation in operations for tag in operation.raw["tags"]}
    if declared != used:
        wrong.append(f"tags: {declared ^ used}")
    for operation in operations:
        wrong += check_operation(document, operation)
    for name, status in (("WrongMethod", 405), ("NoSuchPath", 404)):
        wrong += check_response(document, name, status, root["components"]["responses"][name])
    return wrong


# Of those planted, what the official schema has to find.
PLANTED_IN_FORM = {"another version", "no such member", "no description", "no status", "an optional path parameter"}


def planted_errors():
    """What is wrong, and how it is planted in a copy of the document."""
    post = ("paths", "/payments", "post")
    conflict = (*post, "responses", "409", "content")
    payment = ("components", "schemas", "Payment")
    return [
        ("another version", ("openapi",), "3.0.3"),
        ("no such member", (*post, "sumary"), "x"),
        ("no description", (*post, "responses", "202"), {}),
        ("no status", (*post, "responses", "2O2"), {"description": "x"}),
        ("a status left out", (*post, "responses", "413"), None),
        ("an optional path parameter", ("components", "parameters", "correlationId", "required"), False),
        ("a path parameter left out", ("paths", "/payments/{correlationId}", "parameters"), None),
        ("nowhere", (*post, "responses", "400"), {"$ref": "#/components/responses/None"}),
        ("not used", ("components", "headers", "X"), {"description": "x", "schema": True}),
        ("twice the same id", (*post, "operationId"), "listPayments"),
        ("a tag that is not declared", (*post, "tags"), ["none"]),
        ("no JSON Schema", (*payment, "type"), "objekt"),
        ("no word of JSON Schema", (*payment, "requird"), ["amount"]),
        ("required, not described", (*payment, "properties", "amount"), None),
        ("an example without a member", (*payment, "properties", "more"), True),
        ("an example against its schema", ("components", "schemas", "Amount", "maximum"), 1),
        ("an example of another status", (*conflict, "application/problem+json", "example", "status"), 400),
        ("an error that is no problem", conflict, {"text/plain": {"schema": True}}),
        ("an open administrator's operation", ("paths", "/admin/audit", "get", "security"), None),
    ]  # fmt: skip


def with_planted(root, path, value):
    root = copy.deepcopy(root)
    place = root
    for part in path[:-1]:
        place = place[part]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    if path[-1] == "more":
        place = root["components"]["schemas"]["Payment"]["required"]
        place.append("more")
    return root


def check_officially(root, official):
    schema = jsonschema.Draft202012Validator(json.loads(official.read(OFFICIAL)))
    for error in schema.iter_errors(root):
        yield f"the official schema: {error.json_path}: {error.message}"
    for what, *how in planted_errors():
        if what in PLANTED_IN_FORM and schema.is_valid(with_planted(root, *how)):
            yield f"planted and not found by the official schema: {what}"


def main():
    root = Document.load(sys.argv[1]).root
    official = pinned_wheel.fetch(PACKAGE, PACKAGE_SHA256, sys.argv[2])
    wrong = check(root)
    wrong += check_officially(root, official) if official else []
    planted = planted_errors()
    wrong += [f"planted and not found: {what}" for what, *how in planted if not check(with_planted(root, *how))]
    for each in wrong:
        print(each)
    print(f"{len(Document(root).operations())} operations, {len(planted)} planted errors, {len(wrong)} findings")
    if wrong:
        return 1
    if not official:
        print(f"the official schema: skipped: {PACKAGE} is not to be had by pip")
        return SKIPPED
    return 0


if __name__ == "__main__":
    sys.exit(main())
