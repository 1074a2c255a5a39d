//! Who asks, and whether they may.
//! Source: Kubernetes documentation, "Authenticating", "Using RBAC Authorization".

use serde_json::{Value, json};

use crate::call::{Call, Target};
use crate::cluster::{Cluster, text};
use crate::status::{Granted, Refusal};

/// Tokens at most.
const MOST_ACCOUNTS: usize = 10_000;

/// Paths that everybody who is known may read.
const OPEN_PATHS: [&str; 8] =
    ["/api", "/apis", "/healthz", "/livez", "/readyz", "/openapi", "/version", "/.well-known"];

/// A user who is known by a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The bearer token.
    pub token: String,
    /// The user's name.
    pub name: String,
    /// Groups, besides `system:authenticated`. Members of `system:masters` may do
    /// everything.
    pub groups: Vec<String>,
}

impl Account {
    /// The one who may do everything, with the token `admin-token`.
    pub fn admin() -> Self {
        Self {
            token: "admin-token".to_owned(),
            name: "admin".to_owned(),
            groups: vec!["system:masters".to_owned()],
        }
    }
}

/// Whether permissions are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// Everybody may do everything.
    AlwaysAllow,
    /// What the stored roles and bindings allow.
    Rbac,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    groups: Vec<String>,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
struct Wish<'a> {
    verb: &'a str,
    group: &'a str,
    /// With its subresource after a slash.
    resource: &'a str,
    namespace: &'a str,
    name: &'a str,
    /// For what is not a resource.
    path: &'a str,
}

impl Cluster {
    /// Who sent a request. A token that is not known is refused.
    pub(crate) fn authenticate(&self, call: &Call) -> Granted<User> {
        let Some(token) = call.header("authorization").strip_prefix("Bearer ") else {
            return Ok(User {
                name: "system:anonymous".to_owned(),
                groups: vec!["system:unauthenticated".to_owned()],
            });
        };
        self.user_of(token.trim()).ok_or_else(Refusal::unauthorized)
    }

    fn user_of(&self, token: &str) -> Option<User> {
        let account = self.accounts.iter().find(|account| account.token == token)?;
        let mut groups = account.groups.clone();
        groups.push("system:authenticated".to_owned());
        Some(User { name: account.name.clone(), groups })
    }

    /// Refuses what a user may not do.
    pub(crate) fn authorize(&self, user: &User, call: &Call, target: Option<&Target>) -> Granted<()> {
        let Some(target) = target else {
            let wish =
                Wish { verb: "get", group: "", resource: "", namespace: "", name: "", path: &call.path };
            return if Self::review(call).is_some() || self.allows(user, wish) {
                Ok(())
            } else {
                let message = format!("forbidden: User \"{}\" cannot get path \"{}\"", user.name, call.path);
                Err(Refusal::forbidden(message, json!({})))
            };
        };
        let resource = &target.resource;
        let full = if target.subresource.is_empty() {
            resource.plural.to_string()
        } else {
            format!("{}/{}", resource.plural, target.subresource)
        };
        let mut verb = call.verb(Some(target));
        if verb == "update" && call.method == http::Method::PATCH {
            verb = "patch";
        }
        let wish = Wish {
            verb,
            group: &resource.group,
            resource: &full,
            namespace: &target.namespace,
            name: &target.name,
            path: "",
        };
        if self.allows(user, wish) { Ok(()) } else { Err(refusal(user, wish, target)) }
    }

