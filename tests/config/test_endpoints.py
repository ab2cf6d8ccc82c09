"""The URL and the signing region of requests, compared with those of a boto3 client."""

from __future__ import annotations

import itertools
import traceback
from typing import TYPE_CHECKING, Any

import botocore.loaders
import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import BotoCoreError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cognito_signout import ConfigurationError, SignOutClient
from cognito_signout._config.endpoints import Endpoint, check_region, endpoint_for, is_known_region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

LOADER = botocore.loaders.create_loader()
PARTITIONS: Any = LOADER.load_data("partitions")
RULES: Any = LOADER.load_service_model("cognito-idp", "endpoint-rule-set-1")
REGIONS = sorted({region for partition in PARTITIONS["partitions"] for region in partition["regions"]})
UNKNOWN_REGIONS = ["us-foo-9", "xx-nowhere-1", "local", "US-EAST-1", "a", "x" * 63]
FIPS_REGIONS = ["fips-us-east-1", "us-gov-west-1-fips", "eu-west-1-fips"]
CUSTOM = "http://localhost:5000/idp"
HOST_OF_255 = ".".join(["a" * 63] * 4)


class Recorder:
    """Answers all sign-out requests of its session, and records their URLs and signing regions."""

    def __init__(self) -> None:
        self.session = botocore.session.Session()
        self.session.register("before-send.cognito-identity-provider.AdminUserGlobalSignOut", self)
        self.sent: list[tuple[str, str]] = []

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        """Handles ``before-send``."""
        authorization = request.headers["Authorization"]
        if isinstance(authorization, bytes):
            authorization = authorization.decode()
        scheme, _, host, path = request.url.split("/", 3)
        self.sent.append((f"{scheme}//{host.lower()}/{path}", authorization.split("/")[2]))
        return AWSResponse(request.url, 200, {}, Body())

    def boto3(self, region: str, url: str | None, config: Config) -> tuple[str, str] | None:
        """The URL and the signing region of a boto3 client, or ``None`` if the call fails."""
        try:
            client = self.session.create_client("cognito-idp", region_name=region, endpoint_url=url, config=config)
            client.admin_user_global_sign_out(UserPoolId="local_A", Username="alice")
        except (BotoCoreError, ValueError):
            return None
        return self.sent.pop()

    def ours(self, region: str, url: str | None, config: Config) -> tuple[str, str] | None:
        """The URL and the signing region of our client, or ``None`` if the call fails."""
        client = SignOutClient(session=self.session, region_name=region, endpoint_url=url, config=config)
        try:
            client.sign_out(user_pool_id="local_A", username="alice")
        except ConfigurationError:
            return None
        return self.sent.pop()


class Body:
    """The body ``{}``, as urllib3 passes it to botocore."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        """Yields the body in one piece."""
        yield b"{}"


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    """One session for all clients, because loading the model takes long."""
    return Recorder()


@pytest.mark.parametrize("region", [*REGIONS, *UNKNOWN_REGIONS, *FIPS_REGIONS])
def test_a_request_has_the_same_url_and_signing_region_as_with_boto3(recorder: Recorder, region: str) -> None:
    """Requests go to another host than with boto3, or are signed for another region."""
    flags = [False, True]
    for url, use_fips, use_dualstack in itertools.product([None, CUSTOM], flags, flags):
        config = Config(use_fips_endpoint=use_fips, use_dualstack_endpoint=use_dualstack)
        expected = recorder.boto3(region, url, config)
        assert recorder.ours(region, url, config) == expected, (url, use_fips, use_dualstack)


def test_some_partitions_have_no_dual_stack_endpoint(recorder: Recorder) -> None:
    """The test above compares no errors."""
    config = Config(use_dualstack_endpoint=True)
    outcomes = [recorder.boto3(region, None, config) for region in REGIONS]
    assert None in outcomes
    assert any(outcomes)


@pytest.mark.parametrize("region", ["", "us east 1", "us_east_1", "-us", "us-", "1234", "x" * 64, "a.b", "us-east-1\n"])
def test_a_region_that_is_not_a_host_label_is_rejected(region: str) -> None:
    """A malformed setting becomes part of a host name, and credentials are sent to that host."""
    with pytest.raises(ConfigurationError, match="not a region"):
        check_region(region)


def test_a_region_that_is_not_a_string_is_rejected() -> None:
    """A region of another type raises an untyped error."""
    with pytest.raises(ConfigurationError):
        check_region(17)  # type: ignore[arg-type]


@pytest.mark.parametrize("region", ["us-east-1", "0-a", "local", "x" * 63])
def test_any_host_label_is_accepted_as_a_region(region: str) -> None:
    """A region that is newer than the installed botocore can't be used."""
    assert check_region(region) == region


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_of_every_partition_is_known(region: str) -> None:
    """The region of a pool ID is ignored."""
    assert is_known_region(region, PARTITIONS)


