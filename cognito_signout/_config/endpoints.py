"""The endpoint: a custom URL, or the one from botocore's endpoint rules. :mod:`.settings` finds custom URLs.

The rules and the partitions are arguments, in the format of botocore's data files. This module reads no file and
contains no region names. It raises a :class:`ConfigurationError` if no endpoint exists.
https://smithy.io/2.0/additional-specs/rules-engine/specification.html describes the rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from .._masking import without_keys
from ..errors import ConfigurationError

#: The regions that botocore accepts: a host label that is not a number.
_REGION = re.compile(r"(?![0-9]+\Z)(?!-)[a-zA-Z0-9-]{1,63}(?<!-)")
_HOSTNAME = re.compile(r"((?!-)[A-Z\d-]{1,63}(?<!-)\.)*((?!-)[A-Z\d-]{1,63}(?<!-))", re.IGNORECASE | re.ASCII)
_IPV6 = re.compile(r"[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%[0-9a-zA-Z._~-]+)?")
_URL_PATH = re.compile(r"[!-~]*")
_TEMPLATE = re.compile(r"\{(\w+)(?:#(\w+))?\}")
_DEFAULT_PORTS = {"http": 80, "https": 443}

Data = Mapping[str, Any]


class Endpoint(NamedTuple):
    """The destination of requests, and the region that they are signed for.

    Attributes:
        url: The URL, without user and password.
        host: The ``Host`` header: the name in lower case, with the port unless it is the default port.
        path: The path of the URL, at least ``/``.
        region: The region of the credential scope.
    """

    url: str
    host: str
    path: str
    region: str


def check_region(region: str) -> str:
    """The region, if it can be part of a host name.

    Raises:
        ConfigurationError: It can't.
    """
    if not isinstance(region, str) or not _REGION.fullmatch(region):
        raise ConfigurationError(f"{without_keys(repr(region))} is not a region; pass a host label, such as us-east-1")
    return region


def is_known_region(region: str, partitions: Data) -> bool:
    """Whether botocore knows the partition of the region, by the region's name or by the partition's pattern."""
    return _partition_of(region, partitions) is not None


def endpoint_for(
    region: str, *, url: str | None, use_fips: bool, use_dualstack: bool, rules: Data, partitions: Data
) -> Endpoint:
    """The endpoint of the service for a region.

    Args:
        region: The region.
        url: A custom endpoint. It has precedence over the flags.
        use_fips: Whether to use the FIPS endpoint.
        use_dualstack: Whether to use the endpoint with IPv4 and IPv6.
        rules: botocore's ``endpoint-rule-set-1`` of the service.
        partitions: botocore's ``partitions``.

    Raises:
        ConfigurationError: There is no such endpoint, or ``url`` is not an http(s) URL.
    """
    if url is None:
        parameters = {"Region": region, "UseFIPS": use_fips, "UseDualStack": use_dualstack}
        url = _RuleSet(partitions).resolve(rules["rules"], parameters)
        if url is None:
            raise ConfigurationError(f"botocore's endpoint rules have no endpoint for the region {region}")
    return endpoint_of(url, region)


def endpoint_of(url: str, region: str) -> Endpoint:
    """The endpoint at a URL, with a region to sign for. Raises a :class:`ConfigurationError` for an unusable URL."""
    complaint = (
        "the endpoint URL must be an http:// or https:// URL with a host name, and a port up to 65535 if it has one, "
        "such as http://localhost:5000"
    )
    if not isinstance(url, str):
        raise ConfigurationError(complaint)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError(complaint) from None
    hostname = (parts.hostname or "").lower()
    is_ipv6 = _IPV6.fullmatch(hostname) is not None
    host = f"[{hostname}]" if is_ipv6 else hostname
    label = hostname.removesuffix(".")
    if (
        parts.scheme not in _DEFAULT_PORTS
        or not f"{parts.netloc.rpartition('@')[2].lower()}:".startswith(f"{host}:")  # misplaced brackets
        or not (is_ipv6 or (len(label) <= 255 and _HOSTNAME.fullmatch(label)))
        or any(character in url for character in "\t\r\n")  # urlsplit removes them silently
    ):
        raise ConfigurationError(complaint)
    if parts.query or parts.fragment or not _URL_PATH.fullmatch(parts.path):
        raise ConfigurationError("the endpoint URL must have no query, no fragment, and a percent-encoded path")
    netloc = host if port is None else f"{host}:{port}"
    if port != _DEFAULT_PORTS[parts.scheme]:
        host = netloc
    path = parts.path or "/"
    # The port is kept as it was given, because NO_PROXY may contain it.
    return Endpoint(url=f"{parts.scheme}://{netloc}{path}", host=host, path=path, region=region)


def _partition_of(region: str, partitions: Data) -> Data | None:
    for partition in partitions["partitions"]:
        if region in partition["regions"] or re.match(partition["regionRegex"], region):
            outputs: Data = partition["outputs"]
            return outputs
    return None


class _RuleSet:
    """One evaluation of endpoint rules: the functions that they call, and the names that they assign."""

    def __init__(self, partitions: Data) -> None:
        self._partitions = partitions

    def resolve(self, rules: Sequence[Data], scope: Data) -> str | None:
        """The URL of the first rule whose conditions hold; ``None`` if there is none."""
        for rule in rules:
            names = dict(scope)
            if not all(self._holds(condition, names) for condition in rule["conditions"]):
                continue
            if rule["type"] == "error":
                raise ConfigurationError(f"there is no such endpoint: {self._value(rule['error'], names)}")
            if rule["type"] == "endpoint":
                return str(self._value(rule["endpoint"]["url"], names))
            url = self.resolve(rule["rules"], names)
            if url is not None:  # otherwise the next rule is tried, as in botocore
                return url
        return None

    def _holds(self, condition: Data, names: dict[str, Any]) -> bool:
        value = self._value(condition, names)
        if "assign" in condition:
            names[condition["assign"]] = value
        return value is not None and value is not False

    def _value(self, expression: Any, names: Data) -> Any:
        if isinstance(expression, str):
            return _TEMPLATE.sub(lambda match: self._expand(match, names), expression)
        if not isinstance(expression, Mapping):
            return expression
        node = cast("Data", expression)
        if "ref" in node:
            return names.get(node["ref"])
        return self._call(node["fn"], [self._value(argument, names) for argument in node["argv"]])

    def _expand(self, match: re.Match[str], names: Data) -> str:
        value = names[match[1]]
        return str(value[match[2]] if match[2] else value)

    def _call(self, function: str, arguments: Sequence[Any]) -> Any:
        if function == "isSet":
            return arguments[0] is not None
        if function == "not":
            return not arguments[0]
        if function in ("booleanEquals", "stringEquals"):
            return arguments[0] == arguments[1]
        if function == "getAttr":
            return arguments[0][arguments[1]]
        if function == "aws.partition":
            # A region without a partition counts as part of the first partition, as in botocore.
            found = _partition_of(arguments[0], self._partitions)
            return found if found is not None else self._partitions["partitions"][0]["outputs"]
        raise ConfigurationError(
            f"botocore's endpoint rules call {function}, which this version does not support; "
            f"upgrade cognito-signout, or pass endpoint_url"
        )
