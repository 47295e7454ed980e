"""What the desk's pages and the people's pages share: skeleton, style, headers, and how they are served."""
