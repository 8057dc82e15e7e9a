"""Real shapes of data sources' settings, and who may be given their answers."""

from typing import Any

import pytest

from proxy.dialects.grafana.sharing import Sharing, sharing

SHARED: list[tuple[str, dict[str, Any]]] = [
    ("prometheus", {}),
    ("prometheus", {"httpMethod": "POST", "timeInterval": "15s", "prometheusType": "Mimir", "cacheLevel": "High"}),
    (
        "prometheus",
        {
            "exemplarTraceIdDestinations": [{"name": "traceID", "datasourceUid": "ab1sso9-forward"}],
            "incrementalQuerying": True,
            "alertmanagerUid": "am",
            "customQueryParameters": "max_source_resolution=5m&dedup=true",
        },
    ),
    ("prometheus", {"oauthPassThru": False, "keepCookies": [], "teamHttpHeaders": None, "tlsSkipVerify": True}),
    ("prometheus", {"tlsAuth": True, "tlsAuthWithCACert": True, "serverName": "prom.example"}),
    ("prometheus", {"httpHeaderName1": "X-Scope-OrgID", "httpHeaderName2": "X-Grafana-Org-Id"}),
    (
        "grafana-amazonprometheus-datasource",
        {
            "sigV4Auth": True,
            "sigV4AuthType": "ec2_iam_role",
            "sigV4Region": "eu-west-1",
            "sigV4AssumeRoleArn": "arn:aws:iam::1:role/x",
        },
    ),
    (
        "prometheus",
        {
            "azureCredentials": {
                "authType": "clientsecret",
                "azureCloud": "AzureCloud",
                "tenantId": "t",
                "clientId": "c",
            }
        },
    ),
    (
        "loki",
        {
            "maxLines": "1000",
            "derivedFields": [
                {
                    "name": "forwarded",
                    "matcherRegex": "user_token=(\\w+)",
                    "url": "$${__value.raw}",
                    "matcherType": "label",
                }
            ],
        },
    ),
    (
        "tempo",
        {
            "tracesToLogsV2": {
                "datasourceUid": "loki",
                "customQuery": False,
                "tags": [{"key": "service.name", "value": "s"}],
            },
            "serviceMap": {"datasourceUid": "prom"},
            "nodeGraph": {"enabled": True},
            "search": {"hide": False},
            "spanBar": {"type": "Tag", "tag": "user"},
            "streamingEnabled": {"search": True},
        },
    ),
    (
        "elasticsearch",
        {"index": "[logs-]YYYY.MM.DD", "interval": "Daily", "timeField": "@timestamp", "logLevelField": "level"},
    ),
    (
        "grafana-opensearch-datasource",
        {"flavor": "opensearch", "version": "2.1.0", "pplEnabled": True, "serverless": True, "sigV4Auth": True},
    ),
    ("influxdb", {"version": "Flux", "organization": "o", "defaultBucket": "b", "httpMode": "POST"}),
    ("graphite", {"graphiteVersion": "1.1", "graphiteType": "default", "rollupIndicatorEnabled": True}),
    (
        "cloudwatch",
        {"authType": "grafana_assume_role", "assumeRoleArn": "arn", "externalId": "x", "defaultRegion": "us-east-1"},
    ),
    (
        "cloudwatch",
        {"authType": "keys", "defaultRegion": "us-east-1", "customMetricsNamespaces": "A,B", "logsTimeout": "30m"},
    ),
    (
        "grafana-athena-datasource",
        {"authType": "default", "catalog": "AwsDataCatalog", "database": "d", "workgroup": "w"},
    ),
    (
        "grafana-redshift-datasource",
        {"authType": "credentials", "useManagedSecret": True, "dbUser": "grafana", "managedSecret": {"arn": "a"}},
    ),
    ("grafana-azure-monitor-datasource", {"azureAuthType": "msi", "subscriptionId": "s", "cloudName": "azuremonitor"}),
    ("grafana-azure-monitor-datasource", {"azureCredentials": {"authType": "workloadidentity"}}),
    (
        "grafana-azure-data-explorer-datasource",
        {"enableUserTracking": False, "dataConsistency": "strongconsistency", "useSchemaMapping": False},
    ),
    (
        "grafana-bigquery-datasource",
        {
            "authenticationType": "jwt",
            "clientEmail": "x@p.iam.gserviceaccount.com",
            "defaultProject": "p",
            "tokenUri": "https://oauth2.googleapis.com/token",
            "processingLocation": "EU",
        },
    ),
    (
        "grafana-bigquery-datasource",
        {"authenticationType": "gce", "usingImpersonation": True, "serviceAccountToImpersonate": "y@p"},
    ),
    ("stackdriver", {"authenticationType": "gce", "gceDefaultProject": "p"}),
    (
        "grafana-snowflake-datasource",
        {"account": "a", "username": "u", "role": "r", "warehouse": "w", "authType": "keypair"},
    ),
    (
        "grafana-databricks-datasource",
        {"host": "h", "httpPath": "p", "authenticationMethod": "OauthM2M", "clientId": "c"},
    ),
    (
        "grafana-clickhouse-datasource",
        {
            "host": "h",
            "port": 8123,
            "protocol": "http",
            "username": "u",
            "secure": True,
            "forwardGrafanaHeaders": False,
        },
    ),
    (
        "grafana-clickhouse-datasource",
        {
            "httpHeaders": [{"name": "X-A", "value": "b", "secure": False}],
            "customSettings": [{"setting": "a", "value": "b"}],
        },
    ),
    (
        "grafana-postgresql-datasource",
        {
            "database": "d",
            "sslmode": "verify-full",
            "postgresVersion": 1500,
            "timescaledb": True,
            "tlsConfigurationMethod": "file-path",
        },
    ),
    ("mysql", {"allowCleartextPasswords": False, "maxOpenConns": 100, "connMaxLifetime": 14400}),
    ("mssql", {"authenticationType": "SQL Server Authentication", "encrypt": "false"}),
    ("mssql", {"authenticationType": "Windows AD: Keytab file", "keytabFilePath": "/k", "UDPConnectionLimit": 1}),
    (
        "yesoreyeram-infinity-datasource",
        {
            "auth_method": "oauth2",
            "oauth2": {
                "oauth2_type": "client_credentials",
                "client_id": "c",
                "token_url": "https://t",
                "scopes": ["a"],
                "authStyle": 0,
            },
            "allowedHosts": ["https://api.example"],
        },
    ),
    (
        "yesoreyeram-infinity-datasource",
        {"auth_method": "oauth2", "oauth2": {"oauth2_type": "jwt", "email": "e", "subject": "s"}},
    ),
    (
        "yesoreyeram-infinity-datasource",
        {"auth_method": "aws", "aws": {"authType": "keys", "region": "r", "service": "s"}},
    ),
    (
        "yesoreyeram-infinity-datasource",
        {"auth_method": "apiKey", "apiKeyKey": "k", "apiKeyType": "query", "proxy_type": "url", "proxy_username": "u"},
    ),
    (
        "yesoreyeram-infinity-datasource",
        {"auth_method": "digestAuth", "secureQueryName1": "token", "global_queries": []},
    ),
    ("trino-datasource", {"enableImpersonation": False, "roles": "hive:admin", "clientTags": "a"}),
    ("grafana-github-datasource", {"selectedAuthType": "github-app", "githubPlan": "github-basic", "appId": "1"}),
    ("grafana-sentry-datasource", {"url": "https://sentry.io", "orgSlug": "o"}),
    ("alexanderzobnin-zabbix-datasource", {"authType": "userLogin", "trends": True, "username": "u", "cacheTTL": "1h"}),
    ("jaeger", {"enableSecureSocksProxy": True, "secureSocksProxyUsername": "u", "timeout": 30}),
]

