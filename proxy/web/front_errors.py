"""What Grafana fails at, in words for its users and its operator: to them it is no data source."""

from ..errors import UpstreamError

_WORDS = {
    "dns": "Grafana cannot be reached: its name cannot be resolved. See grafana.url in Millpond's configuration.",
    "connect": "Grafana cannot be reached: it refuses the connection. Is it running, and is grafana.url right?",
    "tls": "Grafana cannot be reached: TLS failed. See its certificate, and grafana.tls in Millpond's configuration.",
    "closed": "Grafana closed the connection without an answer. Its log may say why.",
    "malformed": "Grafana's answer is not HTTP as Millpond accepts it. Is something else at grafana.url?",
    "coding": "Grafana's answer breaks off, or is not in the coding that it names.",
    "timeout-connect": "Grafana cannot be reached: it did not accept the connection in time.",
    "timeout-first-byte": "Grafana did not begin to answer in time.",
    "timeout-between-bytes": "Grafana's answer stalled.",
    "timeout-total": "Grafana's whole answer took too long.",
    "timeout-queue": "Grafana has too many requests in hand; try again.",
}


def of_grafana(error: UpstreamError) -> UpstreamError:
    """The same failure, said of Grafana."""
    return type(error)(_WORDS.get(error.kind, "Grafana could not be asked."), kind=error.kind)
