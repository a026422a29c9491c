"""Arpit, Campos, Bengio: How to Initialize your Network?"""
