"""
Records the calls of other libraries: one file for each, loaded when it is imported.
"""