@pytest.mark.parametrize(("region", "is_known"), [("eu-nowhere-7", True), ("local", False), ("xx-nowhere-1", False)])
def test_a_region_that_matches_the_pattern_of_a_partition_is_known(region: str, is_known: bool) -> None:
    """A pool in a new region needs a region_name, or an emulator's pool ID has an AWS region."""
    assert is_known_region(region, PARTITIONS) is is_known


def custom(url: Any, region: str = "us-east-1") -> Endpoint:
    """The endpoint for a custom URL."""
    return endpoint_for(region, url=url, use_fips=False, use_dualstack=False, rules=RULES, partitions=PARTITIONS)


@pytest.mark.parametrize(
    ("url", "sent", "host", "path"),
    [
        ("http://localhost:5000", "http://localhost:5000/", "localhost:5000", "/"),
        ("http://localhost:5000/", "http://localhost:5000/", "localhost:5000", "/"),
        ("https://example.com", "https://example.com/", "example.com", "/"),
        ("http://example.com:80/", "http://example.com:80/", "example.com", "/"),
        ("https://example.com:443/", "https://example.com:443/", "example.com", "/"),
        ("https://example.com:80/", "https://example.com:80/", "example.com:80", "/"),
        ("http://example.com:443/", "http://example.com:443/", "example.com:443", "/"),
        ("http://example.com:/", "http://example.com/", "example.com", "/"),
        ("https://example.com/a/b", "https://example.com/a/b", "example.com", "/a/b"),
        ("https://example.com/a/b/", "https://example.com/a/b/", "example.com", "/a/b/"),
        ("https://example.com//a/../%20", "https://example.com//a/../%20", "example.com", "//a/../%20"),
        ("HTTPS://Example.COM/Path", "https://example.com/Path", "example.com", "/Path"),
        ("https://example.com./", "https://example.com./", "example.com.", "/"),
        ("http://127.0.0.1:4566", "http://127.0.0.1:4566/", "127.0.0.1:4566", "/"),
        ("http://[::1]:4566", "http://[::1]:4566/", "[::1]:4566", "/"),
        ("https://[2001:DB8::A]", "https://[2001:db8::a]/", "[2001:db8::a]", "/"),
        ("https://user:password@example.com/", "https://example.com/", "example.com", "/"),
        ("https://example.com/?", "https://example.com/", "example.com", "/"),
        (f"https://{HOST_OF_255}", f"https://{HOST_OF_255}/", HOST_OF_255, "/"),
        (f"https://{HOST_OF_255}./", f"https://{HOST_OF_255}./", f"{HOST_OF_255}.", "/"),
    ],
)
def test_a_custom_endpoint_is_used_as_given(url: str, sent: str, host: str, path: str) -> None:
    """An emulator, a proxy or a VPC endpoint can't be reached, or receives a wrong Host header."""
    assert custom(url, "eu-west-1") == Endpoint(url=sent, host=host, path=path, region="eu-west-1")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/",
        "localhost",
        "localhost:5000",
        "//localhost",
        "http://",
        "http:///path",
        "http://:5000",
        "ftp://localhost",
        "file:///etc/passwd",
        "http://local_host",
        "http://-a.example",
        "http://a..b",
        "http://a b/",
        "http://exämple.com",
        "http://example.com/ä",
        "http://example.com/a b",
        "http://example.com/?a=b",
        "http://example.com/#top",
        "http://example.com:65536/",
        "http://example.com:-1/",
        "http://example.com:abc/",
        "http://[::1",
        "http://[::1]a/",
        "http://[v1.a]/",
        "http://exa\tmple.com",
        "http://example.com\r\nHost: evil",
        "http://example.com/\n",
        "http://example.com\x00",
        "http://" + ".".join(["a" * 63, "a" * 63, "a" * 63, "a" * 62, "a"]),
        "http://" + ".".join(["a" * 63] * 5),
        "http://" + "a" * 64,
        "http://[localhost]/",
        "http://localhost]/",
        17,
        b"http://localhost",
    ],
)
def test_an_endpoint_that_is_not_an_http_url_is_rejected(url: Any) -> None:
    """A typo causes an unclear error or a request to the wrong host."""
    with pytest.raises(ConfigurationError, match="endpoint URL"):
        custom(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:sesame@exa mple.com/",
        "https://user:sesame@example.com:port/",
        "https://user:sesame@ex\u2100mple.com/",
        "https://user:sesame/",
        "https://user:sesame@[example.com/",
        "https://user:sesame@example.com/?a",
    ],
)
def test_the_error_for_an_invalid_endpoint_does_not_show_the_password(url: str) -> None:
    """The password in a malformed URL ends up in a log."""
    with pytest.raises(ConfigurationError) as caught:
        custom(url)
    assert "sesame" not in "".join(traceback.format_exception(caught.value)) + repr(caught.value)


