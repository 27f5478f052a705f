"""Runs in the separate environment: verifies what it is told to, with nothing but ``verify.py`` and ``cryptography``.

``python -I tampering_driver.py VERIFY.PY < cases.jsonl > results.jsonl``; a case is ``{"path", "trust", "against"}``.
"""

import importlib.util
import json
import sys
from pathlib import Path


def main() -> None:
    spec = importlib.util.spec_from_file_location("verify", sys.argv[1])
    assert spec is not None
    assert spec.loader is not None
    verify = importlib.util.module_from_spec(spec)
    sys.modules["verify"] = verify
    spec.loader.exec_module(verify)
    foreign = sorted(
        {name.partition(".")[0] for name in sys.modules} & {"include", "pydantic", "asn1crypto", "pyhanko"}
    )
    assert not foreign, foreign
    for line in sys.stdin:
        case = json.loads(line)
        against = Path(case["against"]) if case.get("against") else None
        options = verify.Options(trusted=frozenset(case.get("trust", ())), against=against)
        try:
            report = verify.verify_path(Path(case["path"]), options)
            for language in ("ko", "en"):
                report.render(language)
            found = {"exit": report.exit_code, "codes": sorted({one.code for one in report.lines if one.status.value})}
        except Exception as error:  # noqa: BLE001  (a crash is a result, and not a detection)
            found = {"exit": None, "codes": [f"{type(error).__name__}: {error}"]}
        print(json.dumps(found), flush=True)


main()
