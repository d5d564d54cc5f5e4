"""What the errors, the flags and the layer rule are worth: repeated draws of known truth.

Each module makes one record under ``calibration/records`` and one page under ``docs/reference``.
"""
