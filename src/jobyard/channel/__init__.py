"""The attempt channel: how a program speaks to its worker. Standard library only."""
