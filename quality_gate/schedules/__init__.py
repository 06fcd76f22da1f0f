"""Pipelines that run by themselves, at times of the calendar, on one machine or a cluster."""
