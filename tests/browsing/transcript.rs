//! What was done and seen, line by line.

/// Printed as it grows, and saved at the end.
#[derive(Default)]
pub(crate) struct Transcript(Vec<String>);

impl Transcript {
    pub(crate) fn note(&mut self, line: &str) {
        println!("{line}");
        self.0.push(line.to_owned());
    }

    pub(crate) fn save(&self, path: &str) -> std::io::Result<()> {
        std::fs::write(path, self.0.join("\n") + "\n")
    }
}
