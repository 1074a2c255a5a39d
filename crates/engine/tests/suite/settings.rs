//! AviInfraSettings: what they place moves with them, and stays where one cannot be used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{Brief, DnsInfo, Kind, Object, ObjectKey, Referred};
use ako_core::config::ShardSize;
use ako_core::resource::{
    AviInfraSetting, InfraNetwork, Ingress, IngressClass, Namespace, ObjectMeta, Protocol, Published,
    ServiceType,
};
use ako_core::{CONTROLLER_NAME, Config, NamespacedName, Resource, ResourceId, ResourceKind, annotation};

use crate::cluster::{
    base, config, host, id, ingress, plain_ingress, plain_service, port, rule, secret, secure_ingress, slice,
};
use crate::world::World;

/// A setting with an SE group; on the controller there is only `gold`.
fn setting(name: &str, group: &str) -> Resource {
    Resource::AviInfraSetting(AviInfraSetting {
        id: NamespacedName::cluster(name),
        se_group: Some(group.into()),
        ..AviInfraSetting::default()
    })
}

fn class(setting: Option<&str>) -> Resource {
    Resource::IngressClass(IngressClass {
        name: "avi".into(),
        controller: CONTROLLER_NAME.into(),
        is_default: true,
        setting: setting.map(Into::into),
    })
}

fn namespace(tenant: Option<&str>, setting: Option<&str>) -> Resource {
    Resource::Namespace(Namespace {
        name: "red".into(),
        tenant: tenant.map(Into::into),
        setting: setting.map(Into::into),
        ..Namespace::default()
    })
}

fn setting_id(name: &str) -> ResourceId {
    ResourceId { kind: ResourceKind::AviInfraSetting, name: NamespacedName::cluster(name) }
}

fn world(config: Config, objects: impl IntoIterator<Item = Resource>) -> World {
    let all = base().into_iter().chain(objects).chain([slice("web", &[1])]).collect();
    let mut world = World::new(config, all);
    let gold = Referred::named(Kind::ServiceEngineGroup, "admin", "gold");
    world.fake.others = BTreeMap::from([(gold, Brief::default())]);
    world
}

fn at_rest(config: Config, objects: impl IntoIterator<Item = Resource>) -> World {
    let mut world = world(config, objects);
    world.start();
    world.settle();
    world.take_writes();
    world
}

/// Two hosts of a class with setting `s`, with TLS or without.
fn placed(config: Config, has_tls: bool) -> World {
    let asks = if has_tls { secure_ingress } else { ingress };
    let objects = [setting("s", "gold"), class(Some("s")), secret("cert", 1)];
    at_rest(config, objects.into_iter().chain([asks("a", &[host(1), host(2)])]))
}

fn modes() -> [Config; 3] {
    let shared = Config { shard_size: ShardSize::Shared(1), ..config() };
    [shared.clone(), Config { evh: true, ..shared }, Config { shard_size: ShardSize::Dedicated, ..config() }]
}

fn fronts(world: &World) -> Vec<Arc<str>> {
    let names = world.fake.names(Kind::VsVip);
    names.into_iter().map(Into::into).collect()
}

fn everything(world: &World) -> Vec<Object> {
    world.fake.keys().into_iter().filter_map(|key| world.fake.get(&key).cloned()).collect()
}

fn hosts(world: &World) -> BTreeSet<Arc<str>> {
    everything(world).iter().flat_map(|object| object.hosts().cloned().collect::<Vec<_>>()).collect()
}

fn addresses(world: &World, ingress: &str) -> usize {
    world.status(&id(ResourceKind::Ingress, ingress)).addresses.len()
}