USER: list[tuple[str, dict[str, Any]]] = [
    ("prometheus", {"oauthPassThru": True}),
    ("loki", {"oauthPassThru": True, "maxLines": "5000", "tlsSkipVerify": True}),
    ("yesoreyeram-infinity-datasource", {"oauthPassThru": True, "auth_method": "oauthPassThru"}),
    ("grafana-bigquery-datasource", {"oauthPassThru": True, "authenticationType": "forwardOAuthIdentity"}),
    ("grafana-databricks-datasource", {"oauthPassThru": True, "authenticationMethod": "OauthPT"}),
]

NONE: list[tuple[str, dict[str, Any]]] = [
    ("prometheus", {"keepCookies": ["session"]}),
    ("prometheus", {"oauthPassThru": True, "keepCookies": ["session"]}),
    ("prometheus", {"oauthPassThru": "true"}),
    ("prometheus", {"oauthPassThru": 1}),
    ("prometheus", {"nested": {"oauthPassThru": True}}),
    ("loki", {"teamHttpHeaders": {"headers": {"1": [{"header": "X-Prom-Label-Policy", "value": '1:{a="b"}'}]}}}),
    ("prometheus", {"withCredentials": True}),
    ("prometheus", {"azureCredentials": {"authType": "currentuser"}}),
    ("grafana-azure-monitor-datasource", {"azureAuthType": "currentuser"}),
    ("grafana-azure-data-explorer-datasource", {"azureCredentials": {"authType": "clientsecret-obo"}}),
    ("grafana-azure-data-explorer-datasource", {"onBehalfOf": True}),
    ("mssql", {"authenticationType": "Azure AD Authentication", "azureCredentials": {"authType": "CurrentUser"}}),
    ("trino-datasource", {"enableImpersonation": True}),
    ("grafana-clickhouse-datasource", {"forwardGrafanaHeaders": True}),
    (
        "grafana-clickhouse-datasource",
        {"customSettings": [{"setting": "t", "enforced": True, "source": "header", "headerName": "X-T"}]},
    ),
    ("grafana-clickhouse-datasource", {"customSettings": [{"setting": "t", "source": "jwt"}]}),
    ("grafana-bigquery-datasource", {"authenticationType": "forwardOAuthIdentity"}),
    ("stackdriver", {"authenticationType": "workloadIdentityFederation"}),
    ("grafana-databricks-datasource", {"authenticationMethod": "OauthPT"}),
    ("grafana-databricks-datasource", {"authenticationMethod": "OauthOBO"}),
    ("yesoreyeram-infinity-datasource", {"auth_method": "oauthPassThru"}),
    (
        "yesoreyeram-infinity-datasource",
        {"oauthPassThru": True, "auth_method": "oauth2", "oauth2": {"oauth2_type": "sts_token_exchange"}},
    ),
    ("yesoreyeram-infinity-datasource", {"auth_method": "oauth2", "oauth2": {"oauth2_type": "others"}}),
    ("yesoreyeram-infinity-datasource", {"auth_method": "oauth2", "oauth2": {"subject_token_type": "urn:…"}}),
    ("some-plugin", {"forwardIdToken": True}),
    ("some-plugin", {"sendUserHeader": "on"}),
    ("some-plugin", {"passUserIdentity": True}),
    ("some-plugin", {"auth": [{"mode": "per-user"}]}),
    ("some-plugin", {"auth": ["FORWARD_OAUTH"]}),
    ("some-plugin", {"userTokenHeader": "X-Token"}),
    ("some-plugin", {"oauth_flow": "authorization_code"}),
    ("some-plugin", {"cookies": ["a"]}),
    ("some-plugin", {"authType": "oauth2-user"}),
    ("some-plugin", {"identitySource": "Grafana SSO"}),
    ("prometheus", {"customQueryParameters": "user=${__user.login}"}),
    ("yesoreyeram-infinity-datasource", {"global_queries": [{"url": "https://a/$__user/b"}]}),
    ("some-plugin", {"headers": [{"name": "X-Grafana-User"}]}),
    ("some-plugin", {"headerName": "x-id-token"}),
]


