"""
The database's roles: an owner nobody can log in as, and one role for each process (S13).

What a role may do with which table stands in the migrations. Guardrail, signer and
gateway have no role, because they have no database.
"""

import base64
import hashlib
import hmac
import secrets as randomness
from collections.abc import Mapping
from typing import Final

from spark.embedded.postgres import DATABASE, PostgresServer
from spark.embedded.secrets import Secrets

OWNER: Final = "spark_owner"
MIGRATE: Final = "migrate"
#: Principal (also its secrets directory) to database role.
ROLES: Final[Mapping[str, str]] = {
    MIGRATE: "spark_migrate",
    "feed_writer": "spark_feed_writer",
    "projector": "spark_projector",
    "auditor": "spark_auditor",
    "api": "spark_api",
    "reader": "spark_reader",
}
_ITERATIONS: Final = 4096
_SALT_BYTES: Final = 16


async def provision_roles(server: PostgresServer) -> None:
    """
    Make the database, its owner and a role with a password for each process.

    Harmless to repeat; a changed password file takes effect.

    Raises: DatabaseUnavailable, AuthorisationError as `PostgresServer.query`.
    """
    await server.query(_roles_sql(server.secrets), database="postgres")
    await server.query(_DATABASE_SQL)


def role_url(server: PostgresServer, principal: str) -> str:
    """
    Give a principal's database address, password included.
    """
    return server.url(ROLES[principal], server.secrets.postgres_password(principal))


def scram_verifier(password: str, salt: bytes) -> str:
    """
    Derive what PostgreSQL keeps of a password, so that the password itself is never sent.

    Source: RFC 5803 and RFC 7677.
    """
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${_ITERATIONS}:{_b64(salt)}${_b64(stored_key)}:{_b64(server_key)}"


def _roles_sql(secrets: Secrets) -> str:
    create = [
        f"SELECT 'CREATE ROLE {role}' WHERE to_regrole('{role}') IS NULL \\gexec"
        for role in (OWNER, *ROLES.values())
    ]
    bare = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT"
    login = [
        f"ALTER ROLE {role} LOGIN {bare} PASSWORD '{_fresh_verifier(secrets, principal)}';"
        for principal, role in ROLES.items()
    ]
    return "\n".join(
        [
            *create,
            f"ALTER ROLE {OWNER} NOLOGIN {bare} PASSWORD NULL;",
            *login,
            f"GRANT {OWNER} TO {ROLES[MIGRATE]};",
            _CREATE_DATABASE_SQL,
            f"REVOKE ALL ON DATABASE {DATABASE}, postgres, template1 FROM PUBLIC;",
            f"GRANT CONNECT ON DATABASE {DATABASE} TO {', '.join(ROLES.values())};",
            # What a migration makes belongs to the owner, not to whoever ran it.
            f"ALTER ROLE {ROLES[MIGRATE]} IN DATABASE {DATABASE} SET role = '{OWNER}';",
        ]
    )


def _fresh_verifier(secrets: Secrets, principal: str) -> str:
    salt = randomness.token_bytes(_SALT_BYTES)
    return scram_verifier(secrets.postgres_password(principal), salt)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


#: \gexec runs what the query returns: nothing, where the database exists.
_CREATE_DATABASE_SQL: Final = f"""
SELECT 'CREATE DATABASE {DATABASE} OWNER {OWNER}'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec
"""  # noqa: S608  (our own constants)
_DATABASE_SQL: Final = f"""
ALTER SCHEMA public OWNER TO {OWNER};
REVOKE ALL ON SCHEMA public FROM PUBLIC;
"""
