//! Every committed input passes, without a fuzzing engine.

use std::path::Path;

#[test]
fn every_committed_input_passes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, target) in mcp_fuzz::TARGETS {
        let mut inputs = 0;
        let folder = root.join("corpus").join(name);
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{folder:?}: {e}")) {
            let path = entry.expect("an entry").path();
            println!("{}", path.display());
            target(&std::fs::read(path).expect("readable"));
            inputs += 1;
        }
        assert!(inputs > 0, "{name} has no seeds");
    }
}

#[test]
fn every_target_is_a_program_of_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, _) in mcp_fuzz::TARGETS {
        assert!(
            root.join("fuzz_targets")
                .join(format!("{name}.rs"))
                .is_file(),
            "{name}"
        );
    }
}
