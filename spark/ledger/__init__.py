"""
What the log means: pure folds from records to state.
"""
