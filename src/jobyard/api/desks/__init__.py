"""The desk's parts by noun: jobs, their life, their story, the workers."""
