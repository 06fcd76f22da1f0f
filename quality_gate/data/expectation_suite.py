"""Great Expectations at its edge: a suite read from YAML, run on a table, without a project folder of its own."""

import copy
import html
import logging
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from quality_gate.errors import UserError
from quality_gate.yaml_file import read_yaml

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import (
        ExpectationSuite,
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext
    from great_expectations.expectations.expectation import Expectation

TOP_LEVEL_KEYS = {"name", "notes", "expectations"}
SITE = "photos"


def load_suite(folder: Path, name: str, parameters: Collection[str]) -> "ExpectationSuite":
    """Read a suite, strictly: what Great Expectations would drop with a log line is an error here.

    Args:
        folder: where the suites are.
        name: file name without ``.yaml``.
        parameters: names that ``$PARAMETER`` may refer to.

    Raises:
        UserError: there is no such file, it is no YAML, or an expectation in it is misspelt or impossible; the message
            names the file and the expectation.
    """
    path = folder / f"{name}.yaml"
    entries = _read(path)
    with _quiet():
        from great_expectations.core import ExpectationSuite

        expectations = [_expectation(entry, f"{path}, expectation {n}") for n, entry in enumerate(entries, start=1)]
        suite = ExpectationSuite(name=name, expectations=expectations)
        unknown = sorted(set(suite.suite_parameter_options) - set(parameters))
    if unknown:
        raise UserError(
            f"{path}: $PARAMETER {', '.join(unknown)} is unknown; the settings give {', '.join(sorted(parameters))}."
        )
    return suite


def run_suite(
    suite: "ExpectationSuite", table: "pd.DataFrame", parameters: Mapping[str, Any], docs_folder: Path | None
) -> list["ExpectationValidationResult"]:
    """Check a table.

    Args:
        suite: from :func:`load_suite`.
        table: with a column ``path``, by which failing rows are named.
        parameters: values of ``$PARAMETER``.
        docs_folder: where Data Docs are written; None writes none.

    Returns:
        One result an expectation, in the order of the suite.
    """
    with _quiet():
        import great_expectations as gx

        context = _context(docs_folder)
        suite = context.suites.add(suite)
        asset = context.data_sources.add_pandas("photos").add_dataframe_asset("image_table")
        batch = asset.add_batch_definition_whole_dataframe("all")
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name="image_table", data=batch, suite=suite)
        )
        checkpoint = context.checkpoints.add(
            gx.Checkpoint(
                name="image_table",
                validation_definitions=[definition],
                result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["path"]},
            )
        )
        outcome = checkpoint.run(batch_parameters={"dataframe": table}, expectation_parameters=dict(parameters))
        ((key, run),) = outcome.run_results.items()
        if docs_folder is not None:
            # Data Docs are built from what is stored, and put names of files and folders into the page as they are.
            context.validation_results_store.set(key, _escaped_run(run))
            context.build_data_docs(site_names=[SITE])
    # Results come back grouped by kind; a reader looks for them in the order of the file.
    order = {expectation.id: position for position, expectation in enumerate(suite.expectations)}
    return sorted(run.results, key=lambda result: order[getattr(result.expectation_config, "id", None)])


def _escaped_run(run: "ExpectationSuiteValidationResult") -> "ExpectationSuiteValidationResult":
    safe = copy.deepcopy(run)
    for result in safe.results:
        result.result = _escaped(result.result)
        result.exception_info = _escaped(result.exception_info)
        if result.expectation_config is not None:
            # A mapping is a row condition, which is the suite's own and is parsed again; the rest may hold labels.
            kwargs = result.expectation_config.kwargs
            kwargs |= {key: _escaped(value) for key, value in kwargs.items() if not isinstance(value, dict)}
    return safe


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return html.escape(value)
    if isinstance(value, dict):
        return {_escaped(key): _escaped(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(item) for item in value]
    return value


def _read(path: Path) -> list[Any]:
    if not path.is_file():
        suites = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml"))) or "none"
        raise UserError(f"{path} does not exist; set validation.suite to a suite of {path.parent} (there: {suites}).")
    try:
        content = read_yaml(path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(content, dict) or not isinstance(content.get("expectations"), list):
        raise UserError(f"{path} has no list under expectations:; write one entry with type and kwargs a check.")
    if unknown := sorted(map(str, content.keys() - TOP_LEVEL_KEYS)):
        raise UserError(
            f"{path}: {', '.join(unknown)} is no key of a suite; expected {', '.join(sorted(TOP_LEVEL_KEYS))}."
        )
    if not content["expectations"]:
        raise UserError(f"{path} holds no expectation, so nothing would be checked; write at least one.")
    return list(content["expectations"])


def _expectation(entry: Any, place: str) -> "Expectation":
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError, InvalidExpectationConfigurationError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    from quality_gate.data import expectation_types  # noqa: F401  # imported to be known by its name

    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise UserError(f"{place}: expected a mapping with type and kwargs.")
    kind = entry["type"]
    try:
        return ExpectationConfiguration(**{"kwargs": {}, **entry}).to_domain_obj()
    except ExpectationNotFoundError:
        raise UserError(f"{place}: {kind} is no type of expectation; check its spelling.") from None
    except (InvalidExpectationConfigurationError, TypeError, ValueError) as error:
        # Pydantic's text has a heading and a line a problem; the constructor's names the method.
        reason = " ".join(str(error).split()).removeprefix("ExpectationConfiguration.__init__() ")
        raise UserError(f"{place} ({kind}): {reason}.") from None


def _context(docs_folder: Path | None) -> "EphemeralDataContext":
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    if docs_folder is not None:
        docs_folder.mkdir(parents=True, exist_ok=True)
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs_folder.absolute())}
        site: Any = {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": store,
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
        context.add_data_docs_site(SITE, site)
    return context


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's log and its import's deprecations off the console: all it finds is in its result."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"module 'sre_\w+' is deprecated")
            yield
    finally:
        logger.setLevel(level)
