"""The pages that are made from the program and from stored results, so that they cannot differ from them."""

from claims_page import claims
from command_page import commands
from links import PAGES, ROOT
from shelf import EXAMPLES, example_page, index_page


def made() -> dict[str, str]:
    """Markdown by its path below docs."""
    return {
        "command-line.md": commands(),
        "claims.md": claims(),
        "gallery/index.md": index_page(),
        **{f"gallery/{example.name}.md": example_page(example) for example in EXAMPLES},
        **{page: (ROOT / name).read_text() for name, page in PAGES.items() if name != "README.md"},
    }
