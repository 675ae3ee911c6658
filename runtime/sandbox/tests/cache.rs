//! Native code on disk: compiled by a child within limits, authenticated, never accepted from another source.

#![allow(clippy::unwrap_used)]

mod common;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier, atomic::AtomicUsize, atomic::Ordering};

use common::v0_2::slow_to_compile;
use common::*;
use runtime_sandbox::*;

const KEY: [u8; 32] = [7; 32];

fn compiler() -> Compiler {
    Compiler::new(env!("CARGO_BIN_EXE_cellar-cell-compiler"), Vec::<String>::new())
}

/// A cell that differs from every other test's, since loaded code is shared by digest.
fn cell(number: u32) -> (Vec<u8>, CodeDigest) {
    let wasm = endpoint(&format!("(drop (i32.const {number}))"));
    let digest = CodeDigest::of(&wasm);
    (wasm, digest)
}

fn native_file(folder: &Path, digest: CodeDigest, extension: &str) -> PathBuf {
    folder.join(engine_hash()).join(format!("{digest}.{extension}"))
}

#[test]
fn a_cell_is_compiled_once_and_then_loaded_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (wasm, digest) = cell(1);
    let compiled = Cell::new(0);
    for _ in 0..3 {
        let cache = NativeCache::open(folder.path(), &KEY).unwrap();
        let component = || {
            compiled.set(compiled.get() + 1);
            Ok(wasm.clone())
        };
        let code = cache.load_or_compile(sandbox(), &compiler(), digest, component).unwrap();
        let prepared = sandbox().prepare(&code, Interfaces::NONE).unwrap();
        let answer = prepared.endpoint(Box::new(NoHost), Limits::endpoint()).unwrap().handle(request());
        assert_eq!(answer.unwrap().body, b"ok");
    }
    assert_eq!(compiled.get(), 1);
    let mut left: Vec<_> =
        fs::read_dir(folder.path().join(engine_hash())).unwrap().map(|file| file.unwrap().path()).collect();
    left.sort();
    assert_eq!(left, ["cwasm", "mac"].map(|extension| native_file(folder.path(), digest, extension)));
}

#[test]
fn native_code_that_was_changed_on_disk_is_refused_and_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let (wasm, digest) = cell(2);
    let cache = NativeCache::open(folder.path(), &KEY).unwrap();
    let load = || cache.load_or_compile(sandbox(), &compiler(), digest, || Ok(wasm.clone()));
    drop(load().unwrap());
    let (file, mac) =
        (native_file(folder.path(), digest, "cwasm"), native_file(folder.path(), digest, "mac"));
    let (native, good_mac) = (fs::read(&file).unwrap(), fs::read(&mac).unwrap());

    let mut changed = native.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let cases: [(&str, &[u8], &[u8]); 4] = [
        ("one bit of the code", &changed, &good_mac),
        ("a shorter file", &native[..middle], &good_mac),
        ("another MAC", &native, &[0; 32]),
        ("no MAC", &native, b""),
    ];
    for (what, code, its_mac) in cases {
        fs::write(&file, code).unwrap();
        fs::write(&mac, its_mac).unwrap();
        assert!(cache.load(sandbox(), digest).unwrap().is_none(), "{what}");
        drop(load().unwrap());
        assert_eq!(
            (fs::read(&file).unwrap(), fs::read(&mac).unwrap()),
            (native.clone(), good_mac.clone()),
            "{what}"
        );
    }
}

#[test]
fn native_code_cannot_be_passed_off_as_another_cells_or_under_another_key() {
    let folder = tempfile::tempdir().unwrap();
    let ((first, first_digest), (_, second_digest)) = (cell(3), cell(4));
    let cache = NativeCache::open(folder.path(), &KEY).unwrap();
    drop(cache.load_or_compile(sandbox(), &compiler(), first_digest, || Ok(first)).unwrap());
    for extension in ["cwasm", "mac"] {
        let from = native_file(folder.path(), first_digest, extension);
        fs::copy(from, native_file(folder.path(), second_digest, extension)).unwrap();
    }
    assert!(cache.load(sandbox(), second_digest).unwrap().is_none());
    let stranger = NativeCache::open(folder.path(), &[8; 32]).unwrap();
    assert!(stranger.load(sandbox(), first_digest).unwrap().is_none());
    assert!(cache.load(sandbox(), first_digest).unwrap().is_some());
    cache.forget(first_digest).unwrap();
    assert!(cache.load(sandbox(), first_digest).unwrap().is_none());
}

#[test]
fn authentic_code_that_the_engine_refuses_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let (wasm, digest) = cell(8);
    let cache = NativeCache::open(folder.path(), &KEY).unwrap();
    let native = &b"the code of a host with other settings"[..];
    let hash = CodeDigest::of(native);
    let authenticated = [b"cellar native code 2\n", engine_hash().as_bytes(), &digest.0, &hash.0].concat();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &KEY);
    fs::write(native_file(folder.path(), digest, "cwasm"), native).unwrap();
    fs::write(native_file(folder.path(), digest, "mac"), ring::hmac::sign(&key, &authenticated)).unwrap();
    assert!(cache.load(sandbox(), digest).unwrap().is_none());
    let code = cache.load_or_compile(sandbox(), &compiler(), digest, || Ok(wasm)).unwrap();
    assert_eq!(code.digest(), digest);
}

