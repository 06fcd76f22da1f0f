"""Are these photos fit to train on? The suite of ``expectations/`` answers, check by check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from quality_gate.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import ExpectationValidationResult

    from quality_gate.settings import ValidationSettings

Severity = Literal["error", "warning", "info"]

MAX_EXAMPLES = 20
FILES_IN_A_SENTENCE = 3
# Where the order of the examples should bring files together that contradict or repeat each other.
TYPES_ABOUT_GROUPS = ("expect_column_pair_to_have_one_b_for_each_a", "expect_column_values_to_be_unique")


@dataclass(frozen=True)
class Check:
    """One expectation and what came of it.

    Attributes:
        name: from the suite's ``meta.check``, or the type of the expectation where that is absent.
        column: the column or columns it is about; None where it is about the table.
        severity: ``error`` stops the run when it fails, ``warning`` and ``info`` are reported.
        passed: whether the expectation holds.
        observed: what was found, in words.
        expected: what was asked for, in words.
        unexpected_count: rows (for rows per class: classes) that are otherwise; may be above 0 although it passed.
        examples: paths of such rows, at most 20.
        meaning: the suite's ``description``: why it matters and what to do.
    """

    name: str
    column: str | None
    severity: Severity
    passed: bool
    observed: str
    expected: str
    unexpected_count: int
    examples: tuple[str, ...]
    meaning: str

    @property
    def summary(self) -> str:
        """The check in a few words, with the first files."""
        named = ", ".join(self.examples[:FILES_IN_A_SENTENCE])
        more = self.unexpected_count - FILES_IN_A_SENTENCE
        files = f": {named}" + (f" and {more:,} more" if more > 0 else "") if named else ""
        about = f"{self.column}: " if self.column else ""
        return f"{self.name} ({about}{self.observed}; expected {self.expected}{files})"


@dataclass(frozen=True)
class ValidationResult:
    """All checks of a suite on one image table.

    Attributes:
        suite: name of the suite.
        photos: rows of the table.
        checks: in the order of the suite.
    """

    suite: str
    photos: int
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether no check of severity ``error`` failed."""
        return not self.failed("error")

    def failed(self, severity: Severity) -> tuple[Check, ...]:
        """The failed checks of one severity."""
        return tuple(check for check in self.checks if check.severity == severity and not check.passed)

    def error_sentence(self) -> str:
        """One sentence that names every failed error and the first files of each.

        Raises:
            ValueError: nothing failed, so there is nothing to say.
        """
        errors = self.failed("error")
        if not errors:
            raise ValueError("the validation passed; it has no error sentence")
        checks = "1 check" if len(errors) == 1 else f"{len(errors)} checks"
        listed = "; ".join(check.summary for check in errors)
        return (
            f"The photos fail {checks} of expectations/{self.suite}.yaml: {listed}; mend the files or their labels and"
            " run again, or change the limits under validation: in the run configuration."
        )

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        checks = [{**asdict(check), "examples": list(check.examples)} for check in self.checks]
        return {"suite": self.suite, "photos": self.photos, "passed": self.passed, "checks": checks}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ValidationResult:
        """Rebuild a result from :meth:`to_json`."""
        checks = tuple(Check(**{**check, "examples": tuple(check["examples"])}) for check in values["checks"])
        return cls(suite=values["suite"], photos=values["photos"], checks=checks)


def validate(
    table: pd.DataFrame,
    classes: Sequence[str],
    settings: ValidationSettings,
    suite_folder: Path,
    docs_folder: Path | None = None,
) -> ValidationResult:
    """Check an image table against the suite of the settings.

    Args:
        table: the image table of an audit, one row a file; see ``quality_gate.data.image_table``.
        classes: the labels that may occur.
        settings: name of the suite, and the limits it refers to as ``$PARAMETER``.
        suite_folder: where the suites are.
        docs_folder: where Great Expectations writes its Data Docs; None writes none.

    Returns:
        Every check with its outcome. Nothing is raised for photos that fail: that is the caller's to decide.

    Raises:
        UserError: the suite is missing, misspelt, or asks for what cannot be computed; the message names the file.
    """
    parameters = {
        "classes": list(classes),
        "min_photos_per_class": settings.min_photos_per_class,
        # Rounded, because 1 - 0.9 is a little less than the 0.1 that exactly one readable photo in ten gives.
        "min_readable_share": round(1 - settings.max_unreadable_share, 9),
    }
    return hold_against_suite(table, suite_folder, settings.suite, parameters, docs_folder)


