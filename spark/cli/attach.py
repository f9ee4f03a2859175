"""
How a command finds the running stack, and as whom it speaks to it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spark.bus.kafka import KafkaBus, KafkaLogin
from spark.cli.options import LOCAL_PERSON
from spark.embedded.home import Home, default_home
from spark.embedded.state import StackState, find_stack, read_state
from spark.errors import SettingError
from spark.keyring import Keyring
from spark.settings import Settings, read_settings
from spark.topics import OPERATORS

#: The person at the terminal of this machine.
OPERATOR: Final = LOCAL_PERSON


@dataclass(frozen=True, slots=True)
class Attached:
    """A running stack, seen by an operator."""

    settings: Settings
    home: Home
    state: StackState
    operator: str = OPERATOR

    def keyring(self) -> Keyring:
        """
        Open the operator's secrets.

        Raises:
            SettingError: they are another user's; the text says whose.

        """
        directory = self.home.secrets_of(self.operator)
        try:
            return Keyring(self.operator, directory, self.home.public)
        except SettingError as error:
            raise SettingError(f"{error}; use the account that started the stack") from None

    def login(self) -> KafkaLogin:
        """Give the operator's way to Kafka."""
        password = self.keyring().kafka_password()
        return KafkaLogin(self.state.kafka_bootstrap, self.operator, password)

    def bus(self) -> KafkaBus:
        """Make a bus as the operator; the caller closes it."""
        return KafkaBus(self.login())


def anchor(settings: Settings) -> Path:
    """Find the directory where the stack that a command means is written down."""
    return default_home(settings.process)


def homes() -> tuple[Home, Home]:
    """Give where a stack is written down, and where its data, logs and secrets are."""
    place = Home(anchor(read_settings()))
    state = read_state(place)
    return place, place if state is None else Home(state.home)


def check_person(name: str) -> None:
    """
    Refuse a name that is no person's.

    Raises:
        SettingError: who there is.

    """
    if name not in OPERATORS:
        raise SettingError(f"no person {name!r}; there are: {', '.join(sorted(OPERATORS))}")


def attach(operator: str = OPERATOR) -> Attached:
    """
    Find the running stack.

    Args:
        operator: the person who speaks.

    Raises:
        NotRunningError: there is no stack.
        SettingError: there is no such person.

    """
    check_person(operator)
    settings = read_settings()
    state = find_stack(Home(anchor(settings)))
    return Attached(settings, Home(state.home), state, operator)
