"""
Which checks doctor has here: those of the machine always, those of a stack if one runs.
"""

import logging

from spark.cli.attach import Attached, anchor, attach
from spark.cli.database import database_url
from spark.embedded.home import Home, default_jar_directory
from spark.embedded.roles import MIGRATE
from spark.embedded.state import read_state
from spark.errors import NotRunningError
from spark.ops.doctor import Check
from spark.ops.doctor_audit import anchor_check
from spark.ops.doctor_builds import build_check
from spark.ops.doctor_machine import machine_checks
from spark.ops.doctor_persons import person_check
from spark.ops.doctor_stack import Patient, secret_checks, stack_checks
from spark.settings import read_settings


def all_checks() -> tuple[list[Check], str]:
    """
    List the checks that can be made now.

    Returns: the checks, and one line on what could not be looked at.

    Raises:
        SettingError: a setting cannot be read; that is the first thing to mend.

    """
    # psycopg's pool speaks of each failed attempt; the finding says it once.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    settings = read_settings()
    root = anchor(settings)
    checks = machine_checks(
        root,
        default_jar_directory(settings.process),
        advisories_dir=settings.process.advisories_dir,
    )
    state = read_state(Home(root))
    home = Home(root if state is None else state.home)
    checks += secret_checks(home, {} if state is None else dict(state.uids))
    checks.append(person_check(home, settings.process.operators_file))
    try:
        attached = attach()
    except NotRunningError as error:
        return checks, f"{error}; its processes and servers are not looked at"
    checks += stack_checks(_patient(attached))
    running = [child.name for child in attached.state.children]
    checks.append(build_check(attached.bus, running))
    return [*checks, anchor_check(attached.bus, settings.audit)], ""


def _patient(attached: Attached) -> Patient:
    return Patient(attached.home, attached.state, database_url(MIGRATE))