#[test]
fn hosts_move_when_their_class_loses_its_setting_and_back() {
    for config in modes() {
        let mut world = placed(config, false);
        assert!(fronts(&world).iter().all(|name| name.contains("-s-")), "{:?}", fronts(&world));
        world.apply(class(None));
        world.run(Duration::from_mins(10));
        // The shared one stays until the next start, as that of any last host does.
        world.restart();
        world.run(Duration::from_mins(10));
        assert!(fronts(&world).iter().all(|name| !name.contains("-s-")), "{:?}", fronts(&world));
        let markers = everything(&world).into_iter().flat_map(|object| object.markers().to_vec());
        assert!(markers.into_iter().all(|marker| marker.key != "InfrasettingName"));
        assert_eq!(addresses(&world, "a"), 2);
        world.apply(class(Some("s")));
        world.run(Duration::from_mins(10));
        world.restart();
        world.run(Duration::from_mins(10));
        assert!(fronts(&world).iter().all(|name| name.contains("-s-")), "{:?}", fronts(&world));
    }
}

/// The name of a host that is left alone goes with its Ingress, also where nothing else is left of the host:
/// a controller that was restored from a backup may have just that.
#[test]
fn a_name_that_was_left_alone_goes_with_its_host() {
    let blue = Resource::Namespace(Namespace {
        name: "blue".into(),
        setting: Some("missing".into()),
        ..Namespace::default()
    });
    let of_blue = |name: &str, n: u8| {
        let Resource::Ingress(claim) = ingress(name, &[host(n)]) else { panic!("no Ingress") };
        Resource::Ingress(Ingress { id: NamespacedName::new("blue", name), ..claim })
    };
    for config in modes().into_iter().take(2) {
        let objects = [blue.clone(), ingress("a", &[host(1)]), of_blue("b", 2), of_blue("c", 3)];
        let mut world = at_rest(config, objects);
        let names = |world: &World| {
            let all = everything(world);
            all.iter()
                .flat_map(|object| object.dns_names().cloned().collect::<Vec<_>>())
                .collect::<BTreeSet<_>>()
        };
        let vip = everything(&world).into_iter().find_map(|object| match object {
            Object::VsVip(vip) => Some(vip),
            _ => None,
        });
        let mut vip = vip.expect("a VsVip");
        vip.dns_info.extend([host(2), host(3)].map(|fqdn| DnsInfo { fqdn }));
        world.fake.edit(Object::VsVip(vip));
        world.observe();
        world.run(Duration::from_mins(10));
        let has = |world: &World, n: u8| names(world).contains(&host(n));
        assert_eq!([1, 2, 3].map(|n| has(&world, n)), [true; 3]);
        world.delete(&ResourceId { kind: ResourceKind::Ingress, name: NamespacedName::new("blue", "b") });
        world.run(Duration::from_mins(10));
        assert_eq!([1, 2, 3].map(|n| has(&world, n)), [true, false, true]);
    }
}

/// A setting that is deleted or rejected while it is in use takes nothing away, not even from a
/// process that starts then, and not when others on the same objects change.
#[test]
fn what_a_setting_placed_stays_while_it_cannot_be_used() {
    for config in modes() {
        for (is_deleted, has_tls) in [(true, false), (false, false), (true, true)] {
            let mut world = placed(config.clone(), has_tls);
            let (before, shown) = (everything(&world), addresses(&world, "a"));
            if is_deleted {
                world.delete(&setting_id("s"));
            } else {
                world.apply(setting("s", "missing"));
            }
            world.run(Duration::from_mins(10));
            for _ in 0..2 {
                assert_eq!(world.take_writes(), Vec::<String>::new());
                assert_eq!((everything(&world), addresses(&world, "a")), (before.clone(), shown));
                let told = world.desired().diagnostics().filter(|d| d.reason.as_str() == "SettingNotApplied");
                assert_eq!(told.count(), 2, "one for each host");
                assert!(world.engine.is_settled());
                world.restart();
                world.run(Duration::from_mins(10));
            }
            // What was made for a host that nobody asks for goes, but for what is on the front, which
            // stays as a whole: pools of hosts without TLS in SNI mode, certificates in EVH mode.
            let published = world.status(&id(ResourceKind::Ingress, "a"));
            let asks = if has_tls { secure_ingress } else { ingress };
            let Resource::Ingress(rest) = asks("a", &[host(2)]) else { panic!("no Ingress") };
            world.apply(Resource::Ingress(Ingress { published, ..rest }));
            world.run(Duration::from_mins(10));
            let on_front = match (config.shard_size == ShardSize::Dedicated, config.evh, has_tls) {
                (false, false, false) => vec![Kind::Pool],
                (false, true, true) => vec![Kind::SslKeyAndCertificate],
                _ => Vec::new(),
            };
            let left = everything(&world).into_iter().filter(|object| object.hosts().any(|h| *h == host(1)));
            assert_eq!(left.map(|object| object.kind()).collect::<Vec<_>>(), on_front);
            assert!(hosts(&world).contains(&host(2)));
            assert_eq!(addresses(&world, "a"), 1);
            assert!(world.engine.is_settled());
            // It can be used again.
            world.apply(setting("s", "gold"));
            world.run(Duration::from_mins(10));
            assert_eq!(hosts(&world), BTreeSet::from([host(2)]));
            assert_eq!((world.desired().diagnostics().count(), addresses(&world, "a")), (0, 1));
        }
    }
}

