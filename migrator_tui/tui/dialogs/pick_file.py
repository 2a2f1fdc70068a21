"""Choosing a file or a folder from a tree."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Button, DirectoryTree, Static
from textual.widgets.directory_tree import DirEntry
from textual.widgets.tree import TreeNode
from textual.worker import get_current_worker

from migrator_tui.migration.ends import is_sqlite
from migrator_tui.tui.dialogs.dialog import Dialog
from migrator_tui.tui.widgets.button_row import ButtonRow
from migrator_tui.tui.wording import at_home

ADVICE = """\
A SQLite file is known by how it begins, whatever its name is: one that is not listed is something else, or empty.
Backspace goes to the folder above. Escape goes back, where the path can be typed."""


class PickFile(Dialog[Path]):
    """A SQLite file, or with ``folders`` a folder; None when nothing was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", tooltip="Choose nothing.", id="pick.cancel"),
        Binding("backspace,left", "up", "Folder above", tooltip="Show the folder above.", id="pick.up"),
    ]
    DEFAULT_CSS = """
    PickFile .dialog { height: 90%; }
    PickFile FileTree { height: 1fr; background: $surface; padding: 0; }
    PickFile #place { height: 1; color: $text-muted; }
    PickFile #nothing { display: none; height: 1fr; content-align: center middle; text-align: center; }
    PickFile.-empty #nothing { display: block; }
    PickFile.-empty FileTree { height: 0; }
    PickFile.-empty #hint { display: none; }
    """

    def __init__(self, folder: Path, *, folders: bool = False) -> None:
        super().__init__()
        self._folder = folder.absolute()
        self._folders = folders

    def compose(self) -> ComposeResult:
        """The place, the tree, two buttons."""
        with Vertical(classes="dialog") as box:
            box.border_title = "Choose the uploads folder" if self._folders else "Choose the SQLite file"
            yield Static(at_home(self._folder), id="place", markup=False)
            yield FileTree(self._folder, folders=self._folders)
            yield Static("", id="nothing", markup=False)
            what = "Folders" if self._folders else "Folders and SQLite files"
            yield Static(f"{what} are listed. Backspace: the folder above.", id="hint", classes="muted")
            with ButtonRow(classes="buttons"):
                yield Button("Folder above", id="up")
                if self._folders:
                    yield Button("Choose this folder", id="choose", variant="primary")
                yield Button("Cancel", id="cancel")

    def on_mount(self) -> None:
        """The tree is used first."""
        self.query_one(FileTree).focus()
        self._look_if_empty()

    def on_directory_tree_file_selected(self, event: DirectoryTree.FileSelected) -> None:
        """Chosen."""
        event.stop()
        self.dismiss(event.path)

    def _look_if_empty(self) -> None:
        if not self._folders:  # a folder can always be chosen: the one at hand
            self._look(self._folder)

    @work(thread=True, exclusive=True, exit_on_error=False)
    def _look(self, folder: Path) -> None:
        """Find out, beside the tree that reads it too, whether a folder has anything to choose."""
        try:
            nothing = not any(self.query_one(FileTree).filter_paths(folder.iterdir()))
            why = f"There is neither a SQLite file nor a folder in {at_home(folder)}."
        except OSError as error:
            nothing, why = True, f"{at_home(folder)} cannot be read: {error.strerror}."
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._tell, why if nothing else None)

    def _tell(self, why: str | None) -> None:
        self.set_class(why is not None, "-empty")
        self.query_one("#nothing", Static).update(f"{why}\n\n{ADVICE}" if why else "")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Above, this folder, or nothing."""
        if event.button.id == "up":
            self.action_up()
        elif event.button.id == "choose":
            node = self.query_one(FileTree).cursor_node
            self.dismiss(node.data.path if node is not None and node.data is not None else self._folder)
        else:
            self.dismiss(None)

    def action_up(self) -> None:
        """The folder above."""
        self._folder = self._folder.parent
        self.query_one("#place", Static).update(at_home(self._folder))
        tree = self.query_one(FileTree)
        tree.path = self._folder
        tree.focus()
        self._look_if_empty()

    def action_cancel(self) -> None:
        """Choose nothing."""
        self.dismiss(None)


class FileTree(DirectoryTree):
    """Folders and SQLite files only, hidden ones left out; each folder is read in a thread when it is opened."""

    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "
    ICON_FILE = "  "

    def __init__(self, folder: Path, *, folders: bool) -> None:
        super().__init__(folder)
        self._folders = folders
        self.show_root = folders

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        """What is worth showing."""
        return [p for p in paths if not p.name.startswith(".") and (_is_folder(p) or self._is_file(p))]

    def _populate_node(self, node: TreeNode[DirEntry], content: Iterable[Path]) -> None:
        super()._populate_node(node, content)
        if self.cursor_line < 0:  # nothing would show where the keys are going
            self.cursor_line = 0

    def _is_file(self, path: Path) -> bool:
        return not self._folders and is_sqlite(path)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
