//! HTTP policy sets: what becomes of a request.

use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use super::objects::{is_on, list, text, texts};
use super::pool::Target;

/// A request as rules see it.
#[derive(Clone, Debug)]
pub(super) struct Question<'a> {
    /// Host header without port, in lower case.
    pub(super) host: &'a str,
    /// Path without query.
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    /// Port of the virtual service.
    pub(super) port: u16,
    pub(super) secure: bool,
}

/// A condition on requests. All parts must hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    paths: Option<TextMatch>,
    hosts: Option<TextMatch>,
    ports: Option<SetMatch<u64>>,
    protocols: Option<SetMatch<String>>,
}

impl Condition {
    /// Reads `match`. What cannot be checked is an error.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let mut condition = Self::default();
        for (key, part) in value.as_object().into_iter().flatten() {
            let is_in = part["match_criteria"] != "IS_NOT_IN";
            match key.as_str() {
                "path" => condition.paths = Some(TextMatch::read(part, "match_str")?),
                "host_hdr" => condition.hosts = Some(TextMatch::read(part, "value")?),
                "vs_port" => {
                    let members = list(part.get("ports")).filter_map(Value::as_u64).collect();
                    condition.ports = Some(SetMatch { is_in, members });
                }
                "protocol" => {
                    let members = texts(part.get("protocols")).chain(part["protocols"].as_str());
                    condition.protocols =
                        Some(SetMatch { is_in, members: members.map(str::to_owned).collect() });
                }
                other => return Err(format!("matching by {other} is not simulated")),
            }
        }
        Ok(condition)
    }

    fn holds(&self, question: &Question<'_>) -> bool {
        let protocol = if question.secure { "HTTPS" } else { "HTTP" };
        self.paths.as_ref().is_none_or(|paths| paths.fits(question.path).is_some())
            && self.hosts.as_ref().is_none_or(|hosts| hosts.fits(question.host).is_some())
            && self.ports.as_ref().is_none_or(|ports| ports.fits(&question.port.into()))
            && self.protocols.as_ref().is_none_or(|names| names.fits(&protocol.to_owned()))
    }
}

#[derive(Clone, Debug)]
struct SetMatch<T> {
    is_in: bool,
    members: Vec<T>,
}

impl<T: PartialEq> SetMatch<T> {
    fn fits(&self, value: &T) -> bool {
        self.members.contains(value) == self.is_in
    }
}

/// A comparison of texts: `EQUALS`, `BEGINS_WITH`, …
#[derive(Clone, Debug)]
pub(super) struct TextMatch {
    criterion: String,
    negated: bool,
    any_case: bool,
    values: Vec<String>,
}

impl TextMatch {
    /// Reads `{"match_criteria", "match_case", <key>: [texts]}`.
    pub(super) fn read(value: &Value, key: &str) -> Result<Self, String> {
        let criteria = value["match_criteria"].as_str().unwrap_or_default();
        let plain = criteria.strip_prefix("HDR_").unwrap_or(criteria);
        let (criterion, negated) = match plain {
            "DOES_NOT_EQUAL" => ("EQUALS", true),
            "DOES_NOT_BEGIN_WITH" => ("BEGINS_WITH", true),
            "DOES_NOT_END_WITH" => ("ENDS_WITH", true),
            "DOES_NOT_CONTAIN" => ("CONTAINS", true),
            "DOES_NOT_EXIST" => ("EXISTS", true),
            other => (other, false),
        };
        if !matches!(criterion, "EQUALS" | "BEGINS_WITH" | "ENDS_WITH" | "CONTAINS" | "EXISTS") {
            return Err(format!("match criteria {criteria} are not simulated"));
        }
        // Hosts have no case; paths have one if that is said.
        let any_case = value["match_case"] != "SENSITIVE";
        let cased = |text: &str| if any_case { text.to_lowercase() } else { text.to_owned() };
        let values = texts(value.get(key)).map(cased).collect();
        Ok(Self { criterion: criterion.to_owned(), negated, any_case, values })
    }

    /// How well a text fits: an equal one better than any part, a longer part better
    /// than a shorter one.
    pub(super) fn fits(&self, value: &str) -> Option<(bool, usize)> {
        let lower = if self.any_case { value.to_lowercase() } else { String::new() };
        let value = if self.any_case { lower.as_str() } else { value };
        let fits = |wanted: &&String| match self.criterion.as_str() {
            "EQUALS" => value == **wanted,
            "BEGINS_WITH" => value.starts_with(&**wanted),
            "ENDS_WITH" => value.ends_with(&**wanted),
            _ => value.contains(&**wanted),
        };
        let equal = self.criterion == "EQUALS" && !self.negated;
        if self.criterion == "EXISTS" {
            return (value.is_empty() == self.negated).then_some((false, 0));
        }
        let best = self.values.iter().filter(fits).map(String::len).max();
        if self.negated { best.is_none().then_some((false, 0)) } else { best.map(|length| (equal, length)) }
    }
}

