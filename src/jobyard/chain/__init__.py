"""Reading chains: sources of blocks, table schemas, raw blocks to Arrow, proof of what was read."""
