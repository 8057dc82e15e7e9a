"""The boot data of Grafana's pages: what is changed in it, and that nothing else is."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.grafana.boot_data import org_of, with_caching

SHOWN = {"u1": (True, 60_000)}
CONFIG = {"enabled": True, "TTLMs": 60_000}
NEW = '{"enabled":true,"TTLMs":60000}'


def source(uid: str | None = "u1", **more: object) -> dict[str, Any]:
    return {"id": 1, **({} if uid is None else {"uid": uid}), "type": "prometheus", "jsonData": {}, **more}


def settings(*sources: dict[str, Any], **more: object) -> dict[str, Any]:
    named = {f"Source {at}": each for at, each in enumerate(sources)}
    return {"appSubUrl": "", "datasources": named, "defaultDatasource": "Source 0", **more}


def go(document: object) -> str:
    """As Go's encoding/json writes it."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


USER = {"isSignedIn": True, "id": 1, "login": "a", "orgId": 2, "orgRole": "Viewer"}


def page_2016(settings: object, user: object = USER) -> str:
    return f"""<!DOCTYPE html>
<html lang="en"><head><title>Grafana</title></head><body ng-cloak></body>
\t<script>
\t\twindow.grafanaBootData = {{
\t\t\tuser:{go(user)},
\t\t\tsettings: {go(settings)},
\t\t\tpluginModules: ["a"],
\t\t\tmainNavLinks: null
\t\t}};
\t</script>
</html>
"""


def page_9(settings: object, user: object = USER) -> str:
    return f"""<!doctype html><html lang="en"><head><base href="/"/></head><body class="theme-dark">
<div id="reactRoot"></div><script nonce="abc">
      window.grafanaBootData = {{
        user: {go(user)},
        settings: {go(settings)},
        navTree: {go([{"text": "Dashboards", "id": "dashboards"}])},
        themePaths: {{
          light: 'public/build/grafana.light.css',
          dark: 'public/build/grafana.dark.css'
        }}
      }};
      // Set theme to match system only on startup.
      if (window.grafanaBootData.user.theme === "system") {{ }}
</script></body></html>"""


def page_12(settings: object, user: object = USER) -> str:
    return f"""<!DOCTYPE html>
<html lang="en-US"><body><script nonce="abc">
      window.grafanaBootData = {{
        _femt: false,
        user: {go(user)},
        settings: {go(settings)},
        navTree: [],
        assets: {{"jsFiles":[]}},
      }};
      window.__grafana_boot_data_promise = Promise.resolve();
</script></body></html>"""


def boot(settings: object, user: object = USER) -> str:
    return go({"user": user, "settings": settings, "navTree": [], "assets": {"dark": "x.css"}}) + "\n"


def plain(settings: object, user: object = USER) -> str:
    return go(settings)


def indented(settings: object, user: object = USER) -> str:
    return json.dumps(settings, indent=2)


Template = Callable[[object], str]
TEMPLATES = [plain, indented, boot, page_2016, page_9, page_12]
templates = pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: each.__name__)


def rewritten(text: str, shown: dict[str, tuple[bool, int]] | None = None) -> str | None:
    found = with_caching(text.encode(), SHOWN if shown is None else shown)
    return None if found is None else found.decode()


@templates
def test_what_is_there_is_replaced(template: Template) -> None:
    before = template(
        settings(
            source(cachingConfig={"enabled": False, "TTLMs": 0}),
            source("u2", cachingConfig={"enabled": False, "TTLMs": 0}),
        )
    )
    after = rewritten(before)
    old = re.search(r'\{\s*"enabled":\s*false,\s*"TTLMs":\s*0\s*\}', before)
    assert old is not None
    assert after == before.replace(old[0], NEW, 1)


@templates
def test_what_is_missing_is_put_in(template: Template) -> None:
    """Into the first data source only, after its last member."""
    before = template(settings(source(), source("u2"), source(None)))
    after = rewritten(before)
    assert after is not None
    added = f',"cachingConfig":{NEW}'
    assert after.replace(added, "") == before
    assert after.count(added) == 1