/// A redirect to another protocol, host, port or path.
#[derive(Clone, Debug)]
struct Redirect {
    status: StatusCode,
    secure: bool,
    port: Option<u64>,
    host: Option<String>,
    path: Option<String>,
    keep_query: bool,
}

impl Redirect {
    fn read(value: &Value) -> Self {
        let status =
            value["status_code"].as_str().and_then(|text| text.rsplit('_').next()?.parse::<u16>().ok());
        Self {
            status: status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::FOUND),
            secure: value["protocol"] == "HTTPS",
            port: value["port"].as_u64(),
            host: tokens(&value["host"], "."),
            path: tokens(&value["path"], "/"),
            keep_query: is_on(value.get("keep_query")),
        }
    }

    fn location(&self, question: &Question<'_>) -> String {
        let (scheme, usual) = if self.secure { ("https", 443) } else { ("http", 80) };
        let host = self.host.as_deref().unwrap_or(question.host);
        let port = self.port.filter(|port| *port != usual).map(|port| format!(":{port}"));
        let path = self.path.as_ref().map_or_else(|| question.path.to_owned(), |path| format!("/{path}"));
        let query = question.query.filter(|_| self.keep_query).map(|query| format!("?{query}"));
        let (port, query) = (port.unwrap_or_default(), query.unwrap_or_default());
        format!("{scheme}://{host}{port}{path}{query}")
    }
}

/// The fixed texts of `{"tokens": [{"str_value": …}]}`.
fn tokens(value: &Value, separator: &str) -> Option<String> {
    let parts: Vec<&str> =
        list(value.get("tokens")).filter_map(|token| token["str_value"].as_str()).collect();
    (!parts.is_empty()).then(|| parts.join(separator))
}

/// A change of a request header; without a value it is removed.
pub(super) type HeaderEdit = (HeaderName, Option<HeaderValue>);

fn header_edit(value: &Value) -> Option<HeaderEdit> {
    let name = value["hdr"]["name"].as_str()?.parse().ok()?;
    if value["action"] == "HTTP_REMOVE_HDR" {
        return Some((name, None));
    }
    let content = value["hdr"]["value"]["val"].as_str()?;
    Some((name, Some(HeaderValue::from_str(content).ok()?)))
}

#[derive(Clone, Debug)]
enum Action {
    Close,
    Refuse,
    Redirect(Redirect),
    Select(Target),
    Edit(Vec<HeaderEdit>),
}

/// An HTTP policy set.
#[derive(Clone, Debug, Default)]
pub(super) struct PolicySet {
    security: Vec<(Condition, Action)>,
    request: Vec<(Condition, Action)>,
}

impl PolicySet {
    /// Reads a set. Rules that cannot be simulated are left out and told.
    pub(super) fn read(
        fields: &serde_json::Map<String, Value>,
        mut target: impl FnMut(&Value) -> Target,
        mut tell: impl FnMut(String),
    ) -> Self {
        let mut read = |policy: &str, action: &mut dyn FnMut(&Value) -> Option<Action>| {
            let rules = fields.get(policy).map(|policy| list(policy.get("rules")));
            let mut rules: Vec<&Value> = rules.into_iter().flatten().collect();
            rules.sort_by_key(|rule| rule["index"].as_u64());
            let mut kept = Vec::new();
            for rule in rules.into_iter().filter(|rule| is_on(rule.get("enable"))) {
                let action = action(rule).ok_or_else(|| "its action is not simulated".to_owned());
                match Condition::read(&rule["match"]).and_then(|condition| Ok((condition, action?))) {
                    Ok(rule) => kept.push(rule),
                    Err(why) => tell(format!("rule {} of {}: {why}", rule["name"], text(fields, "name"))),
                }
            }
            kept
        };
        let security = read("http_security_policy", &mut security_action);
        let request = read("http_request_policy", &mut |rule| request_action(rule, &mut target));
        Self { security, request }
    }
}

fn security_action(rule: &Value) -> Option<Action> {
    match rule["action"]["action"].as_str()? {
        "HTTP_SECURITY_ACTION_CLOSE_CONN" => Some(Action::Close),
        "HTTP_SECURITY_ACTION_SEND_RESPONSE" => Some(Action::Refuse),
        "HTTP_SECURITY_ACTION_REDIRECT_TO_HTTPS" => {
            let port = &rule["action"]["https_port"];
            Some(Action::Redirect(Redirect::read(&serde_json::json!({ "protocol": "HTTPS", "port": port }))))
        }
        _ => None,
    }
}

fn request_action(rule: &Value, target: &mut impl FnMut(&Value) -> Target) -> Option<Action> {
    if let Some(redirect) = rule.get("redirect_action") {
        Some(Action::Redirect(Redirect::read(redirect)))
    } else if let Some(switch) = rule.get("switching_action") {
        Some(Action::Select(target(switch)))
    } else {
        let edits = list(rule.get("hdr_action")).filter_map(header_edit).collect::<Vec<_>>();
        (!edits.is_empty()).then_some(Action::Edit(edits))
    }
}

