"""Renders results; runs nothing."""
