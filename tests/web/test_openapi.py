"""The document says what the code does: compared with the routes, and by schemathesis over HTTP."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.web import caching_api, datasources_api, openapi, ops

from .admin_app import UID, admin

KNOWN_SOURCE = f"""
[parameters]
uid = "{UID}"

# No schema can say that a body names the data source of the path: such a body is 400 though valid by the schema.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400"]
"""

DOCUMENT: Any = openapi.document()


def operations() -> set[tuple[str, str]]:
    return {
        (method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item if method != "parameters"
    }


def test_the_routes_are_all_in_the_document() -> None:
    unused: Any = object()  # the routes are looked at, not called
    routes = [
        *caching_api.routes(unused),
        *datasources_api.routes(unused, unused, unused),
        *ops.routes(readiness=unused, metrics=unused, access=unused, reload=unused),
    ]
    assert {(route.method, route.path) for route in routes} | {("GET", "/openapi.json")} == operations()


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [
        operation["operationId"]
        for item in DOCUMENT["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict) and "operationId" in operation
    ]
    assert len(ids) == len(set(ids)) == sum(path.startswith("/api/") for _, path in operations())


def test_every_reference_leads_somewhere() -> None:
    def follow(value: object) -> None:
        match value:
            case {"$ref": str(reference)}:
                target: Any = DOCUMENT
                for step in reference.removeprefix("#/").split("/"):
                    target = target[step]
            case dict():
                for inner in value.values():
                    follow(inner)
            case list():
                for inner in value:
                    follow(inner)

    follow(DOCUMENT)


@pytest.mark.parametrize("uid", ["any", UID])
async def test_schemathesis_finds_nothing(tmp_path: Path, uid: str) -> None:
    """Its own command, in a process of its own, over the paths that the application here serves.

    `SCHEMATHESIS_EXAMPLES` asks for more than the short form's.
    """
    if uid == UID:
        (tmp_path / "schemathesis.toml").write_text(KNOWN_SOURCE)
    async with admin(tmp_path) as api:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "schemathesis.cli", "run", str(api.client.make_url("/openapi.json"))),
            *("--header", "Authorization: Bearer admin"),
            *("--mode", "all", "--continue-on-failure", "--no-color"),
            *("--max-examples", os.environ.get("SCHEMATHESIS_EXAMPLES", "10")),
            *("--generation-database", ":memory:"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
