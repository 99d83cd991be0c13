"""The loops: the controller decides, the worker claims and runs, the janitor cleans up."""
