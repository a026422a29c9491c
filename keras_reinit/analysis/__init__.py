"""Analysis of trained networks and of collections of runs."""

from keras_reinit.analysis.significance import SignTest, holm, sign_test

__all__ = ["SignTest", "holm", "sign_test"]
