"""Tables, their statistics, and the page that shows all results."""
