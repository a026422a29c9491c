"""Alabdulmohsin, Maennel, Keysers: The Impact of Reinitialization on Generalization in CNNs."""
