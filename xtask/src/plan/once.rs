//! Units that several commands build are built only once. Cargo gives a dependency the features that the packages of
//! one call ask for, so two calls for different packages may build it twice.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::command::{PROGRAMS_AND_TESTS, cargo};

/// The units of a build: the name of a unit in a message, and everything that decides whether an earlier build of it
/// can be used.
type Units = BTreeMap<String, BTreeSet<String>>;

/// The libraries of other projects in one call of cargo; `None` where cargo does not report them.
fn units(arguments: &[&str]) -> Option<Units> {
    let mut command = cargo();
    command.args(arguments).args(["--unit-graph", "-Zunstable-options"]).env("RUSTC_BOOTSTRAP", "1");
    let graph: Value = serde_json::from_slice(&command.output().ok()?.stdout).ok()?;
    let list = graph.get("units")?.as_array()?;
    let mut known = vec![None; list.len()];
    let mut found = Units::new();
    for (index, unit) in list.iter().enumerate() {
        let (package, kind) = (unit["pkg_id"].as_str()?, unit["target"]["kind"][0].as_str()?);
        // Packages of this project have several tests of one kind; a build script takes no time to build.
        if !package.starts_with("registry+") || kind == "custom-build" {
            continue;
        }
        let name = format!("{package} ({})", unit["mode"].as_str()?);
        found.entry(name).or_default().insert(identity(list, index, &mut known));
    }
    Some(found)
}

/// Identifies a unit and everything below it, in few bytes.
fn identity(list: &[Value], index: usize, known: &mut [Option<String>]) -> String {
    if let Some(identity) = &known[index] {
        return identity.clone();
    }
    let unit = &list[index];
    let mut profile = unit["profile"].clone();
    // `dev` and `test` are two names of one profile.
    profile.as_object_mut().map(|profile| profile.remove("name"));
    let below = unit["dependencies"].as_array().into_iter().flatten();
    let below: Vec<_> = below
        .map(|one| {
            let index = one["index"].as_u64().expect("a dependency is an index") as usize;
            (one["extern_crate_name"].to_string(), identity(list, index, known))
        })
        .collect();
    let all = format!("{} {profile} {} {} {below:?}", unit["features"], unit["target"], unit["platform"]);
    let identity = digest(&all);
    known[index] = Some(identity.clone());
    identity
}

fn digest(text: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[test]
fn what_several_commands_build_is_built_once() {
    let builds = [
        vec!["build", "--package", "xtask"],
        [&["build", "--bin", "cellar"][..], &PROGRAMS_AND_TESTS].concat(),
        vec!["test", "--no-run", "--workspace"],
        vec!["check", "--workspace", "--all-targets"],
        [&["doc"][..], &crate::check::DOCUMENTED].concat(),
    ];
    let mut all = Units::new();
    let mut most = BTreeMap::<String, usize>::new();
    for build in builds {
        let Some(units) = units(&build) else {
            println!("SKIPPED: this cargo does not tell what it would build");
            return;
        };
        for (name, identities) in units {
            let most = most.entry(name.clone()).or_default();
            *most = identities.len().max(*most);
            all.entry(name).or_default().extend(identities);
        }
    }
    assert!(all.len() > 300, "{} libraries", all.len());
    // One build may have two: one for the program, and one for a macro or a build script.
    let twice: Vec<_> =
        all.iter().filter(|(name, all)| all.len() > most[*name]).map(|(name, _)| name).collect();
    assert!(
        twice.is_empty(),
        "built more than once; name the features in which the builds differ (`cargo tree -e features -i NAME`) in the \
         workspace's Cargo.toml, or in that of `xtask`: {twice:#?}"
    );
}

#[test]
fn the_engine_is_the_same_for_one_package_and_for_all() {
    let engine = |name: &str| name.contains("#wasmtime") || name.contains("#cranelift");
    let Some(all) = units(&["test", "--no-run", "--workspace"]) else {
        println!("SKIPPED: this cargo does not tell what it would build");
        return;
    };
    for package in [
        "runtime-sandbox",
        "runtime-user",
        "runtime-host",
        "runtime-testkit",
        "runtime-cellar",
        "runtime-bench",
    ] {
        let one = units(&["test", "--no-run", "--package", package]).expect("it told of all");
        let again: Vec<_> =
            one.iter().filter(|(name, one)| engine(name) && !one.is_subset(&all[*name])).collect();
        assert!(
            again.is_empty(),
            "`-p {package}` builds the engine again; name the features in which it differs in that of \
             runtime/sandbox: {again:#?}"
        );
    }
}

#[test]
fn the_program_that_serves_people_has_no_compiler_no_simulator_and_no_native_stages() {
    let Some(units) = units(&["build", "--package", "runtime-cellar"]) else {
        println!("SKIPPED: this cargo does not tell what it would build");
        return;
    };
    assert!(units.keys().any(|name| name.contains("#wasmtime@")), "{units:?}");
    for unwanted in ["#cranelift-codegen@", "#wasmtime-internal-cranelift@", "#regalloc2@", "#rayon@"] {
        let found: Vec<_> = units.keys().filter(|name| name.contains(unwanted)).collect();
        assert!(found.is_empty(), "{found:?}");
    }
    let tree = cargo()
        .args(["tree", "--package", "runtime-cellar", "--edges", "normal", "--prefix", "none"])
        .output();
    let tree = String::from_utf8(tree.expect("cargo starts").stdout).expect("names are text");
    assert!(tree.contains("runtime-host"), "{tree}");
    for unwanted in [
        "runtime-simulator",
        "runtime-native",
        "runtime-bench",
        "runtime-demo",
        "runtime-trial",
        "runtime-registry",
        "runtime-studies",
        "runtime-aggregator",
        "opendp",
        "prio",
        "reqwest",
        "cells-trip-segmentation",
    ] {
        assert!(!tree.contains(unwanted), "{unwanted}");
    }
}
