"""Answers for many photos at once: each is answered once, logged, and told in a result."""
