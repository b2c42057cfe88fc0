"""What the methods share that go on from a picture."""
