"""What an expectation asks and what was found, in words for a person who does not know Great Expectations."""

from collections.abc import Mapping
from typing import Any

LISTED_VALUES = 12
NO_ROWS = "no such rows"


def expected(kind: str, kwargs: Mapping[str, Any]) -> str:
    """What an expectation asks for.

    Args:
        kind: type of the expectation.
        kwargs: its arguments, with parameters filled in.
    """
    wording = _asked(kind, kwargs)
    mostly = kwargs.get("mostly", 1.0)
    return wording if mostly == 1.0 else f"{wording}, in at least {100 * mostly:g}% of the rows"


def observed(kind: str, kwargs: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """What was found.

    Args:
        kind: type of the expectation.
        kwargs: its arguments, with parameters filled in.
        result: the body of Great Expectations' result.
    """
    if kind == "expect_column_to_hold_each_value":
        return _rows_per_value(result["observed_value"], result["details"]["rare"])
    if kind == "expect_table_columns_to_match_set":
        missing = result.get("details", {}).get("mismatched", {}).get("missing", [])
        return f"missing: {', '.join(missing)}" if missing else "all there"
    if "unexpected_count" in result:
        return _share(result["unexpected_count"], result["element_count"])
    return str(result.get("observed_value", "–"))


def _asked(kind: str, kwargs: Mapping[str, Any]) -> str:
    if kind == "expect_column_to_exist":
        return f"the column {kwargs['column']}"
    if "min_value" in kwargs or "max_value" in kwargs:
        return _range(kwargs) + (" rows" if kind == "expect_table_row_count_to_be_between" else "")
    if kind == "expect_column_values_to_be_in_set":
        values = kwargs["value_set"]
        return _listed(values) if len(values) == 1 else f"one of {_listed(values)}"
    if kind == "expect_column_values_to_match_regex":
        return f"text of the form {kwargs['regex']}"
    if kind == "expect_column_values_to_not_be_null":
        return "a value in every row"
    if kind == "expect_column_values_to_be_unique":
        return "every value once"
    if kind == "expect_column_pair_to_have_one_b_for_each_a":
        return f"one {kwargs['column_B']} for each {kwargs['column_A']}"
    if kind == "expect_column_to_hold_each_value":
        fewest = kwargs.get("min_count", 1)
        return f"at least {fewest} row{'s' * (fewest != 1)} of each of {_listed(kwargs['value_set'])}"
    if kind == "expect_table_columns_to_match_set":
        return f"the columns {', '.join(kwargs['column_set'])}"
    arguments = {key: value for key, value in kwargs.items() if key not in ("batch_id", "column", "row_condition")}
    return ", ".join(f"{key} {value}" for key, value in arguments.items()) or kind


def _range(kwargs: Mapping[str, Any]) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    least = "above" if kwargs.get("strict_min") else "at least"
    most = "below" if kwargs.get("strict_max") else "at most"
    bounds = [f"{word} {bound:g}" for word, bound in ((least, low), (most, high)) if bound is not None]
    return " and ".join(bounds)


def _listed(values: list[Any]) -> str:
    shown = ", ".join(_said(value) for value in values[:LISTED_VALUES])
    return shown if len(values) <= LISTED_VALUES else f"{shown} and {len(values) - LISTED_VALUES} more"


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "nothing" if value == "" else str(value)


def _share(unexpected: int, rows: int) -> str:
    if not rows:
        return NO_ROWS
    return f"not so in {unexpected:,} of {rows:,} ({unexpected / rows:.2%})" if unexpected else f"all {rows:,}"


def _rows_per_value(held: Mapping[str, int], rare: list[str]) -> str:
    if rare:
        return _listed([f"{value} {held[value]}" for value in rare])
    if not any(held.values()):
        return NO_ROWS
    fewest = min(held, key=lambda value: held[value])
    return f"{held[fewest]:,} or more (fewest: {fewest})"
