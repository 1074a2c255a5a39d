//! Whether AKO's rules are right, by what is known of the controller.

use ako_avi_types::{Brief, Kind, Label, Referred};
use ako_core::config::{NodeNetwork, VipNetwork};
use ako_core::resource::{AviInfraSetting, InfraNetwork, ObjectMeta, Truth};
use ako_core::{
    CloudType, Config, Delta, Facts, Key, Look, NamespacedName, Resource, ResourceId, ResourceKind, Snapshot,
};
use ako_translate::{Output, State, Translator, UnitKey, What};

use crate::cluster::{config, facts};

fn setting() -> AviInfraSetting {
    let vip =
        |name: &str, uuid: &str| VipNetwork { name: name.into(), uuid: uuid.into(), ..VipNetwork::default() };
    let node = NodeNetwork { name: "nodes".into(), ..NodeNetwork::default() };
    AviInfraSetting {
        id: NamespacedName::cluster("blue"),
        meta: ObjectMeta { generation: 3, ..ObjectMeta::default() },
        network: Some(InfraNetwork {
            vip_networks: vec![vip("vips", ""), vip("", "network-7")],
            node_networks: vec![node],
            ..InfraNetwork::default()
        }),
        se_group: Some("gold".into()),
        ..AviInfraSetting::default()
    }
}

fn group() -> Referred {
    Referred::named(Kind::ServiceEngineGroup, "admin", "gold")
}

/// What a setting of these refers to, in the order in which it is said.
fn referred() -> [Referred; 4] {
    let network = |name| Referred::named(Kind::Network, "admin", name);
    [network("vips"), Referred::with_uuid(Kind::Network, "admin", "network-7"), network("nodes"), group()]
}

/// What is said of a setting.
fn said(config: Config, facts: Facts, setting: AviInfraSetting, known: &[(Referred, Look)]) -> Output {
    let translator = Translator::new(config, facts);
    let mut snapshot = Snapshot::default();
    snapshot.act_by(translator.config(), translator.subdomain());
    let rule = ResourceId { kind: ResourceKind::AviInfraSetting, name: setting.id.clone() };
    snapshot.apply(Delta::Apply(Resource::AviInfraSetting(setting)));
    for (name, look) in known {
        snapshot.learn(name, look.clone());
    }
    let unit = UnitKey::Rule(rule);
    assert!(translator.units(&snapshot).contains(&unit));
    translator.unit(&snapshot, &unit)
}

/// The status and the error of that, and what its condition says.
fn verdict(output: &Output) -> Option<(String, String)> {
    let (mut status, mut error, mut condition) = (None, String::new(), None);
    for statement in &output.statements {
        match &statement.what {
            What::Field("status", text) => status = Some(text.to_string()),
            What::Field("error", text) => error = text.to_string(),
            What::Condition {
                kind: "Accepted",
                state: State::Known(truth, reason, message),
                generation: 3,
                ..
            } => {
                condition = Some((*truth, *reason, message.to_string()));
            }
            other => panic!("{other:?}"),
        }
    }
    let status = status?;
    let truth = if status == "Accepted" { Truth::True } else { Truth::False };
    let (found, reason, message) = condition.unwrap();
    assert_eq!((found, reason, &*message), (truth, &*status, &*error));
    Some((status, error))
}

fn judged(known: &[(Referred, Look)]) -> Option<(String, String)> {
    verdict(&said(config(), facts(), setting(), known))
}

fn found() -> Look {
    Look::Found(Brief { uuid: "u".into(), ..Brief::default() })
}

fn rejected(error: &str) -> (String, String) {
    ("Rejected".to_owned(), error.to_owned())
}

fn accepted() -> (String, String) {
    ("Accepted".to_owned(), String::new())
}

#[test]
fn everything_that_is_referred_to_has_to_be_there() {
    let all = referred().map(|name| (name, found()));
    assert_eq!(judged(&all), Some(accepted()));
    let none = referred().map(|name| (name, Look::Missing));
    let all_told = "network \"vips\" not found on controller; network \"network-7\" not found on controller; \
                    network \"nodes\" not found on controller; serviceenginegroup \"gold\" not found on controller";
    assert_eq!(judged(&none), Some(rejected(all_told)), "all of it is told, in a stable order");
    // A name is meant in its tenant, and to the letter.
    for other in [Referred { tenant: "blue".into(), ..group() }, Referred { name: "Gold".into(), ..group() }]
    {
        let mut all = all.to_vec();
        all[3].1 = Look::Missing;
        all.push((other, found()));
        assert_eq!(judged(&all), Some(rejected("serviceenginegroup \"gold\" not found on controller")));
    }
}

#[test]
fn what_is_looked_at_is_in_the_read_set() {
    let output = said(config(), facts(), setting(), &[]);
    for name in referred() {
        assert!(output.reads.contains(&Key::Controller(name)));
    }
    assert!(output.objects.is_empty() && output.contributions.is_empty());
}

#[test]
fn of_what_is_not_known_nothing_is_said() {
    for unknown in [Look::NotAsked, Look::Unreadable("HTTP 403: no".into())] {
        let mut known = referred().map(|name| (name, found()));
        known[1].1 = unknown;
        assert_eq!(judged(&known), None);
        // What is wrong is wrong whatever else is known.
        known[3].1 = Look::Missing;
        assert_eq!(judged(&known), Some(rejected("serviceenginegroup \"gold\" not found on controller")));
    }
}

#[test]
fn what_is_wrong_in_itself_is_told_without_looking() {
    let invalid = AviInfraSetting { invalid: Some("a and b".into()), ..setting() };
    let output = said(config(), facts(), invalid, &[]);
    assert_eq!(verdict(&output), Some(rejected("a and b")));
    assert!(!output.reads.iter().any(|read| matches!(read, Key::Controller(_))));
}

#[test]
fn an_object_of_our_own_cannot_be_meant() {
    let mut known = referred().map(|name| (name, found()));
    let owner = Config { ..config() }.owner();
    known[0].1 = Look::Found(Brief { created_by: Some(owner.into()), ..Brief::default() });
    let text = "network \"vips\" Invalid operation, object referred is created by current AKO instance";
    assert_eq!(judged(&known), Some(rejected(text)));
}

#[test]
fn a_group_of_another_cluster_is_wrong_where_ours_has_to_be_marked() {
    let labelled = |cluster: &str| {
        let mut known = referred().map(|name| (name, found()));
        known[3].1 = Look::Found(Brief { labels: vec![Label::of_cluster(cluster)], ..Brief::default() });
        known
    };
    let judged = |config: Config, cluster| verdict(&said(config, facts(), setting(), &labelled(cluster)));
    let routes = || Config { no_static_routes: false, ..config() };
    let text = "serviceenginegroup \"gold\" found on controller is invalid, mismatched labels: \
                [{\"key\":\"clustername\",\"value\":\"c2\"}]";
    assert_eq!(judged(routes(), "c2"), Some(rejected(text)));
    assert_eq!(judged(routes(), "c1"), Some(accepted()));
    assert_eq!(judged(config(), "c2"), Some(accepted()));
}

#[test]
fn subnets_of_public_clouds_are_not_looked_up() {
    for cloud in [CloudType::Aws, CloudType::Azure] {
        let output = said(config(), Facts { cloud, ..facts() }, setting(), &[(group(), found())]);
        assert_eq!(verdict(&output), Some(accepted()));
    }
}
