"""Reading chains: providers, sources of blocks, table schemas, decoding to Arrow, verification."""
