"""The OpenAPI document as its tests read it: references followed, numbers as exact decimals."""

import copy
import decimal
import json

import jsonschema

METHODS = ("get", "put", "post", "delete", "patch")


def parse(text):
    """JSON without floats: 19.90 is a multiple of 0.01."""
    return json.loads(text, parse_float=decimal.Decimal)


def close(schema):
    """A copy that allows no member but those it names, in every object that names some."""
    if isinstance(schema, list):
        return [close(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: close(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        closed.setdefault("additionalProperties", False)
    return closed


class Operation:
    """One method of one path."""

    def __init__(self, document, method, path):
        item = document.root["paths"][path]
        self.method = method.upper()
        self.path = path
        self.raw = item[method]
        self.id = self.raw["operationId"]
        given = item.get("parameters", []) + self.raw.get("parameters", [])
        self.parameters = [document.follow(each) for each in given]
        self.responses = {int(status): document.follow(each) for status, each in self.raw["responses"].items()}

    @property
    def is_administrators(self):
        return self.raw.get("security") == [{"adminToken": []}]

    def __str__(self):
        return f"{self.method} {self.path}"


class Document:
    def __init__(self, root):
        self.root = root
        self._closed = close(copy.deepcopy(root))

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as file:
            return cls(parse(file.read()))

    def follow(self, what):
        """`what`, or what its `$ref` names; KeyError if that is not there."""
        if "$ref" not in what:
            return what
        found = self.root
        for part in what["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return self.follow(found)

    def operations(self):
        return [
            Operation(self, method, path)
            for path, item in self.root["paths"].items()
            for method in METHODS
            if method in item
        ]

    def errors(self, value, schema):
        """What is wrong with a value, in sentences. Members that the schema does not name are wrong, too."""
        resolver = jsonschema.RefResolver("", self._closed)
        validator = jsonschema.Draft202012Validator(close(schema), resolver=resolver)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