/// What policies say about a request.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// The connection is closed without an answer.
    Close,
    /// It is answered at once; a redirect says where to.
    Answer(StatusCode, Option<String>),
    /// It goes on, to a target if one was selected.
    Pass(Option<Target>, Vec<HeaderEdit>),
}

/// Asks the sets in their order: security rules first, then request rules. The first
/// rule that fits is a set's answer. A redirect ends it all; of several targets the
/// first stays.
pub(super) fn judge(sets: &[PolicySet], question: &Question<'_>) -> Verdict {
    let (mut selected, mut edits) = (None, Vec::new());
    let security = sets.iter().map(|set| &set.security);
    let request = sets.iter().map(|set| &set.request);
    for rules in security.chain(request) {
        for (_, action) in rules.iter().filter(|(condition, _)| condition.holds(question)) {
            match action {
                Action::Close => return Verdict::Close,
                Action::Refuse => return Verdict::Answer(StatusCode::FORBIDDEN, None),
                Action::Redirect(redirect) => {
                    return Verdict::Answer(redirect.status, Some(redirect.location(question)));
                }
                Action::Select(target) => {
                    selected.get_or_insert_with(|| target.clone());
                    break;
                }
                // Other actions may follow.
                Action::Edit(more) => edits.extend(more.iter().cloned()),
            }
        }
    }
    Verdict::Pass(selected, edits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fits(criteria: &str, case: &str, values: &[&str], value: &str) -> bool {
        let matched = json!({ "match_criteria": criteria, "match_case": case, "match_str": values });
        TextMatch::read(&matched, "match_str").expect("simulated").fits(value).is_some()
    }

    #[test]
    fn texts_are_compared_as_is_said() {
        assert!(fits("EQUALS", "SENSITIVE", &["/a", "/b"], "/b"));
        assert!(!fits("EQUALS", "SENSITIVE", &["/a"], "/A"));
        assert!(fits("EQUALS", "INSENSITIVE", &["/a"], "/A"));
        assert!(fits("BEGINS_WITH", "SENSITIVE", &["/a"], "/ab"));
        assert!(fits("HDR_ENDS_WITH", "INSENSITIVE", &[".COM"], "x.com"));
        assert!(fits("CONTAINS", "SENSITIVE", &["b"], "abc"));
        assert!(!fits("DOES_NOT_CONTAIN", "SENSITIVE", &["b", "x"], "abc"));
        assert!(fits("DOES_NOT_EQUAL", "SENSITIVE", &["b"], "abc"));
        assert!(!fits("HDR_EXISTS", "SENSITIVE", &[], ""));
        assert!(TextMatch::read(&json!({ "match_criteria": "REGEX_MATCH" }), "match_str").is_err());
    }

    fn set(rules: &Value) -> (PolicySet, Vec<String>) {
        let fields = json!({ "name": "set", "http_request_policy": { "rules": rules } });
        let mut told = Vec::new();
        let fields = fields.as_object().expect("an object");
        let set = PolicySet::read(fields, |_| Target::Missing, |problem| told.push(problem));
        (set, told)
    }

    #[test]
    fn a_redirect_of_a_later_set_beats_a_target() {
        let everything = json!([{ "name": "a", "index": 0, "match": {}, "switching_action": {} }]);
        let redirect = json!([{
            "name": "b", "index": 0,
            "match": {
                "vs_port": { "match_criteria": "IS_IN", "ports": [80] },
                "protocol": { "match_criteria": "IS_IN", "protocols": "HTTP" },
            },
            "redirect_action": { "protocol": "HTTPS", "port": 443, "keep_query": false },
        }]);
        let sets = [set(&everything).0, set(&redirect).0];
        let mut question = Question { host: "x", path: "/p", query: Some("q"), port: 80, secure: false };
        let Verdict::Answer(status, location) = judge(&sets, &question) else { panic!("a redirect") };
        assert_eq!((status.as_u16(), location.as_deref()), (302, Some("https://x/p")));
        question.port = 443;
        assert!(matches!(judge(&sets, &question), Verdict::Pass(Some(Target::Missing), _)));
    }

    #[test]
    fn rules_that_cannot_be_simulated_are_told() {
        let rules = json!([
            { "name": "a", "index": 0, "match": { "cookie": {} }, "switching_action": {} },
            { "name": "b", "index": 1, "match": {}, "rewrite_url_action": {} },
            { "name": "c", "index": 2, "enable": false, "match": { "cookie": {} } },
        ]);
        let (set, told) = set(&rules);
        assert!(set.request.is_empty());
        assert_eq!(told.len(), 2, "{told:?}");
    }
}
