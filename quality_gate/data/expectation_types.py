"""Two expectations that Great Expectations does not bring along; importing this module makes them known to it.

Importing costs seconds (it imports Great Expectations), so it is imported where a suite is run and nowhere else.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnAggregateExpectation, ColumnPairMapExpectation
from great_expectations.expectations.metrics.map_metric_provider.column_pair_condition_partial import (
    column_pair_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.column_pair_map_metric_provider import (
    ColumnPairMapMetricProvider,
)

if TYPE_CHECKING:
    import pandas as pd


class ColumnPairOneBForEachA(ColumnPairMapMetricProvider):
    """Marks the rows whose value of column A occurs with one value of column B only."""

    condition_metric_name = "column_pair_values.one_b_for_each_a"
    condition_domain_keys = (
        "batch_id",
        "table",
        "column_A",
        "column_B",
        "row_condition",
        "condition_parser",
        "ignore_row_if",
    )
    condition_value_keys = ()

    @column_pair_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]  # the library's
    def _pandas(cls, column_A: "pd.Series", column_B: "pd.Series", **_: Any) -> Any:  # noqa: N803, N805
        return column_B.groupby(column_A).transform("nunique") <= 1


class ExpectColumnPairToHaveOneBForEachA(ColumnPairMapExpectation):
    """Expect equal values of column A to stand beside equal values of column B.

    The suite writes it ``expect_column_pair_to_have_one_b_for_each_a``. One photo, one label: A is the digest of the
    photo, B its label. Rows in which either is missing are passed over.
    """

    ignore_row_if: str = "either_value_is_missing"

    map_metric: ClassVar[str] = "column_pair_values.one_b_for_each_a"
    success_keys: ClassVar[tuple[str, ...]] = ("column_A", "column_B", "ignore_row_if", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column_A", "column_B")


class ExpectColumnToHoldEachValue(ColumnAggregateExpectation):
    """Expect a column to hold each value of a set in so many rows at least.

    The suite writes it ``expect_column_to_hold_each_value``. Unlike ``expect_table_row_count_to_be_between`` with a
    row condition, it needs no expectation a class: the classes are known only when the photos are.

    Attributes:
        value_set: the values; a mapping is a ``$PARAMETER``.
        min_count: fewest rows of each; a mapping is a ``$PARAMETER``.
        where_any: whether a column without any row (after ``row_condition``) is fine.
    """

    value_set: list[str] | dict[str, Any]
    min_count: int | dict[str, Any] = 1
    where_any: bool = False

    metric_dependencies: ClassVar[tuple[str, ...]] = ("column.value_counts",)
    success_keys: ClassVar[tuple[str, ...]] = ("value_set", "min_count", "where_any")
    args_keys: ClassVar[tuple[str, ...]] = ("column", "value_set", "min_count")

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: object | None = None,
    ) -> dict[str, Any]:
        limits = self._get_success_kwargs()
        counts = metrics["column.value_counts"]
        held = {value: int(counts.get(value, 0)) for value in limits["value_set"]}
        rare = [value for value, rows in held.items() if rows < limits["min_count"]]
        nothing_to_check = limits["where_any"] and counts.empty
        return {
            "success": nothing_to_check or not rare,
            "result": {"observed_value": held, "details": {"rare": [] if nothing_to_check else rare}},
        }
