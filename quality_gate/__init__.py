"""Visual Quality Gate: an image classifier goes into production only if it has earned it."""

__version__ = "0.1.0"
