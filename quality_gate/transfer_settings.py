"""Typed settings of the candidate: its network, and how that is taught."""

import re
from difflib import get_close_matches
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from quality_gate.preprocess import View
from quality_gate.settings_section import Count, Settings, UnitInterval, contradiction
from quality_gate.training.recipe import Balance, Schedule, Unfreezing

# The names of the model zoo, which cannot be asked without importing torch.
MODELS = ("compact_cnn", "efficientnet_b0", "efficientnet_lite0", "mobilenet_v3_small", "resnet18", "resnet50")


# A network that starts from random weights, and the same on photos reduced to a part of their edge.
FROM_SCRATCH = re.compile(r"compact_cnn(/[2-8])?")


def _names_a_network(name: str) -> str:
    if name not in MODELS and not FROM_SCRATCH.fullmatch(name) and not re.fullmatch(r"timm:[a-zA-Z0-9_.-]+", name):
        near = get_close_matches(name, MODELS, n=1)
        hint = f"; {near[0]} is near it" if near else ""
        raise ValueError(f"expected one of {', '.join(MODELS)}, or timm:NAME for a network of timm{hint}")
    return name


def _published_and_different(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names) or any(FROM_SCRATCH.fullmatch(name) for name in names):
        raise ValueError("expected networks with published weights, each once")
    return names


def _different(views: tuple[View, ...]) -> tuple[View, ...]:
    if not views or len(set(views)) < len(views):
        raise ValueError("expected one view or more, each once")
    return views


Views = Annotated[tuple[View, ...], AfterValidator(_different)]
ModelName = Annotated[str, AfterValidator(_names_a_network)]


class TransferSettings(Settings):
    """The candidate: a network pretrained on ImageNet, taught the classes of this data.

    Attributes:
        model: name in the model zoo. ``compact_cnn`` has no pretrained weights: all of it is trained, on the first
            of ``views``, mirrored and shifted on the fly; of the options below those of fine-tuning hold.
            ``compact_cnn/4`` is the same on photos reduced to a quarter of their edge, at a sixteenth of the cost.
        weights_file: file with the pretrained weights (``.safetensors`` or ``.pth``); null takes the packaged or the
            published ones.
        fallback: networks that are tried in turn where the published weights of those before them cannot be had, or
            ``fallback_below`` is not reached.
        fallback_below: validation macro F1 that a network has to reach, or the next of ``fallback`` is trained; if
            none does, the best one is taken. null: only missing weights lead to the next.
        size: edge of the photos, in pixels.
        views: how a photo is brought to that size, where it is served and tested; the answers of several are
            averaged. Two cost twice the processor and gained nothing beyond the noise on grocery photos (macro F1
            0.917 with one, 0.911 with two, 0.907 with five; Brier score 0.073, 0.072, 0.073).
        training_views: the views of a training photo: each is a row the model learns from.
        augmented_views: randomly changed copies of the first training view, more rows to learn from. The head alone
            on grocery photos: macro F1 0.901 with the crop, 0.925 with two copies beside it, 0.931 with mirrored crop
            and squashed photo too (Brier score 0.080, 0.069, 0.066; standard deviation of the splits 0.01).
        finetune_epochs: most epochs in which the last stages are trained; 0 keeps the backbone frozen.
        finetune_min_photos: fewest training photos for that; 0 tunes with any number. On 606 grocery photos (5 splits)
            no learning rate and no average of the weights was better than the head alone (macro F1 0.920); on 2,040
            photos of CIFAR-10 (3 splits) the head alone reaches 0.736, fine-tuned 0.758, with averaged weights 0.775.
        finetune_stages: how many of the last stages of the backbone are trained; the activations of those before them
            are computed once. null takes the backbone's own number; 0 keeps it frozen.
        unfreezing: ``at_once`` trains these stages from the first epoch; ``each_epoch`` opens one more with every
            epoch, ``on_plateau`` after an epoch without a better validation macro F1, the last stage first.
        learning_rate: of fine-tuning, at its start or, with ``one_cycle``, at its highest.
        find_learning_rate: take the rate a range test finds instead.
        schedule: ``plateau`` halves the rate, and stops, when nothing gets better; ``one_cycle`` makes all epochs, in
            which the rate rises and falls once.
        weight_decay: of fine-tuning.
        batch_size: photos a step of fine-tuning.
        class_balance: ``sampler`` draws every class equally often, ``loss`` weighs rare classes more, ``both``, or
            ``none``.
        label_smoothing: share of each target that is spread over all classes.
        focal_gamma: exponent of the focal loss; 0 is cross-entropy.
        mixup: both parameters of the Beta distribution by which pairs of rows are mixed, on the activations of the
            frozen stages (manifold mixup); 0 mixes nothing.
        ema_decay: share of the moving average of the weights that each step keeps; the average is what is validated
            and kept. 0 keeps the weights themselves. Figures stand at ``finetune_min_photos``.
        patience: epochs without a better validation macro F1 before training stops; the learning rate is halved
            after half as many.
        threads: processor threads; 0 means all.
        processes: that train together under ``torch.distributed``, each on its part of every batch, so that batch size
            and learning rate mean the same; 0 takes one a GPU, or one. On the CPU several are for trying the way alone:
            threads share a batch at less cost. They share ``threads``.
        tensorboard: write the curves for TensorBoard too, while the network is trained; MLflow has them anyway.
    """

    model: ModelName = "efficientnet_lite0"
    weights_file: str | None = None
    fallback: Annotated[tuple[ModelName, ...], AfterValidator(_published_and_different)] = ()
    fallback_below: UnitInterval | None = None
    size: Annotated[int, Field(ge=32, le=512)] = 224
    views: Views = ("crop",)
    training_views: Views = ("crop", "crop_mirrored", "squash")
    augmented_views: Annotated[int, Field(ge=0, le=16)] = 2
    finetune_epochs: Annotated[int, Field(ge=0, le=500)] = 5
    finetune_min_photos: Annotated[int, Field(ge=0)] = 2000
    finetune_stages: Annotated[int, Field(ge=0)] | None = None
    unfreezing: Unfreezing = "at_once"
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-4
    find_learning_rate: bool = False
    schedule: Schedule = "plateau"
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 1e-4
    batch_size: Annotated[int, Field(ge=2, le=4096)] = 32
    class_balance: Balance = "sampler"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    focal_gamma: Annotated[float, Field(ge=0, le=10)] = 0.0
    mixup: Annotated[float, Field(ge=0, le=10)] = 0.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    patience: Count = 2
    threads: Annotated[int, Field(ge=0)] = 0
    processes: Annotated[int, Field(ge=0, le=64)] = 0
    tensorboard: bool = False

    @model_validator(mode="after")
    def _falls_back_on_others(self) -> Self:
        if self.model in self.fallback:
            raise contradiction(f"fallback: expected networks other than {self.model}, which is the model itself")
        if self.fallback_below is not None and not self.fallback:
            raise contradiction("fallback_below needs a network in fallback to go on to; expected one there, or null")
        return self
