"""Programs that move data: extraction of chains into Parquet, and proof of what lies there."""
