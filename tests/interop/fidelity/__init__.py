"""How is what a mount may change told from what it may not? `raw` speaks HTTP, `cases` asks, `exceptions` judges."""