/// The annotations of an object and its addresses are written one after the other: while only one of
/// them is there, an address that stays is not taken for none.
#[test]
fn an_address_that_stays_is_not_lost_between_two_writes() {
    let mut world = placed(modes()[0].clone(), false);
    world.apply(setting("s", "missing"));
    world.run(Duration::from_mins(10));
    let Resource::Ingress(shown) = ingress("a", &[host(1), host(2)]) else { panic!("no Ingress") };
    let published = world.status(&id(ResourceKind::Ingress, "a"));
    let half = Published { addresses: Vec::new(), ..published };
    world.apply(Resource::Ingress(Ingress { published: half.clone(), ..shown }));
    world.run(Duration::from_mins(10));
    assert_eq!(world.status(&id(ResourceKind::Ingress, "a")), half);
}

/// A host that moved while nobody led is served in one place only, though what it left stays for a host
/// that is left alone.
#[test]
fn a_host_that_moves_takes_its_name_along() {
    let [sni, evh, _] = modes();
    for config in [sni, evh] {
        let Resource::IngressClass(gold) = class(Some("s")) else { panic!("no class") };
        let gold = IngressClass { name: "gold".into(), is_default: false, ..gold };
        let objects = [setting("s", "gold"), class(None), Resource::IngressClass(gold)];
        let objects = objects.into_iter().chain([ingress("a", &[host(1)]), ingress("b", &[host(2)])]);
        let mut world = at_rest(config, objects);
        let names = |world: &World| -> BTreeMap<Arc<str>, Vec<Arc<str>>> {
            let vips = everything(world).into_iter().filter_map(|object| match object {
                Object::VsVip(vip) => {
                    Some((vip.name, vip.dns_info.into_iter().map(|info| info.fqdn).collect()))
                }
                _ => None,
            });
            vips.collect()
        };
        let [before] = names(&world).into_values().collect::<Vec<_>>().try_into().unwrap();
        world.stop();
        world.apply(class(Some("missing")));
        let Resource::Ingress(moved) = ingress("b", &[host(2)]) else { panic!("no Ingress") };
        world.apply(Resource::Ingress(Ingress { class: Some("gold".into()), ..moved }));
        world.start();
        world.run(Duration::from_mins(10));
        let mut rest = before;
        rest.retain(|name| *name != host(2));
        let [old, new] = names(&world).into_values().collect::<Vec<_>>().try_into().unwrap();
        assert!(rest.contains(&host(1)) && new.contains(&host(2)), "{rest:?} {new:?}");
        assert_eq!(old, rest);
        assert!(world.engine.is_settled());
    }
}

