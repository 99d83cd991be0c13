"""What the store does in one database transaction each, written once for both databases."""