@given(url=st.text() | st.text(st.sampled_from("htps:/[]@.%?#-_a1 \t\n")).map("http://{}".format))
@settings(deadline=None)
def test_any_string_is_an_endpoint_or_raises_a_configuration_error(url: str) -> None:
    """A malformed setting raises an untyped error."""
    try:
        endpoint = custom(url)
    except ConfigurationError:
        return
    assert endpoint.url.startswith(("http://", "https://"))
    assert custom(endpoint.url) == endpoint
    assert f"://{endpoint.host}{endpoint.path}" in endpoint.url


def resolved(*rules: Any, region: str = "us-east-1", fips: bool = False, partitions: Any = PARTITIONS) -> str:
    """The URL that results from these rules."""
    return endpoint_for(
        region, url=None, use_fips=fips, use_dualstack=False, rules={"rules": rules}, partitions=partitions
    ).url


def rule(url: str, *conditions: Any) -> dict[str, Any]:
    """A rule that returns an endpoint."""
    return {"type": "endpoint", "conditions": conditions, "endpoint": {"url": url}}


def test_the_first_rule_whose_conditions_are_true_is_used() -> None:
    """Requests go to the wrong endpoint."""
    fips = {"fn": "booleanEquals", "argv": [{"ref": "UseFIPS"}, True]}
    rules = [rule("https://fips", fips), rule("https://not-fips", {"fn": "not", "argv": [fips]}), rule("https://last")]
    assert resolved(*rules, fips=True) == "https://fips/"
    assert resolved(*rules, fips=False) == "https://not-fips/"


def test_no_matching_rule_is_a_configuration_error() -> None:
    """A region without an endpoint raises an untyped error."""
    with pytest.raises(ConfigurationError, match="no endpoint for the region us-east-1"):
        resolved(rule("https://a", {"fn": "isSet", "argv": [{"ref": "Endpoint"}]}))


def test_an_error_rule_has_the_same_message_as_in_botocore() -> None:
    """The error does not say why there is no endpoint."""
    with pytest.raises(ConfigurationError, match="FIPS is enabled but us-east-1 has none"):
        resolved({"type": "error", "conditions": [], "error": "FIPS is enabled but {Region} has none"})


def test_a_tree_without_a_match_is_skipped() -> None:
    """An endpoint that botocore finds is not found."""
    never = {"fn": "isSet", "argv": [{"ref": "Endpoint"}]}
    tree = {"type": "tree", "conditions": [], "rules": [rule("https://never", never)]}
    assert resolved(tree, rule("https://next")) == "https://next/"


