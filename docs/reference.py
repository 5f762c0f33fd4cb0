#!/usr/bin/env python3
"""Writes docs/reference/ from what the code says of itself: the API's document, the filter's
Protobuf files, and the help of every command.

usage: docs/reference.py [--check] WATERSHED
    WATERSHED   the built program
    --check     write nothing; fail where a page is not what it would be
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
MADE = "<!-- Made by docs/reference.py; `make reference` writes it anew. -->\n\n"


def cell(text):
    """Text for a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def shape(schema):
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(shape(one) for one in schema[several])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    kind = schema.get("type", "anything")
    if isinstance(kind, list):
        kind = " or ".join(kind)
    if kind == "array":
        return f"list of {shape(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map to {shape(schema['additionalProperties'])}"
    return kind


def properties(schema):
    """The rows of an object's fields."""
    needed = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        mark = "yes" if name in needed else ""
        yield f"| `{name}` | {shape(field)} | {mark} | {cell(field.get('description', ''))} |"


def schemas(document):
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield f"\n### {name}\n"
        if "description" in schema:
            yield f"{schema['description']}\n"
        rows = list(properties(schema))
        variants = schema.get("oneOf", schema.get("anyOf", []))
        if rows:
            yield "| field | is | needed | |\n| --- | --- | --- | --- |"
            yield from rows
        elif variants and all("properties" in one for one in variants):
            yield "One of:\n\n| field | is | needed | |\n| --- | --- | --- | --- |"
            for one in variants:
                yield from properties(one)
        elif variants and all("const" in one for one in variants):
            for one in variants:
                yield f"- {shape(one)}: {cell(one.get('description', ''))}"
        else:
            yield f"{shape(schema)}\n"


def api():
    document = json.loads((ROOT / "control-plane/golden/api/openapi.json").read_text())
    yield "# The API\n"
    yield MADE.rstrip() + "\n"
    yield (
        "The same as OpenAPI 3.1 is at `/openapi.json` of a control plane, and to be read and tried at `/docs`. How to get in, "
        "to repeat a request safely and to read its problems is in [api.md](../api.md).\n"
    )
    yield "## Endpoints\n\n| | | role | |\n| --- | --- | --- | --- |"
    for path, methods in document["paths"].items():
        for method, endpoint in methods.items():
            role = endpoint.get("x-role", "")
            yield f"| `{method.upper()}` | `{path}` | {role} | {cell(endpoint.get('summary', ''))} |"
    yield "\n## Bodies"
    yield from schemas(document)


def messages(text):
    """What a Protobuf file declares, with the comments before it or at the line's end."""
    comment = []
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("//"):
            comment.append(line.lstrip("/ "))
            continue
        said, comment = " ".join(comment), []
        if opened := re.match(r"(message|enum) (\w+) \{", line):
            yield opened[1], opened[2], said, None
        elif opened := re.match(r"oneof (\w+) \{", line):
            yield "oneof", opened[1], said, None
        elif line == "}":
            yield "end", "", "", None
        elif field := re.match(r"((?:repeated |optional )?[\w.]+(?:<.*?>)?) (\w+) = (\d+)[^;]*;(?:\s*// ?(.*))?", line):
            yield "field", field[2], f"{said} {field[4] or ''}".strip(), field[1]
        elif value := re.match(r"(\w+) = (\d+);(?:\s*// ?(.*))?", line):
            yield "value", value[1], f"{said} {value[3] or ''}".strip(), value[2]
        elif line:
            said = ""


def configuration():
    yield "# The filter's configuration\n"
    yield MADE.rstrip() + "\n"
    yield (
        "What the filter takes, as Protobuf (`type.googleapis.com/google.protobuf.BytesValue`) or as JSON "
        "(`google.protobuf.StringValue` or `Struct`, names in lowerCamelCase or as here). The control plane writes it; by hand it "
        "is needed only without one, as in `envoy/sidecar/static.yaml`. What the filter does not understand it refuses as a whole, "
        "and goes on with what it has.\n"
    )
    for file, title in (("config.proto", "Configuration"), ("record.proto", "The record in the access log")):
        yield f"## {title}\n"
        inside = []
        for kind, name, said, what in messages((ROOT / "proto/proto/watershed/filter/v1" / file).read_text()):
            if kind in ("message", "enum"):
                inside.append(kind)
                yield f"\n### {name}\n"
                if said:
                    yield f"{said}\n"
                yield "| field | is | |\n| --- | --- | --- |" if kind == "message" else "| value | |\n| --- | --- |"
            elif kind == "oneof":
                inside.append(kind)
                yield f"| **one of:** | | {cell(said)} |"
            elif kind == "end" and inside:
                inside.pop()
            elif kind == "field":
                yield f"| `{name}` | {what} | {cell(said)} |"
            elif kind == "value":
                yield f"| `{name}` | {cell(said)} |"


def told(program, *words):
    run = subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=True,
                         env={"COLUMNS": "100"})
    return "\n".join(line.rstrip() for line in run.stdout.strip().splitlines())


def command_line(program):
    yield "# Commands\n"
    yield MADE.rstrip() + "\n"
    yield "What each command's `--help` says. [cli.md](../cli.md) shows them at work.\n"
    first = told(program)
    yield f"```text\n{first}\n```"
    names = re.findall(r"^  (\w[\w-]*) ", first.split("Commands:")[1].split("Options:")[0], re.M)
    for name in names:
        if name != "help":
            yield f"\n## watershed {name}\n\n```text\n{told(program, name)}\n```"


def main():
    check = "--check" in sys.argv
    arguments = [word for word in sys.argv[1:] if not word.startswith("--")]
    if len(arguments) != 1:
        sys.exit(__doc__)
    pages = {"api.md": api(), "filter.md": configuration(), "commands.md": command_line(arguments[0])}
    stale = []
    PAGES.mkdir(exist_ok=True)
    for name, lines in pages.items():
        text = "\n".join(lines) + "\n"
        page = PAGES / name
        if check:
            if not page.exists() or page.read_text() != text:
                stale.append(name)
        else:
            page.write_text(text)
    if stale:
        sys.exit(f"docs/reference: not what the code says: {', '.join(stale)} (make reference)")


if __name__ == "__main__":
    main()
