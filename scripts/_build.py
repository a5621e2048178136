"""A build that is never stale.

Ape compiles a file again only if the file itself changed, not if a module or an interface that it imports did, and then
works with old bytecode in silence. So the digest of all sources decides.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ape.managers.project import ProjectManager

MARK = Path(".build") / "contracts.sha256"


def sources_digest(root: Path) -> str:
    """One hash over name and content of every contract, module and interface."""
    digest = hashlib.sha256()
    for source in sorted(root.glob("contracts/**/*.vy*")):
        digest.update(source.relative_to(root).as_posix().encode() + source.read_bytes())
    return digest.hexdigest()


def ensure_fresh(project: ProjectManager) -> None:
    """Compile everything again if any source differs from the last complete build."""
    root = Path(project.path)
    mark, digest = root / MARK, sources_digest(root)
    if mark.is_file() and mark.read_text() == digest:
        return
    project.load_contracts(use_cache=False)
    mark.write_text(digest)
