"""Networks from a Hugging Face ``config.json``; ``load.py`` is the door."""
