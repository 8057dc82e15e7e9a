"""A configuration file for sources that cache, as the tests of this directory need it."""

import json
from collections.abc import Mapping


def caching(*sources: Mapping[str, object], redis: str = "", prefix: str = "millpond", **more: object) -> str:
    """A file (JSON is YAML) with these sources, caching on; in Redis where its address is given."""
    backend = {"backend": "redis", "redis": {"url": redis, "prefix": prefix}} if redis else {"backend": "memory"}
    datasources = [{"cache": {"enabled": True}, **source} for source in sources]
    return json.dumps({"caching": backend, "datasources": datasources, **more})
