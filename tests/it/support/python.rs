//! A Python virtual environment with the tools that others wrote: AWS's own clients and two emulators.
//!
//! It is made once a build directory, under a file lock, from `tests/requirements*.txt` (all versions pinned), and made
//! anew when one of those changes. `TASKWATCH_PYTHON` names an interpreter that has all of it already; then none is made.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

const NEEDS: &str = "python3 (3.11 or newer, with venv and pip), or TASKWATCH_PYTHON";

/// The interpreter of the virtual environment.
pub(crate) fn venv() -> &'static Path {
    static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
    INTERPRETER.get_or_init(|| match std::env::var_os("TASKWATCH_PYTHON") {
        Some(interpreter) => interpreter.into(),
        None => prepare(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("python"), &requirements()),
    })
}

/// An interpreter that need not have anything but what comes with Python.
pub(crate) fn plain() -> Command {
    Command::new(std::env::var_os("TASKWATCH_PYTHON").unwrap_or_else(|| "python3".into()))
}

/// checkov, in an environment of its own (`tests/checkov.txt`), or of the interpreter that `TASKWATCH_CHECKOV` names.
pub(crate) fn checkov() -> Command {
    let interpreter = std::env::var_os("TASKWATCH_CHECKOV").map_or_else(
        || {
            let pins = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkov.txt");
            prepare(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("checkov"), &[pins])
        },
        PathBuf::from,
    );
    let mut command = Command::new(interpreter);
    command.args(["-m", "checkov.main"]).stdin(Stdio::null()).env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    command
}

/// A command for the environment's interpreter, free of the settings that the caller's shell has for Python and AWS.
pub(crate) fn command() -> Command {
    let mut command = Command::new(venv());
    command.stdin(Stdio::null()).env("PYTHONUNBUFFERED", "1").env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command
}

/// The AWS CLI (`python -m awscli`) against one endpoint.
pub(crate) fn aws(endpoint: &str) -> Command {
    let mut command = command();
    command.args(["-m", "awscli", "--endpoint-url", endpoint, "--output", "json"]);
    command
}

/// Makes the environment in `home`, unless what is there was made from the same requirements.
fn prepare(home: &Path, requirements: &[PathBuf]) -> PathBuf {
    fs::create_dir_all(home).expect("the build directory can be written");
    let lock = File::create(home.join("lock")).expect("the build directory can be written");
    lock.lock().expect("the lock of the virtual environment");

    let environment = home.join("venv");
    let interpreter = environment.join("bin").join("python");
    let stamp = home.join("made-from");
    let wanted = requirements.iter().map(|file| fs::read_to_string(file).expect("requirements")).collect::<String>();
    if interpreter.exists() && fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == wanted) {
        return interpreter;
    }

    let _ = fs::remove_file(&stamp);
    let mut make = Command::new("python3");
    run("python3 -m venv", NEEDS, make.args(["-m", "venv", "--clear"]).arg(&environment), 1);
    let mut install = Command::new(&interpreter);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "10"]);
    for file in requirements {
        install.arg("--requirement").arg(file);
    }
    run("pip install", NEEDS, &mut install, 3);
    fs::write(&stamp, wanted).expect("the build directory can be written");
    interpreter
}

/// `tests/requirements*.txt`, in order.
fn requirements() -> Vec<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut files: Vec<PathBuf> = fs::read_dir(tests)
        .expect("tests/")
        .map(|entry| entry.expect("tests/").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("requirements")))
        .collect();
    files.sort();
    files
}

/// Runs a command to its end, `tries` times if need be, and fails the test with what it printed.
pub(super) fn run(what: &str, needs: &str, command: &mut Command, tries: u32) {
    for attempt in 1..=tries {
        let output = command.output().unwrap_or_else(|e| panic!("{what}: {e}. The tests need {needs}"));
        if output.status.success() {
            return;
        }
        let printed = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(attempt < tries, "{what} failed {tries} times, the last time with:\n{printed}");
        thread::sleep(Duration::from_secs(2 * u64::from(attempt)));
    }
}
