from window_bench import stores

__all__ = ["stores"]
