"""What a reset takes back."""

from concurrent.futures import ThreadPoolExecutor

from .server import Grafana, basic, cookie


def test_a_reset_takes_all_back_but_the_time(grafana: Grafana) -> None:
    token, account = grafana.log_in("viewer"), grafana.add_account("robot", "Viewer")
    grafana.set_flags(anonymous_org=1)
    grafana.set_role("viewer", 1, "Admin")
    grafana.revoke("role:Viewer", "orgs:read")
    grafana.provision("prom", delete=True)
    now = grafana.turn_clock(5)
    grafana.reset()
    assert grafana.turn_clock(0) == now
    assert grafana.ask("GET", "/api/org").status == 401
    assert grafana.ask("GET", "/api/user", headers=cookie(token)).status == 401
    assert grafana.ask("GET", "/api/org", headers=basic("viewer")).status == 200
    assert grafana.ask("GET", "/api/datasources/uid/prom", headers=basic("viewer")).json["id"] == 1
    assert grafana.ask("DELETE", "/api/datasources/uid/prom", headers=basic("viewer")).status == 403
    assert (grafana.log_in("viewer"), grafana.add_account("robot", "Viewer")) != (token, account)


def test_a_reset_lets_everybody_go(grafana: Grafana) -> None:
    body = {"queries": [{"datasource": {"uid": "prom"}, "gate": "g"}], "from": "0", "to": "1"}
    with ThreadPoolExecutor() as pool, grafana.closed_gate("g"):
        waiting = pool.submit(grafana.ask, "POST", "/api/ds/query", headers=basic("viewer"), body=body)
        grafana.wait_for("g")
        grafana.reset()
        assert waiting.result().status == 200
