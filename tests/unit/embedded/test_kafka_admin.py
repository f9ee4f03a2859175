"""Topics are made also where the only broker has lost its registration for a moment."""

from collections.abc import Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, Final

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import NewTopic

from spark.embedded import kafka_admin
from spark.embedded.kafka_admin import create_topics
from spark.errors import AuthorisationError, BusUnavailable

_PLACELESS: Final = KafkaError.INVALID_REPLICATION_FACTOR
_TOPICS: Final = [NewTopic("one", 1, 1), NewTopic("two", 1, 1)]


class _Broker:
    """Answers each try to make a topic with the next code of its list, then with none."""

    def __init__(self, **codes: list[int]) -> None:
        self.codes = codes
        self.asked: list[list[str]] = []
        self.made: dict[str, Any] = {}

    def create_topics(self, new: Sequence[NewTopic], **_: float) -> dict[str, "Future[None]"]:
        self.asked.append([topic.topic for topic in new])
        return {topic.topic: self._answer(topic.topic) for topic in new}

    def list_topics(self, **_: float) -> Any:  # noqa: ANN401  (librdkafka's own type has no constructor)
        return SimpleNamespace(topics=self.made)

    def _answer(self, name: str) -> "Future[None]":
        answer: Future[None] = Future()
        codes = self.codes.get(name, [])
        if codes:
            answer.set_exception(KafkaException(KafkaError(codes.pop(0))))
        else:
            answer.set_result(None)
            self.made[name] = SimpleNamespace(partitions={0: SimpleNamespace(leader=1)})
        return answer


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_admin, "POLL_S", 0.001)


def test_a_topic_that_no_broker_could_take_is_asked_for_again() -> None:
    """Fault K1: after a stall the broker is fenced until its next heartbeat; topics wait for it."""
    broker: Any = _Broker(one=[_PLACELESS, _PLACELESS])
    create_topics(broker, _TOPICS)
    assert broker.asked == [["one", "two"], ["one"], ["one"]]
    assert set(broker.made) == {"one", "two"}


def test_it_is_not_waited_for_longer_than_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that stays away is an error in bounded time."""
    monkeypatch.setattr(kafka_admin, "REQUEST_TIMEOUT_S", 0.05)
    broker: Any = _Broker(two=[_PLACELESS] * 10_000)
    with pytest.raises(BusUnavailable, match="did not do what"):
        create_topics(broker, _TOPICS)
    assert len(broker.asked) > 1


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (KafkaError.TOPIC_ALREADY_EXISTS, BusUnavailable),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, AuthorisationError),
    ],
)
def test_any_other_refusal_is_said_at_once(code: int, error: type[Exception]) -> None:
    """Only what passes by itself is waited for."""
    broker: Any = _Broker(one=[code])
    with pytest.raises(error):
        create_topics(broker, _TOPICS)
    assert broker.asked == [["one", "two"]]
