"""Pages, their boot data, and the files that they load."""

import json
import re
from typing import Any

import pytest

from .server import Grafana, basic, cookie


def boot_data(text: str) -> dict[str, Any]:
    """As a page's script has it: one line for each of its parts."""
    inside = text.partition("window.grafanaBootData = {")[2]
    parts = re.findall(r"^ +(user|settings|navTree|assets): (.*?),?$", inside, re.MULTILINE)
    return {name: json.loads(value) for name, value in parts}


def test_every_way_tells_the_same(grafana: Grafana) -> None:
    page = grafana.ask("GET", "/d/panel", headers=basic("viewer"))
    data = boot_data(page.body.decode())
    assert page.header("Content-Type") == "text/html; charset=UTF-8"
    assert grafana.ask("GET", "/bootdata", headers=basic("viewer")).json == data
    assert grafana.ask("GET", "/api/frontend/settings", headers=basic("viewer")).json == data["settings"]
    assert (data["user"]["login"], data["user"]["orgId"]) == ("viewer", 1)


def test_a_source_in_the_boot_data(grafana: Grafana) -> None:
    sources = grafana.ask("GET", "/bootdata", headers=basic("viewer2")).json["settings"]["datasources"]
    assert list(sources) == sorted(sources)
    expected = {"uid": "prom", "url": "/api/datasources/proxy/uid/prom", "isDefault": True}
    assert sources["prom"] | expected == sources["prom"]
    assert sources["prom"]["cachingConfig"] == {"enabled": False, "TTLMs": 0}
    assert {"-- Dashboard --", "-- Grafana --", "-- Mixed --"} <= sources.keys()


def test_markup_in_the_boot_data_cannot_end_the_script(grafana: Grafana) -> None:
    grafana.provision("mysql", jsonData={"note": "</script><!-- é"})
    page = grafana.ask("GET", "/", headers=basic("viewer")).body.decode()
    assert "\\u003c/script\\u003e\\u003c!-- é" in page
    assert boot_data(page)["settings"]["datasources"]["mysql"]["jsonData"] == {"note": "</script><!-- é"}


def test_who_is_not_signed_in_goes_to_the_login(grafana: Grafana) -> None:
    page = grafana.ask("GET", "/d/panel?from=1")
    assert (page.status, page.header("Location")) == (302, "/login")
    assert page.cookies == {"redirect_to": "%2Fd%2Fpanel%3Ffrom%3D1"}
    login = grafana.ask("GET", "/login")
    given = {"user": "viewer", "password": "secret"}
    back = grafana.ask("POST", "/login", body=given, headers={"Cookie": "redirect_to=%2Fd%2Fpanel%3Ffrom%3D1"})
    assert (back.json["redirectUrl"], back.cookies["redirect_to"]) == ("/d/panel?from=1", "")
    assert boot_data(login.body.decode())["user"]["isSignedIn"] is False
    assert boot_data(login.body.decode())["settings"]["datasources"] == {}
    again = grafana.ask("GET", "/login", headers=cookie(grafana.log_in("viewer")))
    assert (again.status, again.header("Location")) == (302, "/")


def test_a_page_of_a_session_past_its_interval_goes_by_the_rotation(grafana: Grafana) -> None:
    token = grafana.log_in("viewer")
    assert grafana.ask("GET", "/", headers=cookie(token)).status == 200
    grafana.turn_clock(600)
    page = grafana.ask("GET", "/d/panel?x=1", headers=cookie(token))
    assert page.header("Location") == "/user/auth-tokens/rotate?redirectTo=%2Fd%2Fpanel%3Fx%3D1"


def test_files_have_etags_ranges_and_a_year(grafana: Grafana) -> None:
    path = "/public/build/app.4f1c.js"
    whole = grafana.ask("GET", path)
    etag = str(whole.header("ETag"))
    assert (whole.status, whole.header("Cache-Control")) == (200, "public, max-age=31536000")
    assert grafana.ask("GET", path, headers={"If-None-Match": etag}).status == 304
    part = grafana.ask("GET", path, headers={"Range": "bytes=3-9"})
    assert (part.status, part.body) == (206, whole.body[3:10])
    assert grafana.ask("HEAD", path).header("Content-Length") == str(len(whole.body))
    assert grafana.ask("GET", "/public/../server.py").status == 404
    assert grafana.ask("GET", "/public/%2e%2e/server.py").status == 404


def test_what_is_no_page_says_so_in_its_language(grafana: Grafana) -> None:
    assert grafana.ask("GET", "/nothing").header("Content-Type") == "text/html; charset=utf-8"
    api = grafana.ask("GET", "/api/nothing")
    assert (api.status, api.json) == (404, {"message": "Not found"})
    assert grafana.ask("DELETE", "/api/org").status == 404


@pytest.fixture(scope="module")
def below() -> Any:
    with Grafana(sub_path="/grafana", root_url="http://grafana.example/grafana") as server:
        yield server


def test_below_a_sub_path(below: Grafana) -> None:
    assert below.ask("GET", "/d/panel").header("Location") == "/grafana/login"
    login = below.ask("POST", "/login", body={"user": "viewer", "password": "secret"})
    assert login.json["redirectUrl"] == "/grafana/"
    assert "Path=/grafana;" in str(login.header("Set-Cookie"))
    token = login.cookies["grafana_session"]
    page = below.ask("GET", "/d/panel", headers=cookie(token)).body.decode()
    assert '<base href="/grafana/" />' in page
    assert boot_data(page)["settings"]["appSubUrl"] == "/grafana"
    assert boot_data(page)["settings"]["appUrl"] == "http://grafana.example/grafana/"


def test_what_is_not_below_it_is_sent_there(below: Grafana) -> None:
    reply = below.ask("GET", "/api/health?x=1", base=below.url.removesuffix("/grafana"))
    assert (reply.status, reply.header("Location")) == (301, "http://grafana.example/grafana/api/health?x=1")


def test_the_old_ones_know_less() -> None:
    with Grafana(edition="legacy", rotation="old") as server:
        settings = server.ask("GET", "/api/frontend/settings", headers=basic("viewer")).json
        assert "cachingConfig" not in settings["datasources"]["prom"]
        assert settings["datasources"]["prom"]["url"] == "/api/datasources/proxy/1"
        assert server.ask("GET", "/bootdata", headers=basic("viewer")).status == 404
