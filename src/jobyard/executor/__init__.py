"""What runs programs: one module per executor, one Protocol for all. The engine calls it."""
