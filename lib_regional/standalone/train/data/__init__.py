"""What the small model is trained on: scenes, drawings, captions."""