def source(type_: str, options: object, **more: object) -> dict[str, object]:
    return {"id": 1, "uid": "u", "orgId": 1, "type": type_, "access": "proxy", "jsonData": options, **more}


@pytest.mark.parametrize(("type_", "options"), SHARED)
def test_a_credential_of_its_own_serves_everybody(type_: str, options: dict[str, Any]) -> None:
    assert sharing(source(type_, options)) is Sharing.SHARED


@pytest.mark.parametrize(("type_", "options"), USER)
def test_a_forwarded_token_serves_its_user(type_: str, options: dict[str, Any]) -> None:
    assert sharing(source(type_, options)) is Sharing.USER


@pytest.mark.parametrize(("type_", "options"), NONE)
def test_what_smells_of_the_user_serves_nobody(type_: str, options: dict[str, Any]) -> None:
    assert sharing(source(type_, options)) is Sharing.NONE


@pytest.mark.parametrize(("type_", "options"), NONE)
def test_a_forwarded_token_besides_makes_nothing_more_shared(type_: str, options: dict[str, Any]) -> None:
    assert sharing(source(type_, {"oauthPassThru": True, **options})) is not Sharing.SHARED


@pytest.mark.parametrize(("type_", "options"), NONE)
def test_the_case_of_names_does_not_matter(type_: str, options: dict[str, Any]) -> None:
    shouted = {name if name in ("source", "oauthPassThru") else name.upper(): value for name, value in options.items()}
    assert sharing(source(type_, shouted)) is Sharing.NONE


@pytest.mark.parametrize(
    "more",
    [
        {"access": "direct"},
        {"access": ""},
        {"access": None},
        {"withCredentials": True},
        {"oauthPassThru": True},
        {"keepCookies": ["a"]},
        {"url": "https://api/${__user.login}"},
    ],
)
def test_fields_beside_the_options(more: dict[str, object]) -> None:
    assert sharing(source("prometheus", {}) | more) is Sharing.NONE


def test_fields_that_say_nothing_about_the_user() -> None:
    """As the API and the frontend settings show them."""
    assert (
        sharing(
            source(
                "prometheus",
                {},
                basicAuth=True,
                basicAuthUser="user",
                withCredentials=False,
                secureJsonFields={"basicAuthPassword": True, "httpHeaderValue1": True},
                meta={"info": {"description": "Forwards the current user"}, "routes": [{"path": "passthrough"}]},
                version=3,
                readOnly=True,
            )
        )
        is Sharing.SHARED
    )


@pytest.mark.parametrize("options", ["{}", [1], 1, True])
def test_options_of_another_shape(options: object) -> None:
    assert sharing(source("prometheus", options)) is Sharing.NONE


def test_options_that_are_not_shown() -> None:
    assert sharing({"uid": "u", "access": "proxy"}) is Sharing.NONE


def test_no_options_at_all() -> None:
    assert sharing(source("prometheus", None)) is Sharing.SHARED
