"""Kinds of tissue in a slide and across slides."""
