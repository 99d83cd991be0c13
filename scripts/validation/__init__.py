"""The catalogue of validation: its rows, and the page that is made from them."""