def test_the_error_for_an_unknown_function_contains_its_name() -> None:
    """Rules of a newer botocore cause a wrong endpoint or an unclear error."""
    with pytest.raises(ConfigurationError, match=r"call aws\.guess"):
        resolved(rule("https://a", {"fn": "aws.guess", "argv": []}))


def test_a_region_outside_all_partitions_belongs_to_the_first_partition() -> None:
    """An emulator's region has no endpoint, or one in a wrong partition."""
    partition = {"fn": "aws.partition", "argv": [{"ref": "Region"}], "assign": "P"}
    url = "https://{Region}.{P#dnsSuffix}"
    assert resolved(rule(url, partition), region="local") == "https://local.amazonaws.com/"
    assert resolved(rule(url, partition), region="cn-north-1") == "https://cn-north-1.amazonaws.com.cn/"


REGION = {"ref": "Region"}
PARTITION = {"fn": "aws.partition", "argv": [REGION], "assign": "P"}


def attribute(name: str) -> dict[str, Any]:
    """An expression for an attribute of the partition."""
    return {"fn": "getAttr", "argv": [{"ref": "P"}, name]}


conditions: SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.sampled_from(["Region", "Endpoint", "P", "Unheard"]).map(lambda n: {"fn": "isSet", "argv": [{"ref": n}]}),
        st.tuples(
            st.sampled_from([{"ref": "UseFIPS"}, attribute("supportsFIPS"), attribute("supportsDualStack")]),
            st.booleans(),
        ).map(lambda pair: {"fn": "booleanEquals", "argv": list(pair)}),
        st.sampled_from(["us-east-1", "cn-north-1", "{Region}", "{P#name}"]).map(
            lambda text: {"fn": "stringEquals", "argv": [REGION, text]}
        ),
        st.sampled_from(["aws", "aws-cn"]).map(lambda name: {"fn": "stringEquals", "argv": [attribute("name"), name]}),
    ),
    lambda inner: inner.map(lambda condition: {"fn": "not", "argv": [condition]}),
    max_leaves=3,
)
leaves: SearchStrategy[Any] = st.one_of(
    st.builds(
        lambda url, tests: rule(url, *tests),
        st.sampled_from(["https://plain", "https://{Region}.{P#dnsSuffix}", "https://{Region}.{P#dualStackDnsSuffix}"]),
        st.lists(conditions, max_size=2),
    ),
    st.lists(conditions, max_size=2).map(lambda tests: {"type": "error", "conditions": tests, "error": "{Region}: no"}),
)
rules = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda tests, below: {"type": "tree", "conditions": tests, "rules": below},
        st.lists(conditions, max_size=2),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=8,
)
PARAMETERS = {
    "Region": {"type": "String"},
    "UseFIPS": {"type": "Boolean", "required": True, "default": False},
    "UseDualStack": {"type": "Boolean", "required": True, "default": False},
    "Endpoint": {"type": "String"},
}


@given(
    below=st.lists(rules, min_size=1, max_size=3),
    region=st.sampled_from(["us-east-1", "cn-north-1", "local"]),
    fips=st.booleans(),
)
@example(below=[], region="us-east-1", fips=False)
@settings(deadline=None)
def test_rules_are_evaluated_as_in_botocore(below: list[Any], region: str, fips: bool) -> None:
    """The rules of a later botocore lead to another endpoint than in botocore."""
    tree = {"type": "tree", "conditions": [PARTITION], "rules": below}
    provider = EndpointProvider(
        {"version": "1.0", "parameters": PARAMETERS, "rules": [tree, rule("https://last")]}, PARTITIONS
    )
    expected: str | None
    try:
        expected = provider.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=False).url
    except BotoCoreError:
        expected = None
    try:
        ours = resolved(tree, rule("https://last"), region=region, fips=fips).rstrip("/")
    except ConfigurationError:
        ours = None
    assert ours == expected
