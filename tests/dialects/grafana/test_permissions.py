import json

import pytest

from proxy.dialects.grafana.permissions import Scopes, allows, allows_on_all, caching_action, parse

ACTION = "datasources:query"


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (["*"], True),
        (["datasources:*"], True),
        (["datasources:uid:*"], True),
        (["datasources:id:*"], True),
        (["datasources:uid:u1"], True),
        (["datasources:id:7"], True),
        (["folders:*", "datasources:uid:u2", "datasources:uid:u1"], True),
        ([], False),
        ([""], False),
        (["datasources:uid:u"], False),
        (["datasources:uid:u11"], False),
        (["datasources:uid:U1"], False),
        (["datasources:uid:u*"], False),
        (["datasources:id:77"], False),
        (["datasources:name:u1"], False),
        (["datasources:uid:7"], False),
        (["datasources"], False),
        (["folders:*"], False),
        (["u1"], False),
    ],
)
def test_scopes_of_one_data_source(scopes: list[str], allowed: bool) -> None:
    assert allows({ACTION: scopes}, ACTION, "u1", 7) is allowed
    assert not allows({"datasources:read": scopes}, ACTION, "u1", 7)


def test_an_id_that_is_not_known_matches_nothing() -> None:
    assert not allows({ACTION: ["datasources:id:0"]}, ACTION, "u1", 0)


@pytest.mark.parametrize("scope", ["*", "datasources:*", "datasources:uid:*", "datasources:id:*"])
def test_scopes_of_all_data_sources(scope: str) -> None:
    assert allows_on_all({ACTION: [scope]}, ACTION)


@pytest.mark.parametrize("scope", ["datasources:uid:u1", "folders:*", "datasources:id:7"])
def test_a_scope_of_one_is_not_of_all(scope: str) -> None:
    assert not allows_on_all({ACTION: [scope]}, ACTION)


FREE_ADMIN: dict[str, list[str]] = {"datasources:read": ["datasources:*"], "datasources:write": ["datasources:*"]}


@pytest.mark.parametrize(
    ("permissions", "read", "write"),
    [
        (FREE_ADMIN, "datasources:read", "datasources:write"),
        ({}, "datasources:read", "datasources:write"),
        (
            FREE_ADMIN | {"datasources.caching:read": ["datasources:*"]},
            "datasources.caching:read",
            "datasources.caching:write",
        ),
        (
            {"datasources.caching:write": ["datasources:uid:u1"]},
            "datasources.caching:read",
            "datasources.caching:write",
        ),
        (FREE_ADMIN | {"datasources.caching:read": []}, "datasources:read", "datasources:write"),
    ],
    ids=["free edition's admin", "nobody", "reader in Enterprise", "writer in Enterprise", "no scope"],
)
def test_what_the_caching_api_needs(permissions: Scopes, read: str, write: str) -> None:
    assert caching_action(permissions, write=False) == read
    assert caching_action(permissions, write=True) == write


def test_who_may_only_read_caching_may_not_write_it_as_a_writer_of_data_sources() -> None:
    """In Enterprise the caching actions decide alone."""
    permissions = FREE_ADMIN | {"datasources.caching:read": ["datasources:*"]}
    assert allows(permissions, caching_action(permissions, write=False), "u1", 7)
    assert not allows(permissions, caching_action(permissions, write=True), "u1", 7)


def test_with_known_given_the_caller_decides() -> None:
    assert caching_action({}, write=True, known=True) == "datasources.caching:write"
    assert caching_action({"datasources.caching:write": ["*"]}, write=True, known=False) == "datasources:write"


@pytest.mark.parametrize(
    ("document", "scopes"),
    [
        ("null", {}),
        ("{}", {}),
        ('{"a:read": ["x", "y", "x"], "b": []}', {"a:read": {"x", "y"}, "b": set()}),
        ('{"a": null}', {"a": set()}),
    ],
)
def test_permissions_are_read(document: str, scopes: object) -> None:
    assert parse(json.loads(document)) == scopes


@pytest.mark.parametrize(
    "document",
    ["[]", '""', "1", "true", '{"a": "*"}', '{"a": {"*": true}}', '{"a": [1]}', '{"a": [null]}', '{"a": true}'],
)
def test_another_shape_says_nothing(document: str) -> None:
    assert parse(json.loads(document)) is None
