//! Something that happens in a run.

use std::time::Duration;

use ako_harness::Network;
use ako_sim_avi::Fault as AviFault;
use ako_sim_kube::{Cut, Fault as KubeFault};

use crate::profiles::Profile;
use crate::rules::{Form, Namer, Rule};

/// A connection of a replica to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// That of the election alone.
    Election,
    /// That of everything else: watches, statuses, Events, the configuration.
    Cluster,
    /// Both.
    Both,
}

impl Connection {
    /// What the API server knows it by, of a client `namespace/pod`.
    pub fn of(self, client: &str) -> String {
        match self {
            Self::Election => format!("{client}/election"),
            Self::Cluster => format!("{client}/cluster"),
            Self::Both => client.to_owned(),
        }
    }
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// An Ingress appears or changes: its number, its path.
    Apply(usize, &'static str),
    /// An Ingress goes.
    Delete(usize),
    /// A Service has so many endpoints now.
    Endpoints(usize, usize),
    /// A Service of its own address has this type and so many ports; with none it goes.
    Balance(usize, &'static str, usize),
    /// An Ingress of the class that names an AviInfraSetting appears or changes; of Routes, one
    /// that names the setting itself.
    ApplyGold(usize, &'static str, usize),
    /// A Service has an address of its own, and names an L4Rule and an AviInfraSetting, or none.
    BalanceBy(usize, Option<usize>, Option<usize>),
    /// A rule of that number has this form now.
    Rule(Rule, usize, Form),
    /// A custom resource of that number has this form now.
    Profile(Profile, usize, Form),
    /// The Secret that the health monitors of a namespace sign in with has this form now.
    SignIn(&'static str, Form),
    /// The namespace [`RENTED`](crate::setup::RENTED) is of this tenant of the controller now;
    /// `None` is the usual one.
    Rent(Option<&'static str>),
    /// Whether an object of somebody on the controller refers to what is made of a custom resource.
    Refer(Profile, usize, bool),
    /// Something names this AviInfraSetting now, or none.
    Name(Namer, Option<usize>),
    /// The certificate of the lively hosts is another one.
    Certificate,
    /// The password of the controller is another one.
    Password,
    /// A Node has this subnet for its pods, or goes.
    Node(usize, Option<usize>),
    /// A key of the ConfigMap has this value; `None` is what it was in the beginning.
    Configure(&'static str, Option<&'static str>),
    /// A process is killed.
    Kill(usize),
    /// A process is told to end.
    Stop(usize),
    /// A process starts, if its pod has none and is wanted.
    Start(usize),
    /// A pod is replaced by force; its process starts with a later step.
    Recreate(usize),
    /// The leader is asked to hand over.
    Yield(usize),
    /// A replica is frozen: its clock stands, nothing of it gets through.
    Freeze(usize),
    /// It goes on, and finds that time has passed.
    Thaw(usize),
    /// A connection of a replica does not reach the API server.
    CutKube(usize, Connection, Cut),
    /// All of them do again.
    HealKube(usize),
    /// A replica and the controller do not reach each other.
    CutController(usize, Network),
    /// All watches break, and changes from before are forgotten.
    Forget,
    /// Requests to the controller fail.
    Controller(AviFault),
    /// Requests to the API server or events of watches fail, or nothing is answered.
    Kube(KubeFault),
    /// Lists are answered as of now for a while, whatever changes.
    StaleLists,
    /// All sessions at the controller end.
    ExpireSessions,
    /// Calls to the controller take so long.
    Latency(Duration),
    /// Whether the controller has addresses to give.
    Addresses(bool),
    /// Somebody changes an object of ours on the controller.
    Edit(usize),
    /// Somebody deletes an object of ours on the controller, and what refers to it.
    Remove(usize),
    /// The controller is saved.
    BackupController,
    /// The controller becomes what it was when it was saved.
    RestoreController,
    /// etcd is saved.
    BackupCluster,
    /// The cluster becomes what it was when etcd was saved; versions go on growing.
    RestoreCluster,
    /// The same, but versions begin again where they were then.
    SetBackCluster,
    /// Somebody deletes the leadership record.
    DeleteRecord,
    /// Somebody empties it.
    ClearRecord,
    /// Somebody deletes the Lease.
    DeleteLease,
    /// A pod of AKO 2.2.1 has taken the Lease, and does not renew it.
    TakeLease,
    /// The StatefulSet has so many replicas now.
    Scale(usize),
    /// A namespace belongs to this team now, or to nobody.
    Label(&'static str, Option<&'static str>),
    /// The instance selects the namespaces of this team now.
    Select(&'static str),
    /// A team makes up an installation of its own, or removes it.
    Forge(bool),
    /// A pod of AKO 2.2.1 runs in the StatefulSet, or is gone.
    Beside(bool),
    /// Another cluster takes the cluster's name on the controller.
    LoseName,
    /// It is this one's again.
    RegainName,
}

impl Step {
    /// Whether it is about the replicas of an instance, what they reach, or who of them leads.
    pub fn is_about_replicas(&self) -> bool {
        matches!(
            self,
            Self::Kill(_)
                | Self::Stop(_)
                | Self::Recreate(_)
                | Self::Yield(_)
                | Self::Freeze(_)
                | Self::CutKube(..)
                | Self::CutController(..)
                | Self::Kube(_)
                | Self::DeleteRecord
                | Self::ClearRecord
                | Self::DeleteLease
                | Self::Scale(_)
        )
    }

    /// What it is called where steps are counted; empty for what ends something.
    pub fn name(&self) -> String {
        let name = match self {
            Self::Apply(..) => "change: Ingress applied",
            Self::Delete(_) => "change: Ingress deleted",
            Self::Endpoints(..) => "change: endpoints of a Service",
            Self::Balance(..) => "change: Service of type LoadBalancer",
            Self::ApplyGold(..) => "change: host of an AviInfraSetting",
            Self::BalanceBy(..) => "change: Service that names rules",
            Self::Rule(rule, _, form) => return format!("change: {} {}", rule.kind(), form.name()),
            Self::Profile(profile, _, form) => {
                return format!("change: {} {}", profile.kind().as_str(), form.name());
            }
            Self::SignIn(_, form) => return format!("change: basic-auth Secret {}", form.name()),
            Self::Rent(_) => "change: tenant of a namespace",
            Self::Refer(.., true) => "controller: custom resource's object referred to by hand",
            Self::Name(..) => "change: AviInfraSetting of a class or a namespace",
            Self::Certificate => "change: TLS Secret",
            Self::Password => "change: password of the controller",
            Self::Node(..) => "change: Node",
            Self::Label(..) => "change: namespace given to an instance",
            Self::Select(_) => "change: selector of an instance",
            Self::Forge(true) => "change: installation that a team made up",
            Self::Beside(true) => "process: pod of AKO 2.2.1 beside",
            Self::LoseName => "controller: cluster's name taken by another cluster",
            Self::Configure(key, Some(_)) => return format!("change: key {key} of the ConfigMap"),
            Self::Scale(_) => "process: replicas of the StatefulSet",
            Self::Kill(_) => "process: killed",
            Self::Stop(_) => "process: stopped",
            Self::Recreate(_) => "process: pod replaced by force",
            Self::Yield(_) => "process: asked to hand over",
            Self::Freeze(_) => "process: frozen",
            Self::CutKube(_, connection, cut) => {
                return format!("API server: {connection:?} connection cut, {cut:?}");
            }
            Self::CutController(_, network) if *network != Network::Open => {
                return format!("controller: connection {network:?}");
            }
            Self::Forget => "API server: watches broken, history compacted",
            Self::StaleLists => "API server: lists of a moment ago",
            Self::ExpireSessions => "controller: sessions ended",
            Self::Latency(_) => "controller: slow",
            Self::Addresses(false) => "controller: no address left",
            Self::Edit(_) => "controller: object changed by hand",
            Self::Remove(_) => "controller: object deleted by hand",
            Self::RestoreController => "controller: restored from a backup",
            Self::RestoreCluster => "API server: etcd restored, versions go on",
            Self::SetBackCluster => "API server: etcd restored, versions begin again",
            Self::DeleteRecord => "API server: leadership record deleted",
            Self::ClearRecord => "API server: leadership record emptied",
            Self::DeleteLease => "API server: Lease deleted",
            Self::TakeLease => "API server: Lease taken by AKO 2.2.1",
            // Faults of requests are counted where they are applied.
            Self::Controller(_)
            | Self::Kube(_)
            | Self::Start(_)
            | Self::Thaw(_)
            | Self::HealKube(_)
            | Self::CutController(..)
            | Self::Addresses(true)
            | Self::Configure(_, None)
            | Self::Forge(false)
            | Self::Beside(false)
            | Self::Refer(.., false)
            | Self::RegainName
            | Self::BackupController
            | Self::BackupCluster => "",
        };
        name.to_owned()
    }
}
