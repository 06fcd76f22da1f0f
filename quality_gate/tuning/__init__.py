"""Tuning: settings of the candidate that are better than those of the recipe, found on the validation photos."""
