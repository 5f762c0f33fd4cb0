"""Prints the bill of materials of what a release ships, as CycloneDX 1.5 in JSON: every crate that the
binary and the filter are made of, with version, licence, checksum and what it depends on. What cargo
knows is all that is read; the same commit gives the same bytes.

What does not live here: crates that only tests and other workspaces use.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("watershed-control-plane", "watershed-filter")


def metadata(target):
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def shipped(meta):
    """The ids that the shipped crates reach by other than dev-dependencies, each with what it needs."""
    nodes = {node["id"]: node for node in meta["resolve"]["nodes"]}
    names = {package["id"]: package["name"] for package in meta["packages"]}
    waiting = [identity for identity, name in names.items() if name in SHIPPED and identity in nodes]
    found = {}
    while waiting:
        identity = waiting.pop()
        if identity in found:
            continue
        needs = [
            each["pkg"]
            for each in nodes[identity]["deps"]
            if any(kind["kind"] != "dev" for kind in each["dep_kinds"])
        ]
        found[identity] = needs
        waiting += needs
    return found


def component(package, checksums):
    reference = f"pkg:cargo/{package['name']}@{package['version']}"
    told = {
        "type": "library",
        "bom-ref": reference,
        "name": package["name"],
        "version": package["version"],
        "purl": reference,
    }
    if package.get("license"):
        told["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if checksum := checksums.get((package["name"], package["version"])):
        told["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return told


def compiler():
    return subprocess.run(["rustc", "--version"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def locked_checksums():
    """By name and version. Cargo writes this file one way, so that no TOML parser is needed."""
    entry = re.compile(r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"')
    found = entry.findall((ROOT / "Cargo.lock").read_text())
    return {(name, version): checksum for name, version, checksum in found}


def bill(targets):
    checksums = locked_checksums()
    packages, needs = {}, {}
    for target in targets:
        meta = metadata(target)
        by_id = {package["id"]: package for package in meta["packages"]}
        for identity, wanted in shipped(meta).items():
            packages[identity] = by_id[identity]
            needs.setdefault(identity, set()).update(wanted)
    components = {identity: component(package, checksums) for identity, package in packages.items()}
    reference = {identity: told["bom-ref"] for identity, told in components.items()}
    (version,) = {package["version"] for package in packages.values() if package["name"] == SHIPPED[0]}
    whole = {"type": "application", "bom-ref": "watershed", "name": "watershed", "version": version}
    roots = [reference[identity] for identity in components if packages[identity]["name"] in SHIPPED]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        # The same compiler, to get the same bytes again.
        "metadata": {"component": whole, "properties": [{"name": "watershed:compiler", "value": compiler()}]},
        "components": sorted(components.values(), key=lambda told: told["bom-ref"]),
        "dependencies": [{"ref": "watershed", "dependsOn": sorted(roots)}]
        + [
            {"ref": reference[identity], "dependsOn": sorted(reference[each] for each in needs[identity])}
            for identity in sorted(needs, key=reference.get)
        ],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", action="append", required=True)
    json.dump(bill(parser.parse_args().target), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
