"""Files of a visitor's own: photos, images and pictures, and the uploader that takes them."""
