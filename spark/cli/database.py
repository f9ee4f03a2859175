"""
Which database a command means: the one that DATABASE_URL names, else the running stack's.
"""

import os
from typing import Final
from urllib.parse import urlsplit

from spark.cli.attach import attach
from spark.embedded.children import passfile_url
from spark.embedded.roles import ROLES
from spark.embedded.servers import PASSFILE
from spark.errors import NotRunningError, SettingError
from spark.settings import read_settings

_REMEDY: Final = "set DATABASE_URL to a server, or start the embedded one with `spark up`"


def database_url(principal: str) -> str:
    """
    Give the address for a principal; that of the embedded server holds no password.

    Raises:
        NotRunningError: nothing is set and no stack runs.
        SettingError: no such principal, or its password belongs to another user.

    """
    said = read_settings().database.url
    if said:
        return said
    if principal not in ROLES:
        raise SettingError(f"no database role for {principal!r}; there are: {', '.join(ROLES)}")
    try:
        attached = attach()
    except NotRunningError as error:
        raise NotRunningError(f"{error}; {_REMEDY}") from None
    if not attached.state.is_database_embedded:
        raise SettingError("this stack uses another server: say which with DATABASE_URL")
    passfile = attached.home.secrets_of(principal) / PASSFILE
    if not os.access(passfile, os.R_OK):
        raise SettingError(f"{passfile} cannot be read; use the account that started the stack")
    parts = urlsplit(attached.state.database_url)
    return passfile_url(ROLES[principal], f"{parts.netloc}{parts.path}", passfile)
