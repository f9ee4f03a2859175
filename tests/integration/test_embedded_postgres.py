"""The embedded PostgreSQL: who may log in, what it keeps, what it does not tell."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from spark.embedded.ports import pick_ports
from spark.embedded.postgres import KEEPER, PostgresServer
from spark.embedded.postgres_programs import copied_programs, copy_programs
from spark.embedded.roles import MIGRATE, OWNER, ROLES, provision_roles
from spark.embedded.secrets import Secrets, remove_secret, write_secret
from spark.errors import AuthorisationError, DatabaseUnavailable, EmbeddedUnavailable, SettingError
from tests.servers import Process, RunningPostgres, run

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it under another uid")


def ask(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize("principal", sorted(ROLES))
def test_each_process_logs_in_as_its_own_role(
    postgres_server: RunningPostgres, principal: str
) -> None:
    """S13: one role per process, none of which may do more than log in."""
    sql = (
        "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
        " FROM pg_roles WHERE rolname = session_user"
    )
    assert ask(postgres_server.url(principal), sql) == [(ROLES[principal], *[False] * 5)]


def test_the_owner_cannot_log_in(postgres_server: RunningPostgres) -> None:
    """S13: tables belong to a role that nobody can be."""
    assert ask(
        postgres_server.superuser_url,
        f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{OWNER}'",
    ) == [(False,)]


def test_what_a_migration_makes_belongs_to_the_owner(postgres_server: RunningPostgres) -> None:
    """S13: the migrating role owns nothing, so a leaked password of it cannot hide in a table."""
    url = postgres_server.url(MIGRATE)
    ask(url, "CREATE TABLE public.made (x int)")
    sql = "SELECT tableowner FROM pg_tables WHERE tablename = 'made'"
    assert ask(url, sql) == [(OWNER,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(postgres_server.url("reader"), "SELECT * FROM public.made")
    ask(url, "DROP TABLE public.made")


def test_other_databases_are_closed_to_every_process(postgres_server: RunningPostgres) -> None:
    """S13: nobody but the superuser enters another database."""
    for principal in ROLES:
        url = postgres_server.url(principal)
        for database in ("postgres", "template1"):
            with pytest.raises(psycopg.OperationalError, match="permission denied"):
                ask(f"{url.rpartition('/')[0]}/{database}", "SELECT 1")


def test_the_server_keeps_verifiers_only(postgres_server: RunningPostgres) -> None:
    """S13: passwords are set as SCRAM verifiers."""
    sql = "SELECT rolname, rolpassword FROM pg_authid WHERE rolcanlogin"
    rows = ask(postgres_server.superuser_url, sql)
    assert {name for name, _ in rows} == {"postgres", *ROLES.values()}
    assert all(str(kept).startswith("SCRAM-SHA-256$4096:") for _, kept in rows)


def test_a_wrong_password_is_refused_for_every_address(postgres_server: RunningPostgres) -> None:
    """No trust entry: SCRAM on loopback, nothing elsewhere."""
    server = postgres_server.server
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(server.url("postgres", "wrong"), "SELECT 1")
    sql = "SELECT DISTINCT address, auth_method FROM pg_hba_file_rules"
    assert ask(postgres_server.superuser_url, sql) == [("127.0.0.1", "scram-sha-256")]


def test_nothing_but_loopback_tcp(postgres_server: RunningPostgres) -> None:
    """Loopback by default, and no Unix socket that another user could squat."""
    found = psutil.Process(postgres_server.process.pid).net_connections("all")
    listening = {c.laddr for c in found if c.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", postgres_server.server.port)}
    assert not [c for c in found if c.family.name == "AF_UNIX"]


@AS_ROOT
def test_it_does_not_run_as_root(postgres_server: RunningPostgres) -> None:
    """Under root the server and all its data belong to an unprivileged uid."""
    uid = postgres_server.server.uid
    assert uid
    assert psutil.Process(postgres_server.process.pid).uids().real == uid
    owners = {path.stat().st_uid for path in postgres_server.server.data.rglob("*")}
    assert owners == {uid}


def test_a_commit_is_durable(postgres_server: RunningPostgres) -> None:
    """R19: the feed's offset is committed with its rows, so a commit must survive."""
    names = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
    values = [ask(postgres_server.superuser_url, f"SHOW {name}")[0][0] for name in names]
    assert values == ["on"] * 4


def test_no_password_shows_outside_its_file(postgres_server: RunningPostgres) -> None:
    """S15: not in the log, the process list or the environment; no password file is left."""
    passwords = [postgres_server.secrets.postgres_password(name) for name in (*ROLES, KEEPER)]
    process = psutil.Process(postgres_server.process.pid)
    shown = [postgres_server.process.log.read_text(encoding="utf-8"), *process.cmdline()]
    shown += process.environ().values()
    assert not [text for text in shown for password in passwords if password in text]
    assert not [text for text in shown if "SCRAM-SHA-256$" in text]
    assert not list(postgres_server.server.home.glob("*password*"))


