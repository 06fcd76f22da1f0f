"""Champions of a gate: versions in the MLflow registry, decisions in the ledger."""

from __future__ import annotations

import getpass
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from quality_gate.errors import UserError
from quality_gate.ledger import Event, Ledger, LedgerEntry
from quality_gate.models.manifest import ModelManifest, UnknownModelFormat, file_digest
from quality_gate.models.smoke import smoke_test
from quality_gate.tracking import TRACKING_VARIABLE

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from quality_gate.evaluation.gate import GateResult
    from quality_gate.evaluation.scores import Evaluation

CHAMPION = "champion"


@dataclass(frozen=True)
class Champion:
    """The model in production.

    Attributes:
        version: in the registry.
        folder: its model folder.
    """

    version: str
    folder: Path


class Registry:
    """The models of one gate.

    Args:
        name: the gate.
        ledger: its decisions.
        tracking_uri: of the MLflow tracking store and registry.
    """

    def __init__(self, name: str, ledger: Ledger, tracking_uri: str) -> None:
        self.name = name
        self.ledger = ledger
        self._tracking_uri = tracking_uri

    def register(self, run_id: str, model_uri: str, digests: dict[str, str]) -> str:
        """Give a model folder that MLflow keeps a version number.

        Returns:
            The version.
        """
        from mlflow.exceptions import MlflowException

        client = self._client()
        try:
            client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = client.create_model_version(self.name, source=model_uri, run_id=run_id, tags=digests)
        return str(version.version)

    def promote(self, entry: LedgerEntry) -> None:
        """Make the model of ``entry`` champion: first in the ledger, then as alias in the registry."""
        self.ledger.append(entry)
        self.point_alias_at_champion()

    def point_alias_at_champion(self) -> None:
        """Make the registry's alias say what the ledger says, also after an interruption between the two."""
        champion = self.ledger.champion()
        if champion is not None and champion.version is not None:
            self._client().set_registered_model_alias(self.name, CHAMPION, champion.version)

    @contextmanager
    def model_folder(self, entry: LedgerEntry) -> Iterator[Path]:
        """The model folder of a promoted version, with its version number in the manifest.

        Raises:
            UserError: its files are gone or damaged.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        assert entry.model_uri is not None
        assert entry.version is not None
        with tempfile.TemporaryDirectory() as temporary:
            try:
                # The address may mean the server that keeps the runs.
                kept = {"artifact_uri": entry.model_uri, "tracking_uri": self._tracking_uri}
                folder = Path(download_artifacts(**kept, dst_path=temporary))
                ModelManifest.load(folder).with_version(entry.version).save(folder)
            except (MlflowException, OSError, UnknownModelFormat) as error:
                reason = " ".join(str(error).split())
                raise UserError(
                    f"{self.name}:{entry.version} cannot be read from {entry.model_uri} ({reason}); "
                    "restore the folder from a copy."
                ) from None
            yield folder

    @contextmanager
    def promoted_folder(self, promotion: str) -> Iterator[Champion | None]:
        """The model folder of the model that a promotion made champion; None for '', which names none.

        Raises:
            UserError: the ledger knows no such promotion, or the model's files are gone or damaged.
        """
        if not promotion:
            yield None
            return
        entry = next((entry for entry in self.ledger.champions() if entry.identity == promotion), None)
        if entry is None or entry.version is None:
            raise UserError(f"{self.name}: the champion to compare with was rolled back meanwhile; run again.")
        with self.model_folder(entry) as folder:
            yield Champion(entry.version, folder)

    def rollback(self, package: Callable[[Path], str]) -> tuple[LedgerEntry, str]:
        """Make the former champion champion again.

        It is loaded, smoke-tested and packaged before the ledger and the alias are switched. Repeating a rollback that
        was interrupted in between does the rest.

        Args:
            package: packs a model folder for serving and returns the package's tag.

        Returns:
            The former champion, now champion, and the tag of its package.

        Raises:
            UserError: there is no former champion, it is not in this registry, or it does not answer.
        """
        champions = self.ledger.champions()
        if len(champions) < 2:
            raise UserError(f"{self.name} has no former champion to roll back to; see quality-gate status.")
        former = champions[-2]
        self._check_registered(former)
        with self.model_folder(former) as folder:
            smoke_test(folder)
            tag = package(folder)
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        self.ledger.append(replace(former, event="rolled_back", run=f"rollback by {_user()}", time=moment))
        self.point_alias_at_champion()
        return former, tag

    def _check_registered(self, entry: LedgerEntry) -> None:
        """Make sure that this is the registry that gave a model its version: another may have one of that number."""
        from mlflow.exceptions import MlflowException

        assert entry.version is not None
        try:
            found = self._client().get_model_version(self.name, entry.version).source
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                reason = " ".join(str(error).split())
                raise UserError(f"MLflow at {self._tracking_uri} does not answer ({reason}).") from None
            found = None
        if found != entry.model_uri:
            raise UserError(
                f"MLflow at {self._tracking_uri} did not register {self.name}:{entry.version}; set {TRACKING_VARIABLE} "
                "to the store of the stack that trained it."
            )

    def _client(self) -> MlflowClient:
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self._tracking_uri, registry_uri=self._tracking_uri)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # Containers often run under a number that no user has.
        return f"user {os.getuid()}"


def ledger_entry(
    event: Event,
    run: str,
    manifest: ModelManifest,
    evaluation: Evaluation,
    gate: GateResult,
    report: Path,
    *,
    version: str | None = None,
    model_uri: str | None = None,
    promotion: str = "",
) -> LedgerEntry:
    """Write down a decision with everything needed to defend it later.

    Args:
        event: ``promoted`` or ``refused``.
        run: the pipeline run.
        manifest: of the model.
        evaluation: what was measured.
        gate: what the gate said.
        report: the report page.
        version: in the registry; None for a refused model.
        model_uri: where the model folder is kept; None likewise.
        promotion: what its promotion is called; '' likewise.
    """
    assert manifest.routing is not None
    return LedgerEntry(
        event=event,
        run=run,
        version=version,
        model=manifest.architecture,
        model_uri=model_uri,
        classes=list(manifest.classes),
        metrics=evaluation.candidate.metrics.to_json(),
        routing=asdict(manifest.routing),
        digests={**manifest.digests, "answers": manifest.answers_digest, "report": file_digest(report)},
        gate=gate.to_json(),
        report=str(report),
        promotion=promotion,
    )
