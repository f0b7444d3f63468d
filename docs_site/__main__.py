"""Build the site: python -m docs_site [FOLDER]. The default is dist/site."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from docs_site.reference import reference_pages
from docs_site.sources import PAGES, REPOSITORY, with_site_links

HERE = Path(__file__).parent
ROOTS = ("src", "fake_provider", "harness", "conformance")
"""Where the packages are whose docstrings the reference has."""


def build(site: Path) -> int:
    """Build the site in a folder; return the exit code of the generator, which is strict about links."""
    with TemporaryDirectory() as folder:
        stage = Path(folder)
        config = (HERE / "zensical.toml").read_text()
        (stage / "zensical.toml").write_text(
            config.replace('"PATHS"', ", ".join(f'"{REPOSITORY / path}"' for path in ROOTS))
        )
        docs = stage / "docs"
        shutil.copytree(REPOSITORY / "docs", docs)
        shutil.copytree(HERE / "assets", docs / "assets")
        for page in docs.rglob("*.md"):
            page.write_text(with_site_links(page.read_text(), page.relative_to(docs)))
        for name in PAGES:
            (docs / name).write_text(with_site_links((REPOSITORY / name).read_text(), Path("..", name)))
        for name, text in reference_pages():
            (docs / "reference").mkdir(exist_ok=True)
            (docs / "reference" / name).write_text(text)
        done = subprocess.run([Path(sys.executable).parent / "zensical", "build", "--strict"], cwd=stage, check=False)
        if done.returncode == 0:
            shutil.rmtree(site, ignore_errors=True)
            shutil.copytree(stage / "site", site)
            print(f"{site / 'index.html'}")
        return done.returncode


if __name__ == "__main__":
    sys.exit(build(Path(*sys.argv[1:2] or ("dist", "site"))))
