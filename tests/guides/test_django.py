"""The guide to Django, beyond its own tests: what a ``TestCase`` copies."""

from __future__ import annotations

import subprocess
import sys

from tests.pages import needs_django

PROGRAM = """
import unittest

import django
from cognito_signout import AsyncSignOutClient, SignOutClient
from cognito_signout.revocation import MemoryStore, RevocationList
from cognito_signout.testing import FakeCognito
from django.conf import settings
from django.test import TestCase

settings.configure()
django.setup()

ALICE = {"user_pool_id": "us-east-1_Test00001", "username": "alice"}
SUB = "94382408-2081-7023-a0c2-1c3b8f0b1a2d"
client = SignOutClient()


class SignOut(TestCase):
    databases = frozenset()

    @classmethod
    def setUpTestData(cls):
        cls.blocking = client
        cls.clients = [client, AsyncSignOutClient()]
        cls.fake = FakeCognito()
        cls.fake.add_user(**ALICE)
        cls.tokens = cls.fake.sign_in(**ALICE)
        cls.revocations = RevocationList(MemoryStore())

    def test_one(self):
        self.sign_out()

    def test_two(self):
        self.sign_out()

    def sign_out(self):
        assert self.tokens.refreshable  # a test changes nothing for the next one
        self.fake.assert_no_requests()
        before = [{"iss": "https://host/us-east-1_Test00001", "sub": SUB, "iat": self.tokens.issued_at.timestamp()}]
        assert not self.revocations.is_revoked(*before)
        assert self.blocking is self.clients[0] is client
        with self.fake.activate():
            self.revocations.add(self.blocking.sign_out(**ALICE), sub=SUB)
        self.fake.assert_signed_out(**ALICE, times=1)
        assert not self.tokens.refreshable
        assert self.revocations.is_revoked(*before)


unittest.main()
"""


@needs_django
def test_clients_and_fakes_can_be_test_data() -> None:
    """``setUpTestData`` can't hold a client or a fake, or one test changes the next."""
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "Ran 2 tests" in ran.stderr
