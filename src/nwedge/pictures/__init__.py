"""What a picture of checkpoints is made of: where it is cut, its numbers kept in parts, its check, the model beside."""
