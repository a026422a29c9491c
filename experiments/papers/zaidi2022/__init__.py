"""Zaidi, Berariu, Kim, Bornschein, Clopath, Teh, Pascanu: When Does Re-initialization Work?"""
