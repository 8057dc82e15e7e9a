"""The OpenAPI document of the admin listener, served at /openapi.json and printed by `millpond openapi`."""

from .. import __version__
from ..config.schema import MAX_TTL_MS, Action
from . import datasources_api
from .caching_api import MAX_BODY_BYTES, OPERATIONS, PREFIXES, SETTER, Operation

_Json = dict[str, object]


_TYPES: dict[type, _Json] = {int: {"type": "integer"}, str: {"type": "string"}, bool: {"type": "boolean"}}
_TTL: _Json = {"type": "integer", "minimum": 0, "maximum": MAX_TTL_MS}
_SETTER_NOTES: dict[str, _Json] = {
    "dataSourceID": {"description": "0, or the id of the data source in the path."},
    "dataSourceUID": {"description": "Empty, or the uid of the data source in the path."},
    "useDefaultTTL": {"description": "Use the configured default TTL for both kinds, instead of the two below."},
    "ttlQueriesMs": _TTL | {"description": "The TTL of queries, in milliseconds; 0: queries are not stored."},
    "ttlResourcesMs": _TTL | {"description": "The TTL of resources, in milliseconds; 0: resources are not stored."},
}
_RESPONSE_TYPES: dict[str, _Json] = {
    "message": {"type": "string"},
    **{name: dict(_TYPES[kind]) for name, kind in SETTER.items()},
    "defaultTTLMs": {"type": "integer", "minimum": 0},
    "created": {"type": "string", "format": "date-time"},
    "updated": {"type": "string", "format": "date-time"},
}
_ERRORS = {
    "400": ("BadRequest", "Invalid JSON, wrong types, values out of bounds", "Error"),
    "401": ("Unauthorized", "No bearer token, or not a known one", "Error"),
    "403": (
        "Forbidden",
        "The token's permissions do not suffice, or a page of another origin asks",
        "Forbidden",
    ),
    "404": ("NotFound", "There is no such data source", "Error"),
    "405": ("MethodNotAllowed", "The Allow header names the methods that are", "Error"),
    "413": ("TooLarge", f"The body is larger than {MAX_BODY_BYTES} bytes", "Error"),
    "415": ("UnsupportedMediaType", "The body's content type is not application/json", "Error"),
    "500": ("InternalError", "The change could not be made durable, and nothing has changed", "Error"),
}