    fn allows(&self, user: &User, wish: Wish<'_>) -> bool {
        if self.authorization == Authorization::AlwaysAllow
            || user.groups.iter().any(|group| group == "system:masters")
        {
            return true;
        }
        let known = user.groups.iter().any(|group| group == "system:authenticated");
        if !wish.path.is_empty() {
            let below = |open: &&str| {
                wish.path.strip_prefix(*open).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if known && OPEN_PATHS.iter().any(below) {
                return true;
            }
        }
        if known
            && wish.verb == "create"
            && matches!(wish.resource, "selfsubjectaccessreviews" | "selfsubjectreviews")
        {
            return true;
        }
        self.allows_by_binding(user, wish, "clusterrolebindings", "")
            || (!wish.namespace.is_empty()
                && self.allows_by_binding(user, wish, "rolebindings", wish.namespace))
    }

    fn allows_by_binding(&self, user: &User, wish: Wish<'_>, plural: &str, namespace: &str) -> bool {
        let group = "rbac.authorization.k8s.io";
        let Some(bindings) = self.store.collection(&(group.into(), plural.into())) else { return false };
        bindings.range(namespace, None).map(|(_, binding)| &binding.value).any(|binding| {
            let subjects = binding["subjects"].as_array().into_iter().flatten();
            if !subjects.into_iter().any(|subject| is_subject(user, subject, namespace)) {
                return false;
            }
            let role = &binding["roleRef"];
            let (roles, place) =
                if role["kind"] == "ClusterRole" { ("clusterroles", "") } else { ("roles", namespace) };
            let found = self.store.get(&(group.into(), roles.into()), place, text(role, "name"));
            let granted = found.and_then(|role| role.value["rules"].as_array());
            granted.into_iter().flatten().any(|rule| covers(rule, wish))
        })
    }

    /// A review that a request asks for, by its kind.
    fn review(call: &Call) -> Option<&str> {
        let parts: Vec<&str> = call.segments.iter().map(String::as_str).collect();
        match (call.method.as_str(), parts.as_slice()) {
            ("POST", ["apis", group, "v1", plural]) => {
                let known =
                    crate::discovery::REVIEWS.iter().any(|(of, name, _)| of == group && name == plural);
                known.then(|| call.segments[3].as_str())
            }
            _ => None,
        }
    }

    /// Answers a review; `None` if the request asks for none.
    pub(crate) fn answer_review(&self, user: &User, call: &Call) -> Option<Granted<Value>> {
        let plural = Self::review(call)?;
        let mut review = match call.object() {
            Ok(review) => review,
            Err(refusal) => return Some(Err(refusal)),
        };
        let asker = |spec: &Value| User {
            name: text(spec, "user").to_owned(),
            groups: crate::cluster::texts(&spec["groups"]).into_iter().map(str::to_owned).collect(),
        };
        review["status"] = match plural {
            "selfsubjectaccessreviews" => json!({"allowed": self.may(user, &review["spec"])}),
            "subjectaccessreviews" => {
                json!({"allowed": self.may(&asker(&review["spec"]), &review["spec"])})
            }
            "selfsubjectreviews" => json!({"userInfo": {"username": user.name, "groups": user.groups}}),
            _ => match self.user_of(text(&review["spec"], "token")) {
                Some(user) => {
                    json!({"authenticated": true, "user": {"username": user.name, "groups": user.groups}})
                }
                None => json!({"user": {}, "error": "[invalid bearer token]"}),
            },
        };
        let metadata = json!({"creationTimestamp": null});
        crate::kinds::default(&mut review, "metadata", metadata);
        Some(Ok(review))
    }

    fn may(&self, user: &User, spec: &Value) -> bool {
        let attributes = &spec["resourceAttributes"];
        let resource = match text(attributes, "subresource") {
            "" => text(attributes, "resource").to_owned(),
            sub => format!("{}/{sub}", text(attributes, "resource")),
        };
        let wish = if attributes.is_object() {
            Wish {
                verb: text(attributes, "verb"),
                group: text(attributes, "group"),
                resource: &resource,
                namespace: text(attributes, "namespace"),
                name: text(attributes, "name"),
                path: "",
            }
        } else {
            let path = &spec["nonResourceAttributes"];
            Wish {
                verb: text(path, "verb"),
                group: "",
                resource: "",
                namespace: "",
                name: "",
                path: text(path, "path"),
            }
        };
        self.allows(user, wish)
    }

    /// Gives a service account a token.
    pub(crate) fn issue_token(&mut self, call: &Call, target: &Target) -> Granted<Value> {
        let stored = self.get(&target.resource, &target.namespace, &target.name)?;
        if self.accounts.len() >= MOST_ACCOUNTS {
            return Err(Refusal::internal("too many tokens"));
        }
        let mut request = call.object()?;
        let token = format!("sim.{}.{}.{}", target.namespace, target.name, self.ids.uid());
        self.accounts.push(Account {
            token: token.clone(),
            name: format!("system:serviceaccount:{}:{}", target.namespace, target.name),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{}", target.namespace),
            ],
        });
        let seconds = request["spec"]["expirationSeconds"].as_u64().unwrap_or(3600);
        let expires = self.clock.printed_after(std::time::Duration::from_secs(seconds));
        request["metadata"] = json!({
            "name": stored.name(),
            "namespace": stored.namespace(),
            "creationTimestamp": self.clock.printed(),
        });
        request["status"] = json!({"token": token, "expirationTimestamp": expires});
        Ok(request)
    }
}

fn is_subject(user: &User, subject: &Value, namespace: &str) -> bool {
    let name = text(subject, "name");
    match text(subject, "kind") {
        "User" => user.name == name,
        "Group" => user.groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            let own = text(subject, "namespace");
            let place = if own.is_empty() { namespace } else { own };
            user.name == format!("system:serviceaccount:{place}:{name}")
        }
        _ => false,
    }
}

fn covers(rule: &Value, wish: Wish<'_>) -> bool {
    let has = |key: &str, wanted: &str| {
        let list = rule[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        list.into_iter().any(|one| one == "*" || one == wanted)
    };
    if !has("verbs", wish.verb) {
        return false;
    }
    if !wish.path.is_empty() {
        let list = rule["nonResourceURLs"].as_array().into_iter().flatten().filter_map(Value::as_str);
        return list.into_iter().any(|one| match one.strip_suffix('*') {
            Some(prefix) => wish.path.starts_with(prefix),
            None => one == wish.path,
        });
    }
    let of_all = wish.resource.split_once('/').is_some_and(|(_, sub)| has("resources", &format!("*/{sub}")));
    let names = rule["resourceNames"].as_array().filter(|names| !names.is_empty());
    has("apiGroups", wish.group)
        && (has("resources", wish.resource) || of_all)
        && names.is_none_or(|names| names.iter().any(|name| name == wish.name))
}

fn refusal(user: &User, wish: Wish<'_>, target: &Target) -> Refusal {
    let plural = target.resource.qualified();
    let what = if wish.name.is_empty() { plural } else { format!("{plural} \"{}\"", wish.name) };
    let place = if wish.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{}\"", wish.namespace)
    };
    let message = format!(
        "{what} is forbidden: User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {place}",
        user.name, wish.verb, wish.resource, wish.group
    );
    let mut details = serde_json::Map::new();
    for (key, value) in [("name", wish.name), ("group", wish.group), ("kind", &target.resource.plural)] {
        if !value.is_empty() {
            details.insert(key.to_owned(), value.into());
        }
    }
    Refusal::forbidden(message, Value::Object(details))
}
