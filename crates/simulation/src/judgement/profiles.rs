//! What has to be true in the end of custom resources and of what the CRD operator makes of them.

use std::collections::BTreeSet;

use ako_app::offline::{Environment, Input, Output, translate};
use ako_core::annotation::TENANT;
use ako_core::resource::Hold;
use serde_json::Value;

use crate::profiles::{PREFIX, Profile, is_refused, name_of_made};
use crate::setup::Member;
use crate::step::Step;
use crate::workload;
use crate::world::World;

/// The type, the tenant and the name of an object on the controller.
type Place<'a> = (&'a str, &'a str, &'a str);

/// The objects of a controller that are made of custom resources.
pub(super) fn made(dump: &Value) -> impl Iterator<Item = Place<'_>> {
    let kinds = dump.as_object().into_iter().flatten();
    let all = kinds.flat_map(|(kind, objects)| {
        let keys = objects.as_object().into_iter().flatten();
        keys.filter_map(move |(key, _)| key.split_once('/').map(|(tenant, name)| (&**kind, tenant, name)))
    });
    all.filter(|(_, _, name)| name.starts_with(PREFIX))
}

/// Why the controller is not as the custom resources ask for, or these do not show it yet.
pub(super) fn unfinished(
    world: &World,
    member: &Member,
    objects: &[Value],
    dump: &Value,
) -> anyhow::Result<Option<String>> {
    let output = translate(Input {
        program: member.program,
        config: workload::config(member, world.evh, world.routes),
        namespace: member.namespace.to_owned(),
        objects: objects.to_vec(),
        environment: Environment::new(world.avi.dump_all()),
    })?;
    let asked = output.avi();
    // What stays as it is is asked for, too.
    let kept = output.desired.all_kept().map(|(key, _)| (key.kind.segment(), &*key.tenant, &*key.name));
    let wanted: BTreeSet<Place<'_>> = made(&asked).chain(kept).collect();
    let is_surplus = |place: &Place<'_>| !wanted.contains(place) && !is_referred_to(dump, place);
    if let Some((kind, tenant, name)) = made(dump).find(is_surplus) {
        return Ok(Some(format!("{kind} {tenant}/{name} is there, and nothing asks for it")));
    }
    let judged = Judged { world, objects, dump, output: &output, asked: &asked };
    Ok(objects.iter().find_map(|object| {
        let profile = Profile::ALL.into_iter().find(|it| object["kind"] == it.kind().as_str())?;
        let why = judged.wrong(profile, object)?;
        let metadata = &object["metadata"];
        Some(format!("{} {}/{} {why}", profile.kind().as_str(), metadata["namespace"], metadata["name"]))
    }))
}

/// Whether an object in the same tenant refers to one.
fn is_referred_to(dump: &Value, (kind, tenant, name): &Place<'_>) -> bool {
    let reference = format!("/api/{kind}?name={name}\"");
    let mut objects =
        dump.as_object().into_iter().flatten().filter_map(|(_, of_kind)| of_kind.as_object()).flatten();
    objects.any(|(key, object)| {
        let is_there = key.split_once('/').is_some_and(|(its, _)| its == *tenant);
        is_there && object.to_string().contains(&reference)
    })
}

/// What a custom resource is judged by.
struct Judged<'a> {
    world: &'a World,
    objects: &'a [Value],
    dump: &'a Value,
    output: &'a Output,
    asked: &'a Value,
}

impl Judged<'_> {
    /// What is wrong with a custom resource, or with what is made of it.
    fn wrong(&self, profile: Profile, object: &Value) -> Option<String> {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        let (tenant, name) = (self.tenant(text("namespace")), name_of_made(text("namespace"), text("name")));
        let (kind, key) = (profile.segment(), format!("{tenant}/{name}"));
        if object["metadata"]["deletionTimestamp"].is_string() {
            // The namespace may be of another tenant since.
            let told = object["status"]["tenant"].as_str().unwrap_or_default();
            let is_left =
                [&*tenant, told].iter().any(|tenant| self.dump[kind][format!("{tenant}/{name}")].is_object());
            return if is_left {
                says(object, "False", &["DeletionSkipped"])
            } else {
                Some("is not let go, though nothing is left of it".to_owned())
            };
        }
        if !is_held(profile, object) {
            return Some("is not held".to_owned());
        }
        let mut kept = self.output.desired.all_kept();
        if kept.any(|(kept, _)| kept.kind.segment() == kind && *kept.tenant == tenant && *kept.name == name) {
            return says(object, "False", &["UnresolvedRef", "ConfigurationError"]);
        }
        if is_refused(object) {
            return says(object, "False", &["BadRequest"]);
        }
        let (asked, there) =
            (self.comparable(&self.asked[kind][&key]), self.comparable(&self.dump[kind][&key]));
        if asked != there {
            return Some(format!("asks for {asked}, and there is {there}"));
        }
        let (status, uuid) = (&object["status"], self.world.avi.uuid(kind, &tenant, &name));
        let is_told = status["uuid"].as_str() == uuid.as_deref()
            && status["backendObjectName"] == *name
            && status["tenant"] == *tenant;
        if !is_told {
            return Some(format!("says {status}, and it is {key} with the uuid {uuid:?}"));
        }
        says(object, "True", &["Created", "Updated"])
    }

    /// The tenant of a namespace.
    fn tenant(&self, namespace: &str) -> String {
        let is_it =
            |object: &&Value| object["kind"] == "Namespace" && object["metadata"]["name"] == namespace;
        let found = self.objects.iter().find(is_it);
        let tenant = found.and_then(|found| found["metadata"]["annotations"][TENANT].as_str());
        tenant.unwrap_or("admin").to_owned()
    }

    /// An object without what may differ. The controller never gives a password back: after a backup of
    /// it was restored, or one of the cluster with the versions of then, nobody can tell that it has
    /// another one than the Secret that the status speaks of.
    fn comparable(&self, object: &Value) -> Value {
        let mut object = object.clone();
        let steps = [Step::RestoreController, Step::SetBackCluster];
        let is_unseen = steps.iter().any(|step| self.world.steps.contains_key(&step.name()));
        if let Some(authentication) = object["authentication"].as_object_mut().filter(|_| is_unseen) {
            authentication.remove("password");
        }
        object
    }
}

/// Whether a custom resource has our finalizer.
fn is_held(profile: Profile, object: &Value) -> bool {
    let finalizers = object["metadata"]["finalizers"].as_array();
    finalizers.is_some_and(|all| all.iter().any(|it| *it == *Hold::finalizer(profile.kind())))
}

/// What is wrong with the condition of a custom resource, which has to have this status and one of these
/// reasons.
fn says(object: &Value, status: &str, reasons: &[&str]) -> Option<String> {
    let condition = &object["status"]["conditions"][0];
    let is_right =
        condition["status"] == status && reasons.iter().any(|reason| condition["reason"] == **reason);
    (!is_right).then(|| format!("says {condition} instead of {status}, one of {reasons:?}"))
}
