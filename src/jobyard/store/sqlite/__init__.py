"""SQLite: one file in the state folder, one writer at a time, nothing to install."""