@templates
def test_it_reads_as_the_same_but_for_that(template: Template) -> None:
    """What a browser makes of it; `indented` and `plain` stand for all, which differ in what is around."""
    given_ = settings(source(name='quotes " and \\ <b>', cachingConfig=None), source("u2"), source("u1"))
    expected = json.loads(json.dumps(given_))
    for each in expected["datasources"].values():
        if each["uid"] == "u1":
            each["cachingConfig"] = CONFIG
    after = rewritten(template(given_))
    assert after is not None
    at = after.index("settings") if "<html" in after else 0
    document, _ = json.JSONDecoder().raw_decode(after, after.index("{", at))
    assert document.get("settings", document) == expected


@templates
def test_a_document_that_needs_nothing_is_itself(template: Template) -> None:
    before = template(settings(source(cachingConfig={"enabled": False, "TTLMs": 0})))
    assert rewritten(before, {}) == before
    assert rewritten(before, {"u2": (True, 1)}) == before
    assert rewritten(template(settings())) == template(settings())


def test_a_source_may_be_shown_as_not_cached() -> None:
    after = rewritten(plain(settings(source())), {"u1": (False, 0)})
    assert after is not None
    assert json.loads(after)["datasources"]["Source 0"]["cachingConfig"] == {"enabled": False, "TTLMs": 0}


@templates
def test_names_and_values_that_look_like_it(template: Template) -> None:
    decoy = '"cachingConfig":{"enabled":false,"TTLMs":0},"uid":"u1"}'
    inner = {"cachingConfig": {"enabled": False, "TTLMs": 0}, "uid": "u1", "datasources": {"x": {"uid": "u1"}}}
    before = template(
        settings(
            source("u2", jsonData=inner, name=decoy, cachingConfig={"enabled": False, "TTLMs": 1}),
            source("u1", jsonData=inner, url=decoy),
            panels={"datasources": inner, "settings": inner},
            buildInfo=decoy,
        )
    )
    after = rewritten(before)
    assert after is not None
    assert after.replace(f',"cachingConfig":{NEW}', "", 1) == before
    assert after.index(NEW) > before.index("Source 1")


def test_escapes_and_white_space_stay() -> None:
    before = (
        ' {\r\n"datasources" : {\t"A\\u003c\\u0026\\"" : { "name":"\\u2028\\ud83d\\ude00é", "uid" : "\\u0075\\u0031" , '
        '"cachingConfig" : {"enabled" : false} , "n": 1.50e+00 } } , "z" : "\\/" }\n'
    )
    assert rewritten(before) == before.replace('{"enabled" : false}', NEW)


UNKNOWN = {
    "empty": "",
    "null": "null",
    "a list": "[]",
    "no data sources": "{}",
    "data sources in a list": '{"datasources": [{"uid": "u1"}]}',
    "no object": '{"datasources": {"a": 1}}',
    "settings are no object": '{"settings": []}',
    "data sources twice": '{"datasources": {}, "datasources": {}}',
    "settings twice": '{"settings": {"datasources": {}}, "settings": {"datasources": {}}}',
    "a source twice": '{"datasources": {"a": {"uid": "u1"}, "a": {"uid": "u1"}}}',
    "uid twice": '{"datasources": {"a": {"uid": "u2", "uid": "u1"}}}',
    "caching twice": '{"datasources": {"a": {"uid": "u1", "cachingConfig": {}, "cachingConfig": {}}}}',
    "caching is another thing": '{"datasources": {"a": {"uid": "u1", "cachingConfig": true}}}',
    "cut off": '{"datasources": {"a": {"uid": "u1"}',
    "cut off in a string": '{"datasources": {"a": {"uid": "u1',
    "comma after the last": '{"datasources": {"a": {"uid": "u1",}}}',
    "no comma": '{"datasources": {"a": {"uid": "u1" "b": 1}}}',
    "no colon": '{"datasources" {}}',
    "no quotes": '{datasources: {"a": {"uid": "u1"}}}',
    "too deep": '{"a": ' + "[" * 100_000,
    "no boot data": "<html><body>hello</body></html>",
    "boot data without settings": "<html><script>window.grafanaBootData = {user: {}};</script></html>",
    "settings by a script": "<html><script>window.grafanaBootData = {settings: window.s};</script></html>",
    "boot data by a script": "<html><script>window.grafanaBootData = load();</script></html>",
    "twice": page_9(settings(source())) + page_9(settings(source())),
    "no page": "x = 1; window.grafanaBootData = {settings: {}}",
}


