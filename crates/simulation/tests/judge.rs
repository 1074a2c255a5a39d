//! The judge of what is lost, with losses that are made up. On virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::time::Duration;

use ako_harness::cluster;
use ako_simulation::judge::BOUND;
use ako_simulation::judgement::unfinished;
use ako_simulation::rules::{Form, Rule};
use ako_simulation::scene::{play, play_in};
use ako_simulation::script::{Script, Served, Step};
use ako_simulation::setup::Setup;
use ako_simulation::workload::{self, OTHER_GROUP, host};
use ako_simulation::world::World;
use serde_json::{Value, json};
use tokio::time::sleep;

/// A world at rest with one lively Ingress, which nobody works on any more.
async fn at_rest(world: &mut World) -> anyhow::Result<()> {
    world.scale(0, 1).await?;
    world.take(0, &Step::Apply(0, "/shop")).await?;
    world.leader().await?;
    world.finished().await?;
    world.take(0, &Step::Kill(0)).await?;
    sleep(BOUND * 2).await;
    assert_eq!(world.wrong(), Vec::<String>::new());
    Ok(())
}

/// What the judge says of a request about the first object of a type with a name like
/// that.
fn verdict(
    world: &World,
    method: &str,
    kind: &str,
    name: &str,
    change: impl Fn(&mut Value),
) -> Option<String> {
    let dump = world.avi.dump();
    let named = dump[kind].as_object().unwrap().values().find(|o| o["name"].as_str().unwrap().contains(name));
    let name = named.unwrap()["name"].as_str().unwrap().to_owned();
    let mut body = world.avi.named(kind, &name).unwrap();
    change(&mut body);
    let line = format!("{method} /api/{kind}/{}", world.avi.uuid(kind, "admin", &name).unwrap());
    world.judge.unasked(world.setup.members().first().unwrap(), &line, &body)
}

fn nothing(_: &mut Value) {}

fn deletion(world: &World) -> Option<String> {
    verdict(world, "DELETE", "pool", "lively", nothing)
}

/// A write that leaves the first pool of the lively Ingress that many servers.
fn fewer_servers(world: &World, left: usize) -> Option<String> {
    verdict(world, "PUT", "pool", "lively", |pool| pool["servers"].as_array_mut().unwrap().truncate(left))
}

