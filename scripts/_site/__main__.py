"""Put the pages together: `python -m scripts._site`; `make docs` then builds the site from them."""

from scripts._site.build import assemble


def main() -> None:
    pages = assemble()
    print(f"{len(pages)} pages in .site/pages")


main()
