"""The durable part: database, spool, images, pictures, and how long they are kept."""