#[test]
fn bytes_of_another_component_are_not_compiled_under_a_digest() {
    let folder = tempfile::tempdir().unwrap();
    let ((wasm, found), (_, wanted)) = (cell(5), cell(6));
    let cache = NativeCache::open(folder.path(), &KEY).unwrap();
    let error = cache.load_or_compile(sandbox(), &compiler(), wanted, || Ok(wasm)).unwrap_err();
    assert!(matches!(error, CacheError::OtherDigest { found: f, wanted: w } if (f, w) == (found, wanted)));
}

#[test]
fn code_of_another_engine_is_removed_and_the_folder_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("00000000000000000000000000000000");
    fs::create_dir(&old).unwrap();
    fs::write(old.join("x.cwasm"), b"old").unwrap();
    NativeCache::open(folder.path(), &KEY).unwrap();
    assert!(!old.exists());
    assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(engine_hash(), engine_hash());
    assert_eq!(engine_hash().len(), 32);
}

#[test]
fn calls_for_one_cell_wait_for_one_compilation() {
    let folder = tempfile::tempdir().unwrap();
    let (wasm, digest) = cell(7);
    let cache = Arc::new(NativeCache::open(folder.path(), &KEY).unwrap());
    let (compiled, start) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(4)));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (cache, wasm, compiled, start) =
                (Arc::clone(&cache), wasm.clone(), Arc::clone(&compiled), Arc::clone(&start));
            std::thread::spawn(move || {
                start.wait();
                let component = || {
                    compiled.fetch_add(1, Ordering::Relaxed);
                    Ok(wasm)
                };
                cache
                    .load_or_compile(sandbox(), &compiler(), digest, component)
                    .map(|code| code.digest())
                    .unwrap()
            })
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap() == digest));
    assert_eq!(compiled.load(Ordering::Relaxed), 1);
}

#[test]
fn a_component_that_takes_too_long_to_compile_ends_the_child_and_not_the_host() {
    let slow = slow_to_compile();
    let limits = CompileLimits { cpu_s: 1, ..CompileLimits::default() };
    let error = compiler().with_limits(limits).compile(&slow).unwrap_err();
    assert!(matches!(error, CompileError::CpuLimit { cpu_s: 1 }), "{error:?}");
    assert_eq!(error.to_string(), "compiling took more than 1 s of processor time");

    let limits = CompileLimits { wall_s: 0, ..CompileLimits::default() };
    let error = compiler().with_limits(limits).compile(&slow).unwrap_err();
    assert!(matches!(error, CompileError::WallLimit { wall_s: 0 }), "{error:?}");

    let limits = CompileLimits { address_bytes: 64 << 20, ..CompileLimits::default() };
    let error = compiler().with_limits(limits).compile(&slow).unwrap_err();
    assert!(matches!(error, CompileError::MemoryLimit { address_bytes: 67_108_864 }), "{error:?}");
    compiler().with_limits(limits).compile(&endpoint("(drop (i32.const 10))")).unwrap();
}

#[test]
fn hostile_bytes_are_refused_by_the_child_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let good = endpoint("(drop (i32.const 8))");
    for length in (0..good.len()).step_by(97) {
        let error = compiler().compile(&good[..length]).unwrap_err();
        assert!(matches!(error, CompileError::Refused(_)), "cut at {length}: {error:?}");
    }
    let cache = NativeCache::open(&folder.path().join("cache"), &KEY).unwrap();
    let foreign = wat::parse_str(r#"(component (import "wasi:io/poll@0.2.0" (instance)))"#).unwrap();
    let digest = CodeDigest::of(&foreign);
    let error = cache.load_or_compile(sandbox(), &compiler(), digest, || Ok(foreign)).unwrap_err();
    let CacheError::Compile { source: CompileError::Refused(refusal), .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(refusal, Refusal::ForeignImport { name: "wasi:io/poll@0.2.0".to_owned() });
}

#[test]
fn a_compiler_that_crashes_is_quoted() {
    let quoted = |script: &str| {
        let shell = Compiler::new("/bin/sh", ["-c", script, "sh"]);
        shell.compile(b"component").unwrap_err()
    };
    let error = quoted("echo first >&2; echo the last line >&2; exit 9");
    let words = "the compiler ended with exit status: 9, saying \"the last line\"";
    assert_eq!(error.to_string(), words);
    assert_eq!(quoted("echo why >&2; exit 4").to_string(), "the compiler failed on it: why");
    let error = quoted("echo memory allocation of 7 bytes failed >&2; kill -ABRT $$");
    assert!(matches!(error, CompileError::MemoryLimit { .. }), "{error:?}");
    // More than is taken: the rest is not waited for.
    let error = quoted("yes xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    assert!(matches!(error, CompileError::NativeTooLarge { limit_bytes: NATIVE_BYTES_MAX }), "{error:?}");
}

#[test]
fn a_byte_of_a_component_may_be_wrong_and_nothing_panics() {
    let good = endpoint("(drop (i32.const 9))");
    for at in (0..good.len()).step_by(4) {
        let mut bad = good.clone();
        bad[at] ^= 0x15;
        if let Ok(native) = compile_native(&bad) {
            assert!(!native.is_empty());
        }
    }
}

#[test]
fn a_compiler_that_cannot_be_started_is_named() {
    let error = Compiler::new("/nowhere/compiler", ["compile-cell"]).compile(b"component");
    assert_eq!(error.unwrap_err().to_string(), "cannot run the compiler /nowhere/compiler");
}
