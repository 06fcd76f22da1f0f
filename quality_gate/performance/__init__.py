"""How good the answers in production are, from the photos that people looked at."""
