//! Builds the filters: those that the relay carries inside, the example filters, and the guests of the tests.
//!
//! They are crates of this workspace, compiled for `wasm32-unknown-unknown` by a cargo of their own into `<target>/plugins`, which all
//! profiles share. Nothing built is kept in the repository.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// Filters that `plugin = "NAME"` means.
const STOCK: [&str; 5] = ["access", "attachments", "canonical", "generic", "masquerade"];
/// Filters for people to copy and for tests to run.
const EXAMPLES: [&str; 5] = ["block-names", "greet-check", "hide-internal", "misbehave", "tag-external"];

const TARGET: &str = "wasm32-unknown-unknown";

fn main() -> ExitCode {
    for path in ["../Cargo.lock", "../Cargo.toml", "../examples/filters", "../plugins", "../tests/guests", "../wit"] {
        println!("cargo:rerun-if-changed={path}");
    }
    println!("cargo:rerun-if-changed=build.rs");
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let folder = target_folder(&out).join("plugins");
    let toolchain = Toolchain::find()?;
    println!("filters are built with {}", toolchain.name);
    toolchain.build(&folder)?;

    let built = folder.join(TARGET).join("plugin");
    let filters = folder.join("filters");
    fs::create_dir_all(&filters).map_err(|error| told(&filters, &error))?;
    for name in STOCK.iter().chain(&EXAMPLES) {
        let module = built.join(format!("{}.wasm", name.replace('-', "_")));
        let copy = filters.join(format!("{name}.wasm"));
        fs::copy(&module, &copy).map_err(|error| told(&module, &error))?;
    }
    let arms =
        STOCK.map(|name| format!("    ({name:?}, include_bytes!({:?})),\n", filters.join(format!("{name}.wasm"))));
    let table = out.join("stock.rs");
    fs::write(&table, format!("[\n{}]\n", arms.concat())).map_err(|error| told(&table, &error))?;
    println!("cargo:rustc-env=MAILWEIR_GUESTS={}", filters.display());
    Ok(())
}

fn told(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// The folder that cargo marks as its target folder; all profiles are below it.
fn target_folder(out: &Path) -> PathBuf {
    let marked = out.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    marked.unwrap_or(out).to_owned()
}

/// A Rust toolchain that can compile for WebAssembly.
struct Toolchain {
    name: &'static str,
    rustc: OsString,
    /// The linker, and the standard library from source, where the toolchain has no such target of its own.
    from_source: Option<PathBuf>,
}

impl Toolchain {
    fn find() -> Result<Self, String> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let sysroot = sysroot(&rustc)?;
        if sysroot.join("lib/rustlib").join(TARGET).exists() {
            return Ok(Self { name: "the running toolchain", rustc, from_source: None });
        }
        // Debian's packages rustc-web and rust-web-src: no such target either, but the sources of the standard library.
        let debian = Path::new("/usr/bin/rustc");
        let has_sources = sysroot_has_sources(debian);
        if let (true, Some(linker)) = (has_sources, linker(&sysroot)) {
            let name = "Debian's rustc and the standard library from source";
            return Ok(Self { name, rustc: debian.into(), from_source: Some(linker) });
        }
        Err(format!(
            "The filters need a Rust toolchain for {TARGET}, and there is none. One of these mends it:\n\
             \x20   rustup target add {TARGET}\n\
             \x20   apt-get install rustc-web cargo-web rust-web-src        (Debian, as root)"
        ))
    }

    fn build(&self, folder: &Path) -> Result<(), String> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        for (name, _) in env::vars_os().filter(|(name, _)| belongs_to_outer_build(&name.to_string_lossy())) {
            cargo.env_remove(name);
        }
        cargo.current_dir("..").env("RUSTC", &self.rustc);
        cargo.args(["build", "--profile", "plugin", "--target", TARGET, "--target-dir"]).arg(folder);
        for name in STOCK.iter().chain(&EXAMPLES) {
            cargo.args(["--package", name]);
        }
        if let Some(linker) = &self.from_source {
            cargo.args(["-Z", "build-std=std,panic_abort"]).env("RUSTC_BOOTSTRAP", "1");
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        match cargo.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("building the filters failed ({status})")),
            Err(error) => Err(format!("cargo can't be run: {error}")),
        }
    }
}

/// What cargo sets for this build script, or a user for the relay, must not reach the filters' build.
fn belongs_to_outer_build(name: &str) -> bool {
    let prefixes =
        ["CARGO_PKG_", "CARGO_CFG_", "CARGO_FEATURE_", "CARGO_MANIFEST_", "CARGO_PROFILE_", "RUSTC", "RUSTDOC"];
    let names = ["CARGO_ENCODED_RUSTFLAGS", "CARGO_MAKEFLAGS", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET", "RUSTFLAGS"];
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || names.contains(&name)
}

fn sysroot(rustc: &OsString) -> Result<PathBuf, String> {
    let output = Command::new(rustc).args(["--print", "sysroot"]).output();
    let output = output.map_err(|error| told(Path::new(rustc), &error))?;
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn sysroot_has_sources(rustc: &Path) -> bool {
    rustc.exists()
        && sysroot(&rustc.into()).is_ok_and(|sysroot| sysroot.join("lib/rustlib/src/rust/library/std").exists())
}

/// The linker that rustup's toolchains bring, or LLVM's own.
fn linker(sysroot: &Path) -> Option<PathBuf> {
    let host = env::var("HOST").unwrap_or_default();
    let own = sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
    let paths = env::var_os("PATH").unwrap_or_default();
    let mut others = env::split_paths(&paths).map(|folder| folder.join("wasm-ld"));
    if own.exists() { Some(own) } else { others.find(|path| path.exists()) }
}
