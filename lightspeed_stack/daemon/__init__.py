"""What any daemon of this project needs and that knows nothing of either's business."""
