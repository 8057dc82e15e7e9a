"""Make this checkout importable in the virtual environment that runs this, with its `millpond` command."""

import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

Path(sysconfig.get_path("purelib"), "millpond.pth").write_text(f"{ROOT}\n", encoding="utf-8")
script = Path(sysconfig.get_path("scripts"), "millpond")
script.write_text(f"#!{sys.executable}\nimport sys\nfrom proxy.cli import main\nsys.exit(main())\n", encoding="utf-8")
script.chmod(0o755)