/// What stayed for hosts that are left alone goes when somebody removes those by hand, as it would with
/// the next start.
#[test]
fn what_is_removed_by_hand_while_it_is_left_alone_leaves_nothing_behind() {
    // Where they share one.
    let [sni, evh, _] = modes();
    for (config, has_tls) in [(sni.clone(), false), (sni, true), (evh.clone(), false), (evh, true)] {
        let asks = if has_tls { secure_ingress } else { ingress };
        let Resource::IngressClass(plain) = class(None) else { panic!("no class") };
        let plain = IngressClass { name: "plain".into(), is_default: false, ..plain };
        let Resource::Ingress(other) = asks("b", &[host(3)]) else { panic!("no Ingress") };
        let other = Ingress { class: Some("plain".into()), ..other };
        let objects = [class(None), Resource::IngressClass(plain), Resource::Ingress(other)];
        let objects = objects.into_iter().chain([secret("cert", 1), asks("a", &[host(1), host(2)])]);
        let mut world = at_rest(config, objects);
        world.apply(class(Some("missing")));
        world.run(Duration::from_mins(10));
        assert_eq!(hosts(&world), BTreeSet::from([host(1), host(2), host(3)]));
        // Nothing is left that refers to these.
        let stays = |key: &ObjectKey| {
            let object = world.fake.get(key).unwrap();
            key.kind == Kind::VsVip || key.kind == Kind::HttpPolicySet && object.hosts().next().is_none()
        };
        let removed: Vec<_> = world.fake.keys().into_iter().filter(|key| !stays(key)).collect();
        for key in &removed {
            world.fake.remove(key);
        }
        world.observe();
        world.run(Duration::from_mins(10));
        assert_eq!(hosts(&world), BTreeSet::from([host(3)]));
        world.take_writes();
        world.restart();
        world.run(Duration::from_mins(10));
        assert_eq!(world.take_writes(), Vec::<String>::new());
    }
}

/// A class that is edited to name a setting that is not there, or not right, takes nothing away.
#[test]
fn what_is_served_stays_when_its_class_names_a_setting_that_cannot_be_used() {
    for config in modes() {
        for (before, after) in [(None, "s"), (None, "missing"), (Some("s"), "missing"), (Some("s"), "bad")] {
            let objects =
                [setting("s", if after == "s" { "missing" } else { "gold" }), setting("bad", "missing")];
            let objects = objects.into_iter().chain([class(before), ingress("a", &[host(1), host(2)])]);
            let mut world = at_rest(config.clone(), objects);
            let (made, all, shown) = (everything(&world), hosts(&world), addresses(&world, "a"));
            assert_eq!(shown, 2);
            world.apply(class(Some(after)));
            world.run(Duration::from_mins(10));
            for _ in 0..2 {
                // An empty front may still be given another checksum.
                let writes = world.take_writes();
                assert!(!writes.iter().any(|write| write.starts_with("delete")), "{writes:?}");
                assert_eq!((hosts(&world), addresses(&world, "a")), (all.clone(), shown));
                assert_eq!(everything(&world).len(), made.len());
                world.restart();
                world.run(Duration::from_mins(10));
            }
            world.apply(class(before));
            world.run(Duration::from_mins(10));
            assert_eq!((everything(&world), addresses(&world, "a")), (made, shown));
        }
    }
}

#[test]
fn nothing_is_made_for_a_setting_that_is_not_there_yet() {
    for config in modes() {
        let mut world = at_rest(config, [class(Some("s")), ingress("a", &[host(1)])]);
        assert_eq!((everything(&world).len(), addresses(&world, "a")), (0, 0));
        world.apply(setting("s", "gold"));
        world.run(Duration::from_mins(1));
        assert_eq!(addresses(&world, "a"), 1);
    }
}

/// Two edits in one: the tenant and the setting of a namespace.
#[test]
fn a_namespace_moves_to_a_tenant_and_a_setting_at_once() {
    for config in modes() {
        let mut world = at_rest(config, [setting("s", "gold"), class(None), ingress("a", &[host(1)])]);
        let in_tenant = |world: &World, tenant: &str| {
            world.fake.keys().into_iter().filter(|key| &*key.tenant == tenant).count()
        };
        world.apply(namespace(Some("blue"), Some("s")));
        world.run(Duration::from_mins(10));
        world.restart();
        world.run(Duration::from_mins(10));
        assert_eq!(in_tenant(&world, "admin"), 0);
        assert!(in_tenant(&world, "blue") > 0 && addresses(&world, "a") == 1);
        world.apply(namespace(None, None));
        world.run(Duration::from_mins(10));
        world.restart();
        world.run(Duration::from_mins(10));
        assert_eq!(in_tenant(&world, "blue"), 0);
        assert!(in_tenant(&world, "admin") > 0 && addresses(&world, "a") == 1);
    }
}

