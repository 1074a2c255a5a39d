//! The names of owners, which Avi objects bear. Source: configuration, §5.1.

/// `created_by` of the objects of the CRD operator.
pub fn crd_operator(cluster: &str) -> String {
    format!("ako-crd-operator-{cluster}")
}

/// `created_by` of the objects of an instance.
pub fn owner(cluster: &str, primary: bool, namespace: &str) -> String {
    if primary { format!("ako-{cluster}") } else { format!("ako-{cluster}-{namespace}") }
}
