"""The candidate of a network without published weights: all of it learns, from random weights, of this data alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.data.batches import ordered_map
from quality_gate.errors import UserError
from quality_gate.models.weights import load_taught
from quality_gate.models.zoo import architecture, assemble, require_size
from quality_gate.preprocess import PreprocessingSpec, View, decode, make_view, normalise
from quality_gate.training.candidate import Candidate
from quality_gate.training.mapped import tensor_in
from quality_gate.training.objective import Rows
from quality_gate.training.processes import fit_in_processes, process_count
from quality_gate.training.recipe import fine_tuning
from quality_gate.training.shift_and_mirror import shift_and_mirror

if TYPE_CHECKING:
    from pathlib import Path

    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.progress import Reporter
    from quality_gate.training.history import Epoch
    from quality_gate.training.resume import Checkpoint
    from quality_gate.transfer_settings import TransferSettings


def train_from_scratch(
    train: PhotoSet,
    validation: PhotoSet,
    settings: TransferSettings,
    *,
    seed: int,
    workers: int,
    reporter: Reporter,
    on_epoch: Callable[[Epoch], None],
    checkpoint: Checkpoint | None,
    folder: Path | None = None,
) -> Candidate:
    """Train all stages of a network on mirrored and shifted photos, normalised by their own means and deviations.

    The photos are decoded once, at six bytes a pixel. As with pretrained networks, training and validation look
    at the first view of a photo. Where the settings name the weights of a trained model, it starts from these.

    Args:
        train: the photos to learn from.
        validation: the photos that choose the epoch.
        settings: of the candidate; all its passes are made, however few photos there are.
        seed: of every random choice.
        workers: threads that read photos.
        reporter: told how far the reading is.
        on_epoch: called after every pass.
        checkpoint: where the state is left after each pass.
        folder: where the decoded photos lie in a file that is mapped into memory; None: in memory.

    Raises:
        UserError: there is no such network, or the photos or the named weights do not fit it.
    """
    import torch

    torch.manual_seed(seed)
    arch = architecture(settings.model)
    require_size(arch, settings.size)
    network = assemble(arch.build(), arch, len(train.classes))
    if settings.weights_file is not None and not load_taught(network, settings.weights_file):
        raise UserError(
            f"transfer.weights_file: {settings.weights_file} holds no trained {settings.model}, which has no published "
            "weights; expected those of a model of this gate, or null."
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    view = settings.views[0]
    spec = normalised_by(train, PreprocessingSpec(settings.size, settings.views, arch.mean, arch.std), workers=workers)
    rows = partial(_rows, view=view, spec=spec, workers=workers, reporter=reporter, folder=folder)
    whole = settings.model_copy(update={"finetune_min_photos": 0})
    history = fit_in_processes(
        process_count(settings.processes, settings.batch_size),
        network,
        rows(train, "train"),
        rows(validation, "validation"),
        fine_tuning(whole, stages=len(network.stages), photos=len(train), seed=seed),
        device,
        prepare=shift_and_mirror,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )
    return Candidate(network.cpu().eval(), spec, history, settings.model)


def normalised_by(photos: PhotoSet, spec: PreprocessingSpec, *, workers: int) -> PreprocessingSpec:
    """The same preprocessing with the means and standard deviations of the pixels of photos.

    Args:
        photos: whose pixels are measured, all of them: squashed, not cropped.
        spec: size and views.
        workers: threads that read photos.
    """

    def moments(photo: bytes) -> NDArray[np.float64]:
        pixels = np.asarray(make_view(decode(photo), "squash", spec), dtype=np.float64) / 255
        return np.stack([pixels.mean(axis=(0, 1)), (pixels**2).mean(axis=(0, 1))])

    total = sum(ordered_map(moments, photos.read(), workers=workers), start=np.zeros((2, 3)))
    mean, square = total / len(photos)
    # Photos of one colour have no deviation, and would be divided by it.
    deviation = np.sqrt(np.maximum(square - mean**2, 1e-4))
    (red, green, blue), (red_std, green_std, blue_std) = mean.tolist(), deviation.tolist()
    return PreprocessingSpec(spec.size, spec.views, (red, green, blue), (red_std, green_std, blue_std))


def _rows(
    photos: PhotoSet,
    split: str,
    *,
    view: View,
    spec: PreprocessingSpec,
    workers: int,
    reporter: Reporter,
    folder: Path | None,
) -> Rows:
    import torch

    def read(photo: bytes) -> NDArray[np.float16]:
        return normalise(np.asarray(make_view(decode(photo), view, spec)), spec).astype(np.float16)

    inputs = tensor_in(folder, (len(photos), 3, spec.size, spec.size), torch.float16)
    pixels = inputs.numpy()
    told = reporter.progress(f"photos of {split}")
    for place, row in enumerate(ordered_map(read, photos.read(), workers=workers)):
        pixels[place] = row
        told(place + 1, len(photos))
    return Rows(inputs, photos.labels)
