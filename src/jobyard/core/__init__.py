"""The rules: what a job is, and what is to be done next. Pure; anyone may call it."""
