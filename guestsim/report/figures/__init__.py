"""Figures of one execution, for other tools: each module renders a `Run` as one kind of file.

Pure: the same run and names give the same text, and nothing in it is of a clock.
"""
