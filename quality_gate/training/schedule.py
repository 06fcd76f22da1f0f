"""How the learning rate changes from step to step."""

# Of all steps: how long the rate rises.
WARM_UP = 0.2


def one_cycle(progress: float) -> float:
    """Share of the highest learning rate: up from 0 for a fifth of the training, then down to 0 (Smith and Topin 2018).

    Args:
        progress: share of all steps that were made, 0..1.
    """
    return min(progress / WARM_UP, (1 - progress) / (1 - WARM_UP))
