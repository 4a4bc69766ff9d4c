from __future__ import annotations


def train_published(*a):
    raise NotImplementedError
    yield
