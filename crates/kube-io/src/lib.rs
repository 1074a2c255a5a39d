//! Watches, status and event writers over the Kubernetes API.
