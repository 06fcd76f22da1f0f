"""Metrics, intervals, calibration, routing and the gate."""
