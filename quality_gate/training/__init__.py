"""Baselines and the transfer model."""
