"""Reading chains: table schemas, raw blocks to Arrow, proof of what was read."""
