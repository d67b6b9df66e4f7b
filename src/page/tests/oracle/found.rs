//! Disagreements that the scripts have found, each as small as it gets.
