"""
What is larger than the house allows, each with its ceiling.

This list may only shrink: a new entry needs a better reason than being late, an entry
that is no longer needed fails its test, and so does one that grew past its ceiling.
"""

from typing import Final

#: Lines of a file.
FILES: Final[dict[str, int]] = {}

#: Lines of a function.
FUNCTIONS: Final[dict[str, int]] = {
    # A catalogue too: every metric with its meaning.
    "spark/metrics.py::Metrics.__init__": 120,
}

#: Lines of a class.
CLASSES: Final[dict[str, int]] = {}

#: Parameters that may be given by position, `self` not counted.
POSITIONAL: Final[dict[str, int]] = {
    # A transform's whole view: state, input, tick, stamp; tests call nothing else as often.
    "spark/worker/contract.py::Transform.step": 4,
    "spark/consumers/guardrail.py::Guardrail.step": 4,
    "spark/consumers/signer.py::Signer.step": 4,
    # The same for a fold: state, event, and where and when it stands.
    "spark/ledger/fold.py::fold_event": 4,
}
