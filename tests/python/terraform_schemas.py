"""Makes tests/fixtures/terraform/aws.json: what the AWS provider takes as arguments of the resources that infra/terraform has.

    python -m pip download --no-deps cdktf-cdktf-provider-aws==21.22.1
    python tests/python/terraform_schemas.py cdktf_cdktf_provider_aws-21.22.1-py3-none-any.whl infra/terraform > tests/fixtures/terraform/aws.json

The package is HashiCorp's own, generated from the provider's schema (MPL-2.0); of it names, types and "required" are kept.
"""

import io
import json
import pathlib
import re
import sys
import tarfile
import zipfile

import hcl2

DOCS = re.compile(r"/aws/([\d.]+)/docs/(resources|data-sources)/(\w+)#(\w+) ")


def types(wheel):
    with zipfile.ZipFile(wheel) as package:
        name = next(n for n in package.namelist() if n.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(package.read(name))) as archive:
            return json.load(archive.extractfile("package/.jsii"))["types"]


def documented(prop):
    docs = prop.get("docs", {})
    return DOCS.search(docs.get("summary", "") + " " + docs.get("remarks", "") + " ")


def kind(of):
    """A type in one word, and the name of the struct that it has."""
    if "union" in of:
        return next(kind(one) for one in of["union"]["types"] if one.get("fqn") != "cdktf.IResolvable")
    if "collection" in of:
        inner = kind(of["collection"]["elementtype"])
        return ("map" if of["collection"]["kind"] == "map" else "list", inner[1])
    if "primitive" in of:
        return (of["primitive"], None)
    return ("object", of["fqn"])


def arguments(everything, struct):
    found = {}
    for prop in everything[struct].get("properties", []):
        named = documented(prop)
        if not named:
            continue
        what, inner = kind(prop["type"])
        argument = {"type": what, "required": not prop.get("optional", False)}
        if prop.get("docs", {}).get("summary", "").endswith("block."):
            argument["type"] = "block"
            argument["arguments"] = arguments(everything, inner)
        found[named.group(4)] = argument
    return found


def main(wheel, folder):
    everything = types(wheel)
    configs, version = {}, None
    for name, of in everything.items():
        if "cdktf.TerraformMetaArguments" in of.get("interfaces", []):
            for prop in of.get("properties", []):
                if named := documented(prop):
                    version = named.group(1)
                    configs[(named.group(2), named.group(3))] = name
                    break
    used = {"resources": {}, "data-sources": {}}
    for file in sorted(pathlib.Path(folder).rglob("*.tf")):
        with file.open() as text:
            read = hcl2.load(text)
        for block, place in (("resource", "resources"), ("data", "data-sources")):
            for one in read.get(block, []):
                for quoted in one:
                    name = quoted.strip('"').removeprefix("aws_")
                    config = configs.get((place, name))
                    used[place]["aws_" + name] = arguments(everything, config) if config else {}
    print(json.dumps({"provider": version, **used}, indent=1, sort_keys=True))


main(*sys.argv[1:])
