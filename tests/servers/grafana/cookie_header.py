"""The cookies of a request as Go reads them: of two with one name the first counts."""

from aiohttp import web


def pairs(request: web.Request) -> list[tuple[str, str]]:
    """Name and value of each, as sent; a value may be quoted."""
    crumbs = (crumb.strip() for header in request.headers.getall("Cookie", []) for crumb in header.split(";"))
    split = (crumb.partition("=") for crumb in crumbs)
    return [(name, value) for name, found, value in split if found]


def cookie(request: web.Request, name: str) -> str:
    """Empty if there is none."""
    value = next((value for each, value in pairs(request) if each == name), "")
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def kept(request: web.Request, names: list[str]) -> str:
    """A Cookie header with those alone that a data source keeps, in order of their names; empty if there are none."""
    found = {name: cookie(request, name) for name, _ in pairs(request) if name in names}
    return "; ".join(f"{name}={value}" for name, value in sorted(found.items()))
