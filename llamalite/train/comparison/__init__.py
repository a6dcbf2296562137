"""Chapter ``comparison``: published scores and models side by side, and what may be said of them."""
