"""The player: recorded actors and what a search found in them, as one page that needs nothing else.

`content` says what is in a page, `encode` how it gets there, `html` what surrounds it. The page's
own program is in `assets/`, one idea a file.
"""