@pytest.mark.parametrize("text", UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_shape_is_left_alone(text: str) -> None:
    assert rewritten(text) is None


def test_what_is_no_utf8_is_left_alone() -> None:
    assert with_caching(plain(settings(source(name="é"))).encode("latin-1"), SHOWN) is None


def test_a_page_that_quotes_another_is_left_alone() -> None:
    """Go escapes "<" but no braces: a data source's name may say what a page says."""
    assert rewritten(page_9(settings(source(name="window.grafanaBootData = {")))) is None


names = st.text(max_size=8) | st.sampled_from(
    ["uid", "cachingConfig", "datasources", "settings", '"', "\\", "</script>"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
sources = st.fixed_dictionaries(
    {},
    optional={
        "uid": st.sampled_from(["u1", "u2", "u3"]),
        "cachingConfig": st.none() | st.just({"enabled": False, "TTLMs": 0}),
        "jsonData": st.dictionaries(names, values, max_size=3),
        "name": names,
        "meta": values,
    },
)


@given(
    st.dictionaries(names, sources, max_size=4),
    st.dictionaries(names.filter(lambda name: name not in ("datasources", "settings")), values, max_size=3),
    st.sampled_from([plain, indented, boot, page_9]),
)
def test_nothing_else_is_changed(named: dict[str, Any], more: dict[str, Any], template: Template) -> None:
    shown = {"u1": (True, 5), "u3": (False, 0)}
    before = template({**more, "datasources": named})
    after = rewritten(before, shown)
    assert after is not None
    expected = json.loads(json.dumps(named))
    for each in expected.values():
        if each.get("uid") in shown:
            enabled, ttl_ms = shown[each["uid"]]
            each["cachingConfig"] = {"enabled": enabled, "TTLMs": ttl_ms}
    at = after.index("settings: ") if template is page_9 else 0
    document, _ = json.JSONDecoder().raw_decode(after, after.index("{", at))
    assert document.get("settings", document) == {**json.loads(json.dumps(more)), "datasources": expected}
    assert without_config(after) == without_config(before)


def without_config(text: str) -> str:
    """Cut out wherever it may have been put; `expected` says where it is."""
    return re.sub(r',?\s*"cachingConfig":\s*(?:null|\{\s*"enabled":\s*\w+,\s*"TTLMs":\s*\d+\s*\})', "", text)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes(document: bytes) -> None:
    assert with_caching(document, SHOWN) in (None, document)
    assert org_of(document) is None


@pytest.mark.parametrize("template", [boot, page_2016, page_9, page_12], ids=lambda each: each.__name__)
def test_the_org_of_the_user(template: Callable[[object, object], str]) -> None:
    def org(user: object) -> int | None:
        return org_of(template(settings(source()), user).encode())

    assert org(USER) == 2
    assert org(USER | {"orgId": 0}) is None
    assert org(USER | {"orgId": "2"}) is None
    assert org(USER | {"orgId": True}) is None
    assert org({"isSignedIn": False}) is None
    assert org(None) is None


@pytest.mark.parametrize("text", [plain(settings()), *UNKNOWN.values()])
def test_no_org(text: str) -> None:
    assert org_of(text.encode()) is None
