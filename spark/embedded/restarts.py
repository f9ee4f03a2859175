"""
When a child that ended is started again: a pure rule over its last exits.

The first time at once, so that a killed stage works again within its start-up time;
then after pauses that double up to a cap. A child that ends with a code that says
"a person has to look" is believed after a few times and left alone.

One that was fenced takes over again when it is started: two supervisors that do so would
fence each other's child for ever. So it is started a few times and then left alone, as the
other one's child works; a person has to say which of the two is meant (F4).
"""

from dataclasses import dataclass
from typing import Final

from spark.errors import FencedError, HaltError, SettingError

#: A child that lived this long had started; its earlier exits are forgotten.
SETTLED_S: Final = 10.0
FIRST_PAUSE_S: Final = 0.05
PAUSE_S_MAX: Final = 5.0
#: Exits in a row with one of the halting codes after which it is left alone.
HALTS_MAX: Final = 3
#: Exits as fenced after which it is left alone, and how long one must live to be forgiven.
FENCED_MAX: Final = 5
FENCED_SETTLED_S: Final = 600.0
HALTING_CODES: Final = frozenset({HaltError.exit_code, SettingError.exit_code})


@dataclass(slots=True)
class Restarts:
    """The exits of one child so far."""

    #: Exits in a row, each soon after its start.
    quick: int = 0
    #: Of those at the end, how many with a halting code.
    halting: int = 0
    #: How often it was fenced since it last held for long.
    fenced: int = 0

    def pause_s_after(self, exit_code: int, lived_s: float) -> float | None:
        """
        Note an exit and say how long to wait before the next start.

        Returns: None when it must not be started again.
        """
        if lived_s >= SETTLED_S:
            self.quick = self.halting = 0
        if lived_s >= FENCED_SETTLED_S:
            self.fenced = 0
        self.fenced += exit_code == FencedError.exit_code
        if self.fenced >= FENCED_MAX:
            return None
        self.quick += 1
        self.halting = self.halting + 1 if exit_code in HALTING_CODES else 0
        if self.halting >= HALTS_MAX:
            return None
        if self.quick == 1:
            return 0.0
        return min(FIRST_PAUSE_S * 2.0 ** min(self.quick - 2, 16), PAUSE_S_MAX)
