"""Does runs, each once, wherever they are executed, and keeps what came of them."""
