"""Accuracy under attack: white-box and transferred (Tables 2 and 3)."""
