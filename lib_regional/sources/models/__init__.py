"""Masks from models that read pictures: CLIPSeg, Grounding DINO, SAM and depth, from folders on the user's disk. Nothing is downloaded."""
