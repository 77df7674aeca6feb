"""A rebalance recommendation means: checkpoint and ship now, and train on."""

from tests.bucket import Bucket
from tests.waiting import wait_until
from tests.watch.conftest import StartTraining


def test_checkpoint_and_ship_and_train_on(training: StartTraining, bucket: Bucket) -> None:
    busy = training()
    busy.machine.metadata.recommend_rebalance()
    busy.machine.wait_for("CHECKPOINT_OK")
    run = bucket.only_run()
    wait_until(
        lambda: len([n for n in bucket.names(run) if n.startswith("checkpoint-")]) == 2,
        "the checkpoint in S3",
    )
    asked = len(busy.machine.metadata.requests)
    wait_until(lambda: len(busy.machine.metadata.requests) > asked + 12, "three more polls")

    # One recommendation, one checkpoint: it stands there until the instance goes.
    assert busy.machine.states().count("CHECKPOINT_OK") == 1
    assert busy.goes_on()
    assert "_SUCCESS" not in bucket.names(run)

    busy.machine.metadata.notice()
    busy.ends()
    assert bucket.sentinel(run)["reason"] == "spot_interruption"
    assert busy.machine.states().count("CHECKPOINT_OK") == 2


def test_a_checkpoint_that_fails_then_does_not_stop_the_training(training: StartTraining) -> None:
    busy = training(checkpoint_command=["false"])
    busy.machine.metadata.recommend_rebalance()
    busy.machine.wait_for("CHECKPOINT_ERROR")
    assert busy.goes_on()
    busy.machine.metadata.notice()
    busy.ends()


def test_use_rebalance_recommendation_off(training: StartTraining, bucket: Bucket) -> None:
    busy = training(use_rebalance_recommendation=False)
    busy.machine.metadata.recommend_rebalance()
    asked = len(busy.machine.metadata.requests)
    wait_until(lambda: len(busy.machine.metadata.requests) > asked + 6, "more polls")
    assert "CHECKPOINT_START" not in busy.machine.states()
    assert busy.goes_on()
    busy.machine.metadata.notice()
    busy.ends()
    assert bucket.sentinel(bucket.only_run())["reason"] == "spot_interruption"
