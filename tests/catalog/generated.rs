//! The code that the example has of its .proto, made again and compared: `LARDER_GENERATE=1` writes it.

use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message;

fn place(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/catalog")
        .join(file)
}

#[test]
fn the_generated_code_is_that_of_the_proto() {
    let set = protox::Compiler::new([place("")])
        .unwrap()
        .include_imports(true)
        .open_file("catalog.proto")
        .unwrap()
        .file_descriptor_set();
    let out = crate::server::Scratch::new();
    tonic_prost_build::configure()
        .out_dir(out.path())
        .compile_fds(set.clone())
        .unwrap();
    let made = [
        ("proto.rs", fs::read(out.path().join("catalog.rs")).unwrap()),
        ("catalog.bin", set.encode_to_vec()),
    ];
    for (file, made) in made {
        if env::var_os("LARDER_GENERATE").is_some() {
            fs::write(place(file), &made).unwrap();
        }
        assert!(
            fs::read(place(file)).is_ok_and(|there| there == made),
            "{file} is not that of catalog.proto: LARDER_GENERATE=1 cargo test --all-features --test catalog generated"
        );
    }
}