def test_committed_rows_survive_kill_9(postgres_server: RunningPostgres) -> None:
    """Whatever was committed is there after kill -9, every time."""
    url = postgres_server.url(MIGRATE)
    ask(url, "CREATE TABLE public.kept (round int, x int)")
    for number in range(3):
        ask(url, f"INSERT INTO public.kept SELECT {number}, generate_series(1, 1000)")
        postgres_server.kill()
        postgres_server.start()
    found = ask(url, "SELECT round, count(*) FROM public.kept GROUP BY 1 ORDER BY 1")
    assert found == [(0, 1000), (1, 1000), (2, 1000)]
    ask(url, "DROP TABLE public.kept")


def test_a_pid_given_anew_does_not_keep_it_down(postgres_server: RunningPostgres) -> None:
    """After kill -9 its pid may belong to another program of the same user."""
    uid = postgres_server.server.uid
    owner = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
    sleep = ["/bin/sleep", "60"]
    other = subprocess.Popen(sleep, cwd="/", **owner)  # type: ignore[call-overload]
    try:
        postgres_server.kill()
        pid_file = postgres_server.server.data / "postmaster.pid"
        lines = pid_file.read_text(encoding="utf-8").splitlines()
        pid_file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n", encoding="utf-8")
        postgres_server.start()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_running_server_is_not_started_over(postgres_server: RunningPostgres) -> None:
    """Two servers on one directory would destroy it: the second is refused, the first lives."""
    home = postgres_server.server.home.parent
    (port,) = pick_ports([0])
    second = PostgresServer(home, postgres_server.secrets, port)
    with pytest.raises(EmbeddedUnavailable, match="still runs as process"):
        second.command()
    assert ask(postgres_server.superuser_url, "SELECT 1") == [(1,)]


async def test_a_wrong_superuser_password_is_one_line(
    postgres_server: RunningPostgres, tmp_path: Path
) -> None:
    """Secrets that do not belong to the data are named as such, at once."""
    stranger = PostgresServer(tmp_path, Secrets(tmp_path / "secrets"), postgres_server.server.port)
    with pytest.raises(AuthorisationError) as raised:
        await stranger.wait_ready()
    assert "\n" not in str(raised.value)


async def test_a_server_that_dies_is_not_waited_for(tmp_path: Path) -> None:
    """A start that cannot succeed ends at once."""
    nowhere = PostgresServer(tmp_path, Secrets(tmp_path / "secrets"), 9)
    with pytest.raises(DatabaseUnavailable):
        await nowhere.wait_ready(lambda: False)


async def test_provisioning_again_changes_only_what_changed(
    postgres_server: RunningPostgres,
) -> None:
    """Harmless to repeat; a password set anew in its file counts after the next start."""
    before = postgres_server.url("reader")
    assert ask(before, "SELECT 1") == [(1,)]
    await provision_roles(postgres_server.server)
    assert ask(before, "SELECT 1") == [(1,)]
    path = postgres_server.secrets.directory("reader") / "postgres.password"
    remove_secret(path)
    write_secret(path, b"another-password")
    await provision_roles(postgres_server.server)
    assert ask(postgres_server.url("reader"), "SELECT 1") == [(1,)]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(before, "SELECT 1")


def test_it_runs_from_a_copy_where_the_wheel_cannot_be_reached(open_directory: Path) -> None:
    """From any checkout path: below a private home the binaries are copied beside the data."""
    home = open_directory / "a home"
    home.mkdir(0o755)
    (port,) = pick_ports([0])
    server = PostgresServer(home, Secrets(home / "secrets"), port)
    copy_programs(server.home)
    run(server.prepare())
    assert server.command().argv[0].startswith(str(copied_programs(server.home)))
    process = Process(server.command, home / "log")
    try:
        process.start()
        run(server.wait_ready(process.is_alive))
    finally:
        process.stop()
    assert process.child is not None
    assert process.child.returncode == 0


@AS_ROOT
async def test_a_home_that_its_uid_cannot_reach_is_one_line(tmp_path: Path) -> None:
    """As root with a private home: the sentence names the wall and the way out."""
    private = tmp_path / "private"
    private.mkdir(0o700)
    server = PostgresServer(private, Secrets(private / "secrets"), 1)
    with pytest.raises(SettingError, match="SPARK_HOME") as raised:
        await server.prepare()
    assert "\n" not in str(raised.value)


async def test_an_initialisation_that_fails_is_one_line_and_leaves_nothing(
    open_directory: Path,
) -> None:
    """A torn data directory never counts as data."""
    server = PostgresServer(open_directory, Secrets(open_directory / "secrets"), 1)
    programs = copied_programs(server.home)
    (programs / "bin").mkdir(parents=True)
    broken = programs / "bin" / "initdb"
    broken.write_text(f"#!{sys.executable}\nraise SystemExit('no space')\n", encoding="utf-8")
    for path in (open_directory, *open_directory.rglob("*")):
        path.chmod(0o755)
    with pytest.raises(EmbeddedUnavailable) as raised:
        await server.prepare()
    assert "\n" not in str(raised.value)
    assert not server.data.exists()
    assert not list(server.home.glob("*password*"))
