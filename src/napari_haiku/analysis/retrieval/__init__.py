"""Neighbours in an atlas and what is read off them."""
