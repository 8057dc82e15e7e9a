"""What real clients asked for, out of the recorded requests."""

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

_REQUESTS = Path(__file__).parents[1] / "integration" / "requests"


def recorded_queries(*, logs: bool) -> list[str]:
    """The texts of the range queries to Loki, or to Prometheus."""
    texts = set()
    for path in _REQUESTS.glob("*api_v1_query_range*.http"):
        head, _, body = path.read_text().partition("\n\n")
        target = head.split(" ", 2)[1]
        if target.startswith("/loki") is logs:
            texts |= {value for name, value in parse_qsl(urlsplit(target).query) + parse_qsl(body) if name == "query"}
    return sorted(texts)
