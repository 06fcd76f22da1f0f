"""Drift: whether the photos of a window still look, and are still answered, as those the champion was proven on."""
