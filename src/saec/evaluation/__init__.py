"""What judging is worth: figures of lines on labelled images, and what a cloud adds to one."""
