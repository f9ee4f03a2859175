"""ACL rows as a function of the table of topics (S17)."""

from spark.embedded.acls import ANY_NAME, Acl, Operation, Resource, wanted_acls
from spark.topics import PRINCIPALS, PROVISIONER, TOPICS

WANTED = wanted_acls(TOPICS, PRINCIPALS)


def may(principal: str, operation: Operation, topic: str) -> bool:
    return Acl(principal, Resource.TOPIC, topic, operation) in WANTED


def test_exactly_the_writers_of_a_topic_may_write_it() -> None:
    """H3: the broker refuses whoever the table does not name, cell by cell."""
    for topic in TOPICS:
        writers = {name for name in PRINCIPALS if may(name, Operation.WRITE, topic.name)}
        assert writers == topic.writers, topic.name


def test_exactly_readers_and_writers_of_a_topic_may_read_it() -> None:
    """A writer reads its own tail to resume; nobody else reads what is not for them."""
    for topic in TOPICS:
        readers = {name for name in PRINCIPALS if may(name, Operation.READ, topic.name)}
        assert readers == topic.readers | topic.writers, topic.name


def test_only_the_provisioner_has_the_cluster_or_a_wildcard() -> None:
    """S17: Cluster grants only for the provisioner, and everything else by literal name."""
    broad = {acl for acl in WANTED if acl.resource is Resource.CLUSTER or acl.name == ANY_NAME}
    assert {acl.principal for acl in broad} == {PROVISIONER}
    assert not any(acl.operation in {Operation.READ, Operation.WRITE} for acl in broad)


def test_each_principal_has_the_group_of_its_own_name_and_no_other() -> None:
    """S17: literal group per role."""
    groups = {(acl.principal, acl.name) for acl in WANTED if acl.resource is Resource.GROUP}
    assert groups == {(name, name) for name in PRINCIPALS}


def test_transactions_cannot_even_be_named() -> None:
    """S17, fault K6: no TransactionalId grant."""
    assert {resource.value for resource in Resource} == {"topic", "group", "broker"}
