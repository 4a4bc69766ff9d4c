"""The way to a report once it is written."""

from pathlib import Path

from qtpy.QtWidgets import QFileDialog

from napari_haiku.widgets.counterfactual.counterfactual_dock import CounterfactualDock
from napari_haiku.widgets.out import report_written


def test_a_written_report_can_be_opened_and_its_folder_shown(open_dock, monkeypatch, tmp_path):
    dock = open_dock(CounterfactualDock)
    opened = []
    monkeypatch.setattr(
        report_written.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile())
    )
    report_written.say_report_written(dock, tmp_path)
    assert str(tmp_path) in dock.strip.text
    # A small job that comes later takes the strip and gives it back whole.
    dock.strip.show_progress("Saving", "", 0, 1, lambda: None)
    dock.strip.clear("progress")
    page, folder = dock.strip.buttons
    assert (page.text(), folder.text()) == ("Open report", "Show folder")
    page.click()
    folder.click()
    assert [Path(one) for one in opened] == [tmp_path / "report.html", tmp_path]


def test_the_folder_is_looked_for_beside_the_encoding(open_dock, workspace, monkeypatch):
    dock = open_dock(CounterfactualDock)
    starts = []
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda _parent, _title, start: starts.append(start)
    )
    dock.choose_report()
    assert starts == [str(workspace.encoding.path.parent)]
