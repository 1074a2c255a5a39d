//! Typed Avi objects: names, references, bodies as the Avi REST API spells them.