def document() -> _Json:
    """OpenAPI 3.1, as JSON's types."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Millpond",
            "version": __version__,
            "description": "Grafana's query and resource caching API, and Millpond's operation.",
        },
        "security": [{"bearer": []}],
        "paths": _caching_paths() | _DATA_SOURCE_PATHS | _OPERATION_PATHS,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
            "responses": {
                name: {"description": text, "content": _json(f"#/components/schemas/{schema}")}
                for name, text, schema in _ERRORS.values()
            },
        },
    }


def _caching_paths() -> _Json:
    paths: dict[str, object] = {}
    for number, prefix in enumerate(PREFIXES):
        for operation in OPERATIONS:
            item = paths.setdefault(prefix + operation.path, {"parameters": [_UID]})
            assert isinstance(item, dict)
            item[operation.method.lower()] = _caching_operation(operation, alias=number > 0)
    return paths


def _caching_operation(operation: Operation, *, alias: bool) -> _Json:
    made: _Json = {
        "operationId": operation.id + ("ByUID" if alias else ""),
        "tags": ["caching"],
        "summary": operation.summary,
        "description": f"Needs `{operation.action}` on the data source, by one of the scopes `datasources:*`, "
        "`datasources:uid:*` and `datasources:uid:<uid>`.",
        "responses": {
            "200": {
                "description": operation.message,
                "content": _json("#/components/schemas/CacheConfigResponse"),
            },
            **_errors(*_ERRORS),
        },
    }
    if operation.has_scope:
        made["parameters"] = [_SCOPE]
    if operation.has_body:
        made["requestBody"] = {"required": True, "content": _json("#/components/schemas/CacheConfigSetter")}
    return made


def _errors(*statuses: str) -> _Json:
    return {status: {"$ref": f"#/components/responses/{_ERRORS[status][0]}"} for status in statuses}


def _json(schema: str) -> _Json:
    return {"application/json": {"schema": {"$ref": schema}}}


def _schemas() -> _Json:
    return {
        "CacheConfigSetter": {
            "type": "object",
            "description": "Replaces the whole configuration: what is absent is false or 0.",
            "properties": {name: _TYPES[kind] | _SETTER_NOTES.get(name, {}) for name, kind in SETTER.items()},
        },
        "CacheConfigResponse": {
            "type": "object",
            "required": list(_RESPONSE_TYPES),
            "properties": _RESPONSE_TYPES,
        },
        "DataSource": {"type": "object", "required": list(_DATA_SOURCE), "properties": _DATA_SOURCE},
        "Error": {
            "type": "object",
            "required": ["message"],
            "properties": {"message": {"type": "string"}},
        },
        "Forbidden": {
            "type": "object",
            "required": ["message"],
            "properties": {
                "title": {"type": "string"},
                "message": {"type": "string"},
                "accessErrorId": {"type": "string", "pattern": "^ACE[0-9]{10}$"},
            },
        },
    }


_UID: _Json = {
    "name": "uid",
    "in": "path",
    "required": True,
    "description": "The data source's uid, or its numeric id where no uid is equal to it.",
    "schema": {"type": "string", "minLength": 1},
}
_SCOPE: _Json = {
    "name": "scope",
    "in": "query",
    "description": "Absent, the cache of all data sources is cleaned, which needs permission on all of them.",
    "schema": {"type": "string", "enum": ["datasource"]},
}


_DATA_SOURCE: _Json = {
    "id": {"type": "integer"},
    "uid": {"type": "string"},
    "orgId": {"type": "integer"},
    "name": {"type": "string"},
    "type": {"type": "string"},
    "access": {"type": "string", "enum": ["proxy"]},
    "url": {"type": "string", "description": "Where it is on the data listener."},
    "isDefault": {"type": "boolean"},
    "readOnly": {"type": "boolean"},
    "jsonData": {"type": "object"},
}
_DATA_SOURCE_PATHS: _Json = {
    datasources_api.PATH: {
        "parameters": [_UID],
        "get": {
            "operationId": "getDataSourceByUID",
            "tags": ["datasources"],
            "summary": "Get a data source, as far as Millpond knows it",
            "description": f"Needs `{Action.READ}` on the data source.",
            "responses": {
                "200": {"description": "The data source", "content": _json("#/components/schemas/DataSource")},
                **_errors("401", "403", "404", "405"),
            },
        },
    }
}


def _public(summary: str, media_type: str, *unhealthy: str) -> _Json:
    answer = {"content": {media_type: {"schema": {"type": "object" if "json" in media_type else "string"}}}}
    texts = {"200": summary, "503": "Starting or draining"}
    return {
        "get": {
            "tags": ["operation"],
            "summary": summary,
            "security": [],
            "responses": {
                **{status: {"description": texts[status], **answer} for status in ("200", *unhealthy)},
                **_errors("405"),
            },
        }
    }


_OPERATION_PATHS: _Json = {
    "/-/healthy": _public("The process lives", "application/json"),
    "/-/ready": _public("Ready to serve; degraded when the cache or a data source is down", "application/json", "503"),
    "/metrics": _public("Metrics in Prometheus' text format", "text/plain"),
    "/openapi.json": _public("This document", "application/json"),
    "/-/reload": {
        "post": {
            "tags": ["operation"],
            "summary": "Load the configuration again",
            "description": f"Needs `{Action.WRITE}` on `datasources:*`.",
            "responses": {
                "200": {
                    "description": "The new configuration is in force",
                    "content": _json("#/components/schemas/Error"),
                },
                **_errors("400", "401", "403", "405", "415", "500"),
            },
        }
    },
}
