"""
Records the calls of other libraries, one file a library; importing it imports none.
"""
