"""The push side: sockets in, queued trade writes out."""
