"""Items ahead of their turn: order, errors, jumps, and that they really are ahead."""

import threading

import pytest

from mtopt_learning.train.feed import Feed

WAIT_S = 20


@pytest.mark.parametrize("ahead", [0, 1, 2, 5])
def test_items_come_in_order_and_each_is_prepared_once(ahead):
    asked = []
    feed = Feed(lambda i: asked.append(i) or 10 * i, ahead)
    assert [feed.take(i) for i in range(8)] == [10 * i for i in range(8)]
    feed.close()
    assert asked[:8] == list(range(8)) and len(asked) <= 8 + ahead
    assert asked == sorted(set(asked))


def test_the_items_ahead_are_prepared_before_they_are_asked_for():
    prepared = [threading.Event() for _ in range(10)]

    def prepare(number):
        prepared[number].set()
        return number

    feed = Feed(prepare, 2)
    assert feed.take(0) == 0
    assert prepared[1].wait(WAIT_S) and prepared[2].wait(WAIT_S)
    assert not prepared[3].wait(0.2), "no more than two ahead"
    assert feed.take(1) == 1
    assert prepared[3].wait(WAIT_S)
    feed.close()


def test_preparing_goes_on_beside_who_takes():
    """Item 1 can only be finished while the taker of item 0 is at work."""
    at_work = threading.Event()

    def prepare(number):
        if number == 1:
            assert at_work.wait(WAIT_S)
        return threading.get_ident()

    feed = Feed(prepare, 1)
    thread = feed.take(0)
    at_work.set()
    assert feed.take(1) == thread != threading.get_ident()
    feed.close()


def test_nothing_ahead_needs_no_thread():
    feed = Feed(lambda i: threading.get_ident(), 0)
    assert feed.take(7) == threading.get_ident()
    feed.close()


@pytest.mark.parametrize("ahead", [0, 2])
def test_an_error_comes_with_its_own_item_and_the_next_ones_are_whole(ahead):
    def prepare(number):
        if number == 1:
            raise OSError("disk")
        return number

    feed = Feed(prepare, ahead)
    assert feed.take(0) == 0
    with pytest.raises(OSError, match="disk"):
        feed.take(1)
    assert [feed.take(2), feed.take(3)] == [2, 3]
    with pytest.raises(OSError, match="disk"):  # asked for again: tried again
        feed.take(1)
    feed.close()


@pytest.mark.parametrize("to", [0, 1, 2, 4, 40])
def test_a_jump_gives_the_item_that_was_asked_for(to):
    feed = Feed(lambda i: i, 2)
    assert [feed.take(i) for i in range(3)] == [0, 1, 2]
    assert [feed.take(to + i) for i in range(3)] == [to, to + 1, to + 2]
    feed.close()


def test_begins_with_any_number():
    asked = []
    feed = Feed(lambda i: asked.append(i) or i, 1)
    assert feed.take(1000) == 1000
    feed.close()
    assert asked[0] == 1000


def test_close_ends_the_thread_and_the_feed_can_be_used_again():
    def feeding():
        return [t for t in threading.enumerate() if t.name.startswith("feed")]

    before, feed = feeding(), Feed(lambda i: i, 2)
    assert feed.take(3) == 3 and len(feeding()) == len(before) + 1
    feed.close()
    assert feeding() == before
    feed.close()
    assert feed.take(4) == 4 and feed.take(0) == 0
    feed.close()
    assert feeding() == before
