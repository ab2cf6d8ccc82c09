"""TLS contexts, set up as botocore sets up its own."""

from __future__ import annotations

import os
import ssl
import sys
from importlib import import_module
from typing import Any, NoReturn

from .._config.botocore import load
from ..errors import ConfigurationError


def new_context(verify: bool | str, client_cert: str | tuple[str, str] | None) -> ssl.SSLContext:
    """A context with botocore's settings: TLS 1.2 and up, post-handshake authentication, ``SSLKEYLOGFILE``.

    Args:
        verify: ``True`` for the default bundle, a path to another bundle, ``False`` for no verification.
        client_cert: A path to a PEM file with certificate and key, or a tuple of two paths: certificate and key.

    Raises:
        ConfigurationError: A file can't be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.post_handshake_auth = True
    files = (client_cert,) if isinstance(client_cert, str) else client_cert or ()
    of_client = f"the client certificate {', '.join(files)} can't be used"

    def refuse() -> NoReturn:
        raise ConfigurationError(f"{of_client}: its key is encrypted; use a file with an unencrypted key")

    problem = ""
    try:
        key_log = os.environ.get("SSLKEYLOGFILE")
        if key_log and not sys.flags.ignore_environment:
            problem = f"SSLKEYLOGFILE names {key_log}, which can't be written"
            context.keylog_filename = key_log
        if verify is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            bundle = default_ca_bundle() if verify is True else verify
            problem = f"the CA bundle {bundle} can't be used"
            context.load_verify_locations(bundle)
        if files:
            problem = of_client
            # Without a function for the pass phrase, OpenSSL would prompt for it on the terminal.
            context.load_cert_chain(files[0], files[1] if len(files) > 1 else None, password=refuse)
    except ConfigurationError:
        raise
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
        raise ConfigurationError(f"{problem}: {error}") from error
    return context


def default_ca_bundle() -> str:
    """The bundle that botocore would use: certifi's if certifi is installed, else the one that botocore ships."""
    try:
        certifi: Any = import_module("certifi")
    except ImportError:
        return str(load("httpsession").DEFAULT_CA_BUNDLE)
    return str(certifi.where())
