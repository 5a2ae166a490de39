"""What MkDocs calls: the pages that are made while the site is built, and links to the files at the repository's root."""

import links
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pages import made
from shelf import EXAMPLES, pictures


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """One page for every example of the gallery, in the navigation."""
    (gallery,) = (section["Gallery"] for section in config.nav or () if "Gallery" in section)
    gallery.extend(f"gallery/{example.name}.md" for example in EXAMPLES)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and the pictures of the gallery as far as they were drawn."""
    for uri, text in made().items():
        files.append(File.generated(config, uri, content=text))
    for uri, path in pictures().items():
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files at the root of the repository lead to their pages."""
    return links.led(markdown, links.origin(page.file.src_uri))
