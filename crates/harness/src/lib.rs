//! A real Kubernetes control plane, the simulator and the operator, wired together for tests.
