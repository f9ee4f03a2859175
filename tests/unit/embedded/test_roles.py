"""Database passwords as verifiers (S13)."""

import base64
import hmac

from spark.embedded.roles import OWNER, ROLES, scram_verifier
from spark.topics import ROLES as PROCESSES


def test_a_verifier_is_what_the_standard_says() -> None:
    """S13: the server keeps a verifier. Source: the exchange printed in RFC 7677, section 3."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    text = scram_verifier("pencil", salt)
    server_key = base64.b64decode(text.rpartition(":")[2])
    messages = (
        "n=user,r=rOprNGfwEbeRWgbNEkqO,"
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    signature = hmac.digest(server_key, messages.encode(), "sha256")
    assert base64.b64encode(signature).decode() == "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert text.startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    assert "pencil" not in text


def test_processes_that_decide_sign_or_send_have_no_database() -> None:
    """S13, faults D1, D2 and D3: guardrail, signer and gateway have no database role."""
    assert {"guardrail", "signer", "gateway"} <= PROCESSES
    assert not {"guardrail", "signer", "gateway"} & set(ROLES)
    assert OWNER not in ROLES.values()
