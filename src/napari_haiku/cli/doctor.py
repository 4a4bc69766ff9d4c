"""``napari-haiku doctor``: whether everything needed is here."""

from napari_haiku.cli.options import DebugFlag, JsonFlag
from napari_haiku.cli.reporting import reporting

_SIGNS = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}


def doctor(as_json: JsonFlag = False, debug: DebugFlag = False) -> None:
    """Check Python, packages, GPU, window, model, atlas, cache and disk."""
    with reporting(as_json, debug) as report:
        from napari_haiku.cli.health import examine

        findings = []
        for finding in examine():
            findings.append(finding)
            report.show(f"{_SIGNS[finding.status]}  {finding.name}: {finding.says}")
        failed = [finding.name for finding in findings if finding.status == "failed"]
        report.result(
            {
                "ok": not failed,
                "checks": [
                    {
                        "name": finding.name,
                        "status": finding.status,
                        "says": finding.says,
                        **({"details": finding.details} if finding.details else {}),
                    }
                    for finding in findings
                ],
            }
        )
        if failed:
            report.say(f"Error: {', '.join(failed)}: see above for what to do.")
            report.exit_code = 1
