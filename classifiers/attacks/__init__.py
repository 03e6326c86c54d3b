"""Attacks on classifiers of images, all in pixel space [0, 1].

What they return is for `Ball.to_uint8`: a defence is given 8-bit images.
"""