/// Of a front that hosts of several namespaces share, the oldest host decides, and one that is
/// empty stays where it is.
#[test]
fn a_front_stays_where_its_oldest_host_put_it() {
    let config = Config { shard_size: ShardSize::Shared(1), ..config() };
    let objects = [setting("s", "gold"), class(None), namespace(None, Some("s")), ingress("a", &[host(1)])];
    let mut world = at_rest(config, objects);
    let group = |world: &World| {
        let key = world.fake.keys().into_iter().find(|key| key.kind == Kind::VirtualService);
        match key.and_then(|key| world.fake.get(&key).cloned()) {
            Some(Object::VirtualService(vs)) => vs.se_group_ref.and_then(|group| group.name),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(group(&world).as_deref(), Some("gold"));
    world.delete(&id(ResourceKind::Ingress, "a"));
    world.run(Duration::from_mins(1));
    assert_eq!(group(&world).as_deref(), Some("gold"), "nothing is on it");
}

/// The oldest host decides as it does after a restart, also where it became younger.
#[test]
fn a_front_moves_when_the_oldest_host_on_it_becomes_younger() {
    let config = Config { shard_size: ShardSize::Shared(1), evh: true, ..config() };
    let mut world = at_rest(
        config,
        [
            setting("s", "gold"),
            class(None),
            namespace(None, Some("s")),
            crate::cluster::namespace("blue"),
            aged("red", "old", 1, 1),
            aged("red", "young", 1, 5),
            aged("blue", "other", 2, 2),
        ],
    );
    let group = |world: &World| match world.fake.get(&world.fake.find(Kind::VirtualService, "Shared")) {
        Some(Object::VirtualService(vs)) => vs.se_group_ref.as_ref().and_then(|group| group.name.clone()),
        other => panic!("{other:?}"),
    };
    assert_eq!(group(&world).as_deref(), Some("gold"));
    world.delete(&id(ResourceKind::Ingress, "old"));
    world.run(Duration::from_mins(1));
    let before = group(&world);
    world.restart();
    world.run(Duration::from_mins(1));
    assert_eq!((before.as_deref(), group(&world).as_deref()), (Some("Default-Group"), Some("Default-Group")));
}

/// An Ingress of a namespace with a path of its own, and when it was created.
fn aged(namespace: &str, name: &str, n: u32, created: i64) -> Resource {
    Resource::Ingress(Ingress {
        id: NamespacedName::new(namespace, name),
        meta: ObjectMeta::created(created),
        rules: vec![rule(Some(host(n)), &format!("/{name}"), "web")],
        ..plain_ingress(name, &[])
    })
}

/// The SE groups of the virtual services that there are, each with its name.
fn groups(world: &World) -> BTreeMap<Arc<str>, Arc<str>> {
    let services = everything(world).into_iter().filter_map(|object| match object {
        Object::VirtualService(vs) => Some((vs.name, vs.se_group_ref.and_then(|group| group.name)?)),
        _ => None,
    });
    services.collect()
}

/// While the oldest host on a front is left alone, the others do not move it; nor do they wait.
#[test]
fn a_front_stays_while_its_oldest_host_is_left_alone() {
    let shared = Config { shard_size: ShardSize::Shared(1), ..config() };
    for config in [shared.clone(), Config { evh: true, ..shared }] {
        let objects = [
            setting("s", "gold"),
            class(None),
            namespace(None, Some("s")),
            crate::cluster::namespace("blue"),
            aged("red", "old", 1, 1),
            aged("blue", "young", 2, 2),
        ];
        let mut world = at_rest(config, objects);
        let before = groups(&world);
        assert!(before.iter().any(|(name, group)| name.contains("Shared") && &**group == "gold"));
        world.apply(setting("s", "missing"));
        world.run(Duration::from_mins(1));
        for n in 3..5 {
            // The others are served, and the next process does as this one.
            world.apply(aged("blue", &format!("new{n}"), n, i64::from(n)));
            world.run(Duration::from_mins(1));
            assert!(hosts(&world).contains(&host(n)));
            let kept: Vec<_> = before.keys().map(|name| groups(&world).get(name).cloned()).collect();
            assert_eq!(kept, before.values().cloned().map(Some).collect::<Vec<_>>());
            world.restart();
            world.run(Duration::from_mins(1));
        }
        world.take_writes();
        world.restart();
        world.run(Duration::from_mins(1));
        assert_eq!(world.take_writes(), Vec::<String>::new());
        // Nor does it hold what is no longer asked for.
        world.delete(&ResourceId { kind: ResourceKind::Ingress, name: NamespacedName::new("blue", "new3") });
        world.run(Duration::from_mins(1));
        assert_eq!(hosts(&world), BTreeSet::from([host(1), host(2), host(4)]));
        // Who wants it moved takes the wish away.
        world.apply(namespace(None, None));
        world.run(Duration::from_mins(1));
        assert!(groups(&world).values().all(|group| &**group == "Default-Group"), "{:?}", groups(&world));
    }
}

/// A host of two namespaces is placed by the oldest claim to it. While that cannot be told the host
/// stays; that of the younger one does not matter.
#[test]
fn a_host_of_two_namespaces_stays_with_its_oldest_claim() {
    for config in modes() {
        for (mine, is_oldest) in [(1, true), (5, false)] {
            let mut world = at_rest(
                config.clone(),
                [
                    setting("s", "gold"),
                    class(None),
                    namespace(None, Some("s")),
                    crate::cluster::namespace("blue"),
                    aged("red", "mine", 1, mine),
                    aged("blue", "other", 1, 3),
                ],
            );
            let before = groups(&world);
            world.take_writes();
            world.apply(setting("s", "missing"));
            world.run(Duration::from_mins(1));
            assert_eq!((groups(&world), world.take_writes()), (before.clone(), Vec::new()));
            world.restart();
            world.run(Duration::from_mins(1));
            assert_eq!((groups(&world), world.take_writes()), (before, Vec::new()));
            // Whether its pods are followed.
            world.apply(slice("web", &[1, 2, 3]));
            world.run(Duration::from_mins(1));
            assert_eq!(world.take_writes().is_empty(), is_oldest);
        }
    }
}

/// A Service whose setting cannot be used is made as configured, and never moved.
#[test]
fn a_service_stays_where_it_is_while_its_setting_cannot_be_used() {
    let balancer = |setting: &str| {
        let mut service = plain_service("lb", ServiceType::LoadBalancer);
        service.annotations = BTreeMap::from([(annotation::INFRA_SETTING.into(), setting.into())]);
        Resource::Service(service)
    };
    let group = |world: &World| {
        let key = ako_avi_types::ObjectKey::new(Kind::VirtualService, "admin", "c1--red-lb");
        match world.fake.get(&key) {
            Some(Object::VirtualService(vs)) => vs.se_group_ref.as_ref().and_then(|group| group.name.clone()),
            _ => None,
        }
    };
    let mut world = at_rest(config(), [setting("s", "gold"), balancer("s"), slice("lb", &[1])]);
    assert_eq!(group(&world).as_deref(), Some("gold"));
    world.apply(setting("s", "missing"));
    world.run(Duration::from_mins(10));
    assert_eq!(world.take_writes(), Vec::<String>::new());
    // Its pods are followed all the same.
    world.apply(slice("lb", &[1, 2]));
    world.run(Duration::from_mins(10));
    assert_eq!(world.take_writes(), ["update pool admin/c1--red-lb-TCP-80"]);
    world.restart();
    world.run(Duration::from_mins(10));
    assert_eq!((world.take_writes(), group(&world).as_deref()), (Vec::new(), Some("gold")));
    // So are its ports, on every object of it.
    let mut two_ports = balancer("s");
    if let Resource::Service(service) = &mut two_ports {
        service.ports.push(port("other", 81, Protocol::Tcp));
    }
    world.apply(two_ports);
    world.run(Duration::from_mins(10));
    let written: BTreeSet<_> = world.take_writes().into_iter().collect();
    let all = [
        "create pool admin/c1--red-lb-TCP-81",
        "update l4policyset admin/c1--red-lb",
        "update virtualservice admin/c1--red-lb",
    ];
    assert_eq!((written, group(&world).as_deref()), (all.map(Into::into).into(), Some("gold")));
    world.restart();
    world.run(Duration::from_mins(10));
    assert_eq!(world.take_writes(), Vec::<String>::new());
    // One that was not placed by it is made as configured.
    let mut world = at_rest(config(), [balancer("s"), slice("lb", &[1])]);
    assert_eq!(group(&world).as_deref(), Some("Default-Group"));
    world.apply(setting("s", "gold"));
    world.run(Duration::from_mins(10));
    assert_eq!(group(&world).as_deref(), Some("gold"));
}

/// Pools stay behind the router that they are reached by.
#[test]
fn the_pools_of_a_service_stay_where_they_are_while_its_setting_cannot_be_used() {
    let setting = |group: &str| {
        let Resource::AviInfraSetting(setting) = setting("s", group) else { panic!("no setting") };
        Resource::AviInfraSetting(AviInfraSetting { t1lr: Some("router".into()), ..setting })
    };
    let mut service = plain_service("lb", ServiceType::LoadBalancer);
    service.annotations = BTreeMap::from([(annotation::INFRA_SETTING.into(), "s".into())]);
    let mut world = at_rest(config(), [setting("gold"), Resource::Service(service), slice("lb", &[1])]);
    let routers = |world: &World| {
        let routers = everything(world).into_iter().filter_map(|object| match object {
            Object::Pool(pool) => Some(pool.tier1_lr),
            Object::VsVip(vip) => Some(vip.tier1_lr),
            _ => None,
        });
        routers.collect::<BTreeSet<_>>()
    };
    let before = BTreeSet::from([Some("router".into())]);
    assert_eq!(routers(&world), before);
    world.apply(setting("missing"));
    world.apply(slice("lb", &[1, 2]));
    world.run(Duration::from_mins(10));
    assert_eq!(world.take_writes(), ["update pool admin/c1--red-lb-TCP-80"]);
    world.restart();
    world.run(Duration::from_mins(10));
    assert_eq!((world.take_writes(), routers(&world)), (Vec::new(), before));
}

/// The setting of a namespace acts on the pools alone of Services that share a VIP, and so it does
/// when it cannot be used.
#[test]
fn a_shared_vip_follows_the_configuration_whatever_setting_its_namespace_has() {
    let objects =
        [namespace(None, Some("s")), crate::cluster::shared_service("one", 80, "v"), slice("one", &[1])];
    let mut world = at_rest(config(), objects);
    assert!(world.desired().diagnostics().next().is_some());
    let regrouped = Config { se_group: "gold".into(), ..config() };
    world.restart_as(regrouped);
    world.run(Duration::from_mins(10));
    assert!(groups(&world).values().all(|group| &**group == "gold"), "{:?}", groups(&world));
}

/// Routes to the addresses of a namespace are announced while its setting says so, on every virtual
/// service alike.
#[test]
fn the_announcement_of_routes_is_taken_back() {
    let announcing = Resource::AviInfraSetting(AviInfraSetting {
        id: NamespacedName::cluster("s"),
        network: Some(InfraNetwork { enable_rhi: Some(true), ..InfraNetwork::default() }),
        ..AviInfraSetting::default()
    });
    let through = Resource::Ingress(Ingress { passthrough: true, ..plain_ingress("p", &[host(1)]) });
    for config in modes() {
        let objects = [announcing.clone(), class(None), namespace(None, Some("s")), through.clone()];
        let mut world = at_rest(config, objects);
        let announced = |world: &World| -> BTreeSet<_> {
            let services = everything(world).into_iter().filter_map(|object| match object {
                Object::VirtualService(vs) => Some(vs.enable_rhi == Some(true)),
                _ => None,
            });
            services.collect()
        };
        assert_eq!(announced(&world), BTreeSet::from([true]));
        world.apply(namespace(None, None));
        world.run(Duration::from_mins(10));
        assert_eq!(announced(&world), BTreeSet::from([false]));
    }
}
