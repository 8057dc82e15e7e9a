"""The ten fields of every answer of the Caching API, and their JSON types as Python has them."""

FIELDS: dict[str, type] = {
    "message": str,
    "dataSourceID": int,
    "dataSourceUID": str,
    "enabled": bool,
    "useDefaultTTL": bool,
    "ttlQueriesMs": int,
    "ttlResourcesMs": int,
    "defaultTTLMs": int,
    "created": str,
    "updated": str,
}
