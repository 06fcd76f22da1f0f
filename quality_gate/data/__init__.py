"""From files to a snapshot and its splits."""
