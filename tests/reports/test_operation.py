from dataclasses import replace

import pytest

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.operating_points import MeasuredShare, OperatingPoint
from quality_gate.models.manifest import RoutingCertificate
from quality_gate.reports.operation import Found, operation, percent, point_columns

IN_USE = RoutingCertificate(0.05, 0.1, 0.8, 0.74, 74, 1, 100, 0.04)


def point(certificate=IN_USE, *, in_use=True, threshold=0.8, accepted=0.7, wrong=0.0214):
    low, high = Interval(0.65, 0.75), Interval(0.0031, 0.0522)
    return OperatingPoint(
        threshold, certificate, in_use, MeasuredShare(accepted, low), MeasuredShare(wrong, high), 70, 2
    )


def test_a_promise_is_rounded_up_and_not_by_a_bit_that_binary_lacks():
    assert (operation(IN_USE).accepted, operation(IN_USE).wrong) == (740, 37)
    assert operation(replace(IN_USE, coverage=0.741)).wrong == 38
    assert operation(replace(IN_USE, alpha=0.07, coverage=0.1)).wrong == 7


def test_it_takes_as_many_photos_without_an_error_as_the_binomial_says():
    enough = operation(IN_USE).enough
    assert 0.95**enough <= 0.1 < 0.95 ** (enough - 1)


def test_a_certificate_without_a_threshold_accepts_none():
    assert operation(replace(IN_USE, threshold=None, coverage=0.0)).accepted == 0


def test_found_figures_are_of_1000_photos_and_small_ones_keep_a_decimal():
    (column,) = point_columns((point(),))
    assert column.accepted == Found("700", "650 to 750")
    assert column.wrong == Found("21", "3.1 to 52")
    assert column.review == Found("300", "250 to 350")


def test_columns_are_named_by_their_promise_beside_the_one_in_use():
    points = (
        point(replace(IN_USE, alpha=0.025), in_use=False),
        point(),
        point(replace(IN_USE, alpha=0.1), in_use=False, threshold=0.0),
    )
    columns = point_columns(points)
    assert [column.title for column in columns] == ["Stricter", "In use", "Looser"]
    assert [column.promise[0] for column in columns] == ["≤ 2.5% wrong", "≤ 5% wrong", "≤ 10% wrong"]
    assert [column.threshold for column in columns] == [("0.800", ""), ("0.800", ""), ("0.000", "every answer")]
    assert [column.in_use for column in columns] == [False, True, False]


def test_a_plain_confidence_promises_nothing():
    column = point_columns((point(None, in_use=False, threshold=0.99), point()))[0]
    assert (column.title, column.promise, column.promised) == ("Confidence 0.99", ("none", "nothing proven"), None)


def test_where_nothing_was_certified_all_photos_go_to_review():
    (column,) = point_columns((point(replace(IN_USE, threshold=None), threshold=None),))
    assert column.promised is None
    assert column.promise == ("none", "≤ 5% wrong could not be proven")
    assert column.threshold == ("–", "all to review")


@pytest.mark.parametrize(("share", "text"), [(0.05, "5%"), (0.025, "2.5%"), (0.001, "0.1%"), (1 - 0.1, "90%")])
def test_a_share_has_as_many_digits_as_it_needs(share, text):
    assert percent(share) == text
