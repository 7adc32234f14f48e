//! dynalite, an emulator of DynamoDB for Node.js, in a folder of its own beside the build. It is installed once by npm, under a file
//! lock, from `tests/npm` (all versions pinned), and anew when that changes.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use super::{python, tool};

/// Node.js with the script of dynalite's server; `None`, and a word of it, where Node.js or npm is not there.
/// `TASKWATCH_DYNALITE=required` makes that an error.
pub(crate) fn dynalite() -> Option<Command> {
    let needed = |name: &str| {
        let why = format!("{name} is not there (Node.js 20 or newer, with npm)");
        tool::tool(name, "--version", "the tests on dynalite", &why, "TASKWATCH_DYNALITE")
    };
    let (mut node, npm) = (needed("node")?, needed("npm")?);
    node.arg(prepare(npm).join("node_modules/dynalite/cli.js"));
    Some(node)
}

fn prepare(mut npm: Command) -> std::path::PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("npm");
    fs::create_dir_all(&home).expect("the build directory can be written");
    let lock = File::create(home.join("lock")).expect("the build directory can be written");
    lock.lock().expect("the lock of the folder");
    let pins = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/npm");
    let (wanted, stamp) = (fs::read(pins.join("package-lock.json")).expect("the pins"), home.join("made-from"));
    if fs::read(&stamp).is_ok_and(|made_from| made_from == wanted) {
        return home;
    }
    for file in ["package.json", "package-lock.json"] {
        fs::copy(pins.join(file), home.join(file)).expect("the build directory can be written");
    }
    npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&home);
    python::run("npm ci", "Node.js 20 or newer, with npm", &mut npm, 3);
    fs::write(&stamp, wanted).expect("the build directory can be written");
    home
}
