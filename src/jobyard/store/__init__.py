"""What is kept: the promises in base.py, one set of transactions, two databases that run them."""
