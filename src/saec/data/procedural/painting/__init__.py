"""How a drawn product becomes a picture: material, marks, light, camera, sentences."""
