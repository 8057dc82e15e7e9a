"""Request headers in front of Grafana: which say who asks, which are noise, which it needs though no key has them."""

from ...core.model import Pairs

ORG = "X-Grafana-Org-Id"

CREDENTIALS = frozenset("cookie authorization x-grafana-org-id x-jwt-assertion host".split())
"""They choose the user and the organisation, of which Grafana is asked. What an operator's proxy sends besides is theirs to
name; a header that nobody has named stays part of the key, and of what Grafana is asked with. Host is Grafana's own
affair (its CSRF check, `enforce_domain`) and reaches no data source.
"""

KEPT = frozenset(("x-grafana-from-expr",))
"""A plugin may look at it."""

CARRIED = frozenset(("x-forwarded-for",))

NOISE = frozenset(
    "x-real-ip x-client-ip true-client-ip x-original-forwarded-for x-original-host x-original-uri x-scheme "
    "x-forwarded-scheme x-forwarded-ssl x-forwarded-uri x-forwarded-method x-cluster-client-ip "
    "cf-connecting-ip cf-ipcountry cf-ray cf-visitor cf-worker cdn-loop cf-warp-tag-id fastly-client-ip "
    "x-envoy-external-address x-envoy-internal x-envoy-expected-rq-timeout-ms x-envoy-attempt-count "
    "x-amz-cf-id x-azure-ref x-arr-log-id x-arr-ssl x-appengine-country save-data x-grafana-nocache newrelic "
    "faro-session-id".split()
)
"""What load balancers and CDNs add: different for each request or viewer, and nothing to a data source. It is cut."""


def in_org(headers: Pairs, org_id: int) -> Pairs:
    """The same, asking in that organisation and no other.

    Without this name it is the one that the user is in, which another window, or another replica of Millpond, may change
    at any moment: an answer would be taken for the wrong organisation's.
    """
    return (*(pair for pair in headers if pair[0].lower() != ORG.lower()), (ORG, str(org_id)))
