"""Static pages a person reads."""
