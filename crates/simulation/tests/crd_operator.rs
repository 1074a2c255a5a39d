//! The CRD operator beside the operator: what its custom resources come to, and what the witness and the
//! judge say of writes that are made up. On virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::time::Duration;

use ako_simulation::judge::BOUND;
use ako_simulation::judgement::unfinished;
use ako_simulation::profiles::{self, Profile};
use ako_simulation::rules::Form;
use ako_simulation::scene::play;
use ako_simulation::script::Step;
use ako_simulation::setup::Setup;
use ako_simulation::world::World;
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::sleep;

/// Both programs with one replica each, and everything as it is asked for.
async fn at_rest(world: &mut World) -> anyhow::Result<()> {
    world.scale(0, 1).await?;
    world.scale(1, 1).await?;
    world.leader().await?;
    world.finished().await
}

/// The condition of a lively custom resource: its status and its reason.
fn condition(world: &World, profile: Profile, number: usize) -> (String, String) {
    let spec = profile.kind().spec();
    let (namespace, name) = (profiles::namespace(number), profiles::name(number));
    let object = world.kube.get(spec.group, spec.plural, namespace, &name).unwrap();
    let condition = &object["status"]["conditions"][0];
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

fn is_there(world: &World, profile: Profile, number: usize) -> bool {
    let spec = profile.kind().spec();
    world.kube.get(spec.group, spec.plural, profiles::namespace(number), &profiles::name(number)).is_some()
}

#[test]
fn statuses_say_what_the_controller_takes_and_what_it_refuses() {
    play(Setup::WithCrdOperator, async |mut world| {
        at_rest(&mut world).await?;
        let cases = [
            (Form::Right(2), "True", "Created"),
            (Form::Right(3), "True", "Updated"),
            (Form::Wrong(0), "False", "UnresolvedRef"),
            (Form::Wrong(2), "False", "BadRequest"),
            (Form::Right(0), "True", "Updated"),
        ];
        for (form, status, reason) in cases {
            world.take(1, &Step::Profile(Profile::HealthMonitor, 0, form)).await?;
            sleep(Duration::from_secs(5)).await;
            let told = condition(&world, Profile::HealthMonitor, 0);
            assert_eq!(told, (status.to_owned(), reason.to_owned()), "{form:?}");
            assert_eq!(unfinished(&world)?, None, "{form:?}");
        }
        assert_eq!(world.wrong(), Vec::<String>::new());
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_somebody_refers_to_stays_and_is_held() {
    play(Setup::WithCrdOperator, async |mut world| {
        at_rest(&mut world).await?;
        for profile in Profile::ALL {
            world.take(1, &Step::Profile(profile, 0, Form::Right(0))).await?;
            world.finished().await?;
            world.take(1, &Step::Refer(profile, 0, true)).await?;
            world.take(1, &Step::Profile(profile, 0, Form::Gone)).await?;
            sleep(Duration::from_mins(2)).await;
            assert_eq!(condition(&world, profile, 0), ("False".to_owned(), "DeletionSkipped".to_owned()));
            assert_eq!(unfinished(&world)?, None);
            world.take(1, &Step::Refer(profile, 0, false)).await?;
            sleep(Duration::from_mins(2)).await;
            assert!(!is_there(&world, profile, 0));
            assert_eq!(unfinished(&world)?, None);
        }
        assert_eq!(world.wrong(), Vec::<String>::new());
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_judge_finds_what_is_left_behind_and_what_differs() {
    play(Setup::WithCrdOperator, async |mut world| {
        at_rest(&mut world).await?;
        world.take(1, &Step::Profile(Profile::PkiProfile, 0, Form::Right(1))).await?;
        world.finished().await?;
        world.take(1, &Step::Kill(0)).await?;
        sleep(BOUND * 2).await;
        let made = profiles::name_of_made(profiles::namespace(0), &profiles::name(0));
        let line =
            format!("DELETE /api/pkiprofile/{}", world.avi.uuid("pkiprofile", "admin", &made).unwrap());
        let me = Setup::WithCrdOperator.crd_operator().unwrap();
        assert!(world.judge.unasked(me, &line, &Value::Null).is_some(), "it is asked for");
        world.take(1, &Step::Profile(Profile::PkiProfile, 0, Form::Right(2))).await?;
        let why = unfinished(&world)?.unwrap();
        assert!(why.contains("asks for"), "{why}");
        world.take(1, &Step::Profile(Profile::PkiProfile, 0, Form::Gone)).await?;
        assert_eq!(world.judge.unasked(me, &line, &Value::Null), None);
        let why = unfinished(&world)?.unwrap();
        assert!(why.contains("nothing asks for it"), "{why}");
        world.avi.remove("pkiprofile", "admin", &made);
        let why = unfinished(&world)?.unwrap();
        assert!(why.contains("is not let go"), "{why}");
        Ok(())
    })
    .unwrap();
}

/// What the witness says of a write to the API server by a process of an instance that does not lead.
async fn complaints(world: &World, instance: usize, path: &str, body: &Value) -> Vec<String> {
    let before = world.wrong().len();
    let pod = world.setup.members()[instance].pod(0);
    let request = axum::http::Request::patch(path)
        .header("content-type", "application/merge-patch+json")
        .body(Body::from(body.to_string().into_bytes()))
        .unwrap();
    let answer = world.stranger(instance, &pod).watch(world.kube.client()).send(request).await.unwrap();
    let _ = answer.into_body().collect().await;
    world.wrong().split_off(before)
}

#[test]
fn neither_program_writes_what_is_the_others() {
    play(Setup::WithCrdOperator, async |mut world| {
        at_rest(&mut world).await?;
        world.take(0, &Step::Kill(0)).await?;
        world.take(1, &Step::Kill(0)).await?;
        let monitor = "/apis/ako.vmware.com/v1alpha1/namespaces/still/healthmonitors/profile-0";
        let ingress = "/apis/networking.k8s.io/v1/namespaces/still/ingresses/shop-0";
        let set = "/apis/apps/v1/namespaces/avi-system/statefulsets/ako";
        let named = json!({"metadata": {"annotations": {"a": "b"}}});
        for (instance, path, expected) in [
            (0, monitor.to_owned(), "nobody knows of"),
            (0, format!("{monitor}/status"), "nobody knows of"),
            (1, monitor.to_owned(), "left while"),
            (1, format!("{monitor}/status"), "left while"),
            (1, ingress.to_owned(), "nobody knows of"),
            (1, format!("{ingress}/status"), "nobody knows of"),
            (1, set.to_owned(), "nobody knows of"),
        ] {
            let told = complaints(&world, instance, &path, &named).await;
            assert!(told.len() == 1 && told[0].contains(expected), "{instance} {path}: {told:?}");
        }
        for (instance, name) in [(0, "ako-crd-operator-c1--x"), (1, "c1--x")] {
            let before = world.wrong().len();
            let pod = world.setup.members()[instance].pod(0);
            let body = json!({ "name": name }).to_string();
            world.stranger(instance, &pod).write("POST /api/pkiprofile", body.as_bytes());
            let told = world.wrong().split_off(before);
            assert!(told.len() == 1 && told[0].contains("of the other program"), "{name}: {told:?}");
        }
        Ok(())
    })
    .unwrap();
}
