import pytest

from mtopt_learning.evaluate.intervals import wilson_interval


@pytest.mark.parametrize(
    ("successes", "attempts", "low", "high"),
    [
        (0, 0, 0.0, 1.0),
        (0, 10, 0.0, 0.2775),  # Newcombe 1998 and R's prop.test(correct = FALSE)
        (10, 10, 0.7225, 1.0),
        (15, 148, 0.0624, 0.1605),  # Newcombe 1998, table I: 15/148
        (1, 29, 0.0061, 0.1718),  # Newcombe 1998, table I: 1/29
    ],
)
def test_published_values(successes, attempts, low, high):
    assert wilson_interval(successes, attempts) == pytest.approx((low, high), abs=6e-5)


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="3 successes of 2"):
        wilson_interval(3, 2)