def hold_against_suite(
    table: pd.DataFrame,
    suite_folder: Path,
    suite: str,
    parameters: Mapping[str, Any],
    docs_folder: Path | None = None,
) -> ValidationResult:
    """Check any table of photos.

    Args:
        table: one row a photo, named by its column ``path``.
        suite_folder: where the suites are.
        suite: name of one.
        parameters: what it may refer to as ``$PARAMETER``.
        docs_folder: where Great Expectations writes its Data Docs; None writes none.

    Returns:
        Every check with its outcome.

    Raises:
        UserError: the suite is missing, misspelt, or asks for what cannot be computed; the message names the file.
    """
    from quality_gate.data.expectation_suite import load_suite, run_suite

    results = run_suite(load_suite(suite_folder, suite, parameters), table, parameters, docs_folder)
    place = f"{suite_folder / suite}.yaml"
    return ValidationResult(
        suite=suite,
        photos=len(table),
        checks=tuple(_check(result, set(table.columns), place) for result in results),
    )


def _check(result: ExpectationValidationResult, columns: set[str], place: str) -> Check:
    from quality_gate.data.expectation_words import expected, observed

    configuration = result.expectation_config
    if configuration is None:
        raise ValueError("a validation result came back without its expectation")
    kind, kwargs, body = configuration.type, configuration.kwargs, dict(result.result)
    name = str((configuration.meta or {}).get("check", kind))
    if failure := _exception(result.exception_info):
        missing = sorted(_columns(kwargs) - columns)
        if not missing:
            raise UserError(f"{place}: the check {name} cannot be computed: {failure}.")
        found = f"the table has no column {', '.join(missing)}"
    elif kind == "expect_column_to_exist":
        found = "present" if result.success else "missing"
    else:
        found = observed(kind, kwargs, body)
    rare = body.get("details", {}).get("rare", [])
    return Check(
        name=name,
        column=_column(kwargs),
        severity=_severity(configuration.severity),
        passed=bool(result.success),
        observed=found,
        expected=expected(kind, kwargs),
        unexpected_count=int(body.get("unexpected_count", len(rare))),
        examples=_examples(body.get("unexpected_index_list") or [], kind, kwargs),
        meaning=configuration.description or "",
    )


def _severity(severity: object) -> Severity:
    names: dict[str, Severity] = {"critical": "error", "warning": "warning", "info": "info"}
    return names[str(getattr(severity, "value", severity))]


def _column(kwargs: Mapping[str, Any]) -> str | None:
    named = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs]
    return ", ".join(named) or None


def _columns(kwargs: Mapping[str, Any]) -> set[str]:
    """Every column an expectation needs, its row condition and the column that names the rows included."""
    return {"path", *_named_columns(kwargs)}


def _named_columns(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _named_columns(item)
    if not isinstance(value, Mapping):
        return
    for key, item in value.items():
        if key in ("column", "column_A", "column_B"):
            yield item["name"] if isinstance(item, Mapping) else item
        else:
            yield from _named_columns(item)


def _exception(info: Mapping[str, Any]) -> str | None:
    """The message of the first exception; the library gives one record, or one for each metric it needed."""
    records = [info] if "raised_exception" in info else info.values()
    for record in records:
        if record.get("raised_exception"):
            return " ".join(str(record["exception_message"]).split())
    return None


def _examples(rows: Sequence[Mapping[str, Any]], kind: str, kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    key = str(kwargs.get("column_A", kwargs.get("column"))) if kind in TYPES_ABOUT_GROUPS else "path"
    ordered = sorted(rows, key=lambda row: (str(row[key]), str(row["path"])))
    return tuple(str(row["path"]) for row in ordered[:MAX_EXAMPLES])