#[test]
fn a_deletion_needs_a_state_that_asks_for_it_and_is_not_too_old() {
    play(Setup::One, async |mut world| {
        at_rest(&mut world).await?;
        let wrong = deletion(&world).unwrap();
        assert!(wrong.contains("no state of the last 15.2s asks for"), "{wrong}");
        assert_eq!(verdict(&world, "PUT", "pool", "lively", nothing), None, "nothing is lost");
        world.take(0, &Step::Delete(0)).await?;
        assert_eq!(deletion(&world), None, "it is asked for now");
        sleep(Duration::from_mins(1)).await;
        world.take(0, &Step::Apply(0, "/shop")).await?;
        sleep(Duration::from_secs(15)).await;
        assert_eq!(deletion(&world), None, "15 seconds ago");
        sleep(Duration::from_secs(1)).await;
        assert!(deletion(&world).is_some(), "16 seconds ago");
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_a_write_takes_away_has_to_be_asked_for_like_a_deletion() {
    play(Setup::One, async |mut world| {
        at_rest(&mut world).await?;
        let wrong = fewer_servers(&world, 1).unwrap();
        assert!(wrong.contains("servers 10.2.0.2:8080"), "{wrong}");
        world.take(0, &Step::Endpoints(0, 1)).await?;
        assert_eq!(fewer_servers(&world, 1), None);
        assert!(fewer_servers(&world, 0).is_some(), "one is left");
        sleep(BOUND * 2).await;
        // Somebody adds a server by hand: nobody ever asked for it to be there.
        let added = json!({"ip": {"addr": "10.2.0.9", "type": "V4"}, "port": 8080});
        let name =
            world.avi.dump()["pool"].as_object().unwrap().values().find_map(|pool| {
                pool["name"].as_str().filter(|name| name.contains("lively")).map(str::to_owned)
            });
        world.avi.edit("pool", "admin", &name.unwrap(), &json!({"servers": [added]}));
        assert_eq!(fewer_servers(&world, 0), None);
        let why = unfinished(&world)?.unwrap();
        assert!(why.contains("misses [\"servers 10.2.0.1:8080\"]"), "{why}");
        // A host, and what refers to it.
        let host = host("lively", 0);
        let without = |object: &mut Value| {
            object["dns_info"].as_array_mut().unwrap().retain(|info| info["fqdn"] != host.as_str());
        };
        let vsvips = world.avi.dump();
        let vsvips = vsvips["vsvip"].as_object().unwrap();
        let shared = vsvips.values().find(|vsvip| vsvip.to_string().contains(&host)).unwrap();
        let name = shared["name"].as_str().unwrap();
        assert!(verdict(&world, "PUT", "vsvip", name, without).is_some());
        world.take(0, &Step::Delete(0)).await?;
        assert_eq!(verdict(&world, "PUT", "vsvip", name, without), None);
        Ok(())
    })
    .unwrap();
}

/// The name of the first object of a type that is made for a host.
fn made_for(world: &World, kind: &str, host: &str) -> String {
    let dump = world.avi.dump();
    let mut objects = dump[kind].as_object().unwrap().values();
    let found = objects.find(|object| object["markers"].to_string().contains(host)).unwrap();
    found["name"].as_str().unwrap().to_owned()
}

#[test]
fn what_a_setting_or_a_rule_gave_stays_while_it_cannot_be_used() {
    let served = Served { rules: true, routes: false };
    let script = Script { evh: true, served, ..Script::empty(Setup::One) };
    play_in(&script, async |mut world| {
        world.take(0, &Step::Rule(Rule::AviInfraSetting, 0, Form::Right(0))).await?;
        world.take(0, &Step::Rule(Rule::HostRule, 1, Form::Right(0))).await?;
        world.take(0, &Step::ApplyGold(2, "/shop", 0)).await?;
        world.take(0, &Step::Apply(1, "/shop")).await?;
        at_rest(&mut world).await?;
        let (placed, ruled) = (host("lively", 2), host("lively", 1));
        let pool = made_for(&world, "pool", &placed);
        let vsvip = "Shared-L7-EVH-setting-0-";
        let nameless = |vsvip: &mut Value| {
            vsvip["dns_info"].as_array_mut().unwrap().retain(|info| info["fqdn"] != placed.as_str());
        };
        let child = made_for(&world, "virtualservice", &ruled);
        let without_rule = |service: &mut Value| service["waf_policy_ref"] = Value::Null;
        let losses = |world: &World| {
            [
                verdict(world, "DELETE", "pool", &pool, nothing).is_some(),
                verdict(world, "PUT", "vsvip", vsvip, nameless).is_some(),
                verdict(world, "PUT", "virtualservice", &child, without_rule).is_some(),
            ]
        };
        assert_eq!(losses(&world), [true; 3], "all of it is asked for");
        world.take(0, &Step::Rule(Rule::AviInfraSetting, 0, Form::Wrong(1))).await?;
        world.take(0, &Step::Rule(Rule::HostRule, 1, Form::Wrong(0))).await?;
        sleep(BOUND * 2).await;
        assert_eq!(losses(&world), [true; 3], "it cannot be told, so it stays");
        world.take(0, &Step::Delete(2)).await?;
        assert_eq!(losses(&world), [false, false, true], "the Ingress is gone");
        world.take(0, &Step::Rule(Rule::HostRule, 1, Form::Gone)).await?;
        assert_eq!(losses(&world), [false; 3], "the rule is gone");
        Ok(())
    })
    .unwrap();
}

#[test]
fn kinds_may_be_of_different_moments() {
    play(Setup::One, async |mut world| {
        at_rest(&mut world).await?;
        // The Service has another port for a moment, and later the configuration has
        // another Service Engine group: there was no moment with both.
        let [mut service, _] = workload::service("still", 9, "LoadBalancer", 1);
        for port in [81, 80] {
            service["spec"]["ports"][0]["port"] = port.into();
            cluster::apply(&world.kube.client(), &service).await?;
        }
        world.take(0, &Step::Configure("serviceEngineGroupName", Some(OTHER_GROUP))).await?;
        world.take(0, &Step::Configure("serviceEngineGroupName", None)).await?;
        let without = |fields: &'static [&'static str]| {
            move |service: &mut Value| fields.iter().for_each(|field| service[*field] = Value::Null)
        };
        let of = |world: &World, fields| verdict(world, "PUT", "virtualservice", "web-9", without(fields));
        assert_eq!(of(&world, &["services"]), None);
        assert_eq!(of(&world, &["se_group_ref"]), None);
        assert_eq!(of(&world, &["services", "se_group_ref"]), None, "a mixture of both");
        assert!(of(&world, &["vsvip_ref"]).is_some(), "that was never asked for");
        sleep(BOUND * 2).await;
        assert!(of(&world, &["services"]).is_some());
        assert!(of(&world, &["se_group_ref"]).is_some());
        Ok(())
    })
    .unwrap();
}

#[test]
fn delete_config_asks_for_everything_and_a_key_that_needs_a_restart_for_nothing() {
    play(Setup::One, async |mut world| {
        at_rest(&mut world).await?;
        world.take(0, &Step::Configure("clusterName", Some("c2"))).await?;
        assert!(deletion(&world).is_some());
        world.take(0, &Step::Configure("deleteConfig", Some("true"))).await?;
        assert_eq!(deletion(&world), None);
        world.take(0, &Step::Configure("deleteConfig", None)).await?;
        sleep(Duration::from_secs(14)).await;
        assert_eq!(deletion(&world), None);
        sleep(Duration::from_secs(2)).await;
        assert!(deletion(&world).is_some());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_status_loses_an_address_only_if_it_is_not_served() {
    play(Setup::One, async |mut world| {
        at_rest(&mut world).await?;
        let empty = json!({"status": {"loadBalancer": {"ingress": null}}});
        let verdict = |world: &World, plural: &str, kind: &str, namespace: &str, name: &str| {
            let group = if plural == "services" { "" } else { "networking.k8s.io" };
            let object = world.kube.get(group, plural, namespace, name).unwrap();
            let address = object["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().unwrap();
            assert!(address.starts_with("100.64."), "{address}");
            let me = &Setup::One.members()[0];
            assert_eq!(world.judge.unasked_status(me, kind, &object, &object), None);
            world.judge.unasked_status(me, kind, &object, &empty)
        };
        let of_ingress = |world: &World| verdict(world, "ingresses", "Ingress", "lively", "shop-0");
        let of_service = |world: &World| verdict(world, "services", "Service", "still", "web-9");
        assert!(of_ingress(&world).is_some());
        assert!(of_service(&world).is_some());
        // Neither is ours any more for a moment.
        world.take(0, &Step::Configure("deleteConfig", Some("true"))).await?;
        world.take(0, &Step::Configure("deleteConfig", None)).await?;
        assert_eq!((of_ingress(&world), of_service(&world)), (None, None));
        sleep(BOUND * 2).await;
        assert!(of_service(&world).is_some());
        // The address is not on the controller.
        let service = world.avi.dump()["virtualservice"].as_object().unwrap().keys().find_map(|key| {
            key.strip_prefix("admin/").filter(|name| name.contains("web-9")).map(str::to_owned)
        });
        world.avi.remove("virtualservice", "admin", &service.unwrap());
        assert_eq!(of_service(&world), None);
        assert!(of_ingress(&world).is_some());
        Ok(())
    })
    .unwrap();
}
